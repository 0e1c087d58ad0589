// Whole plans as `explain --all` prints them: tests/enforcer/plans/CASE holds a profile, the files there are, and the text.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>

#include "base/text.h"
#include "enforcer/plan.h"
#include "profiles/profile_reader.h"
#include "profiles/shipped.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

Machine machine_of(const std::string& name) {
    Machine machine = full_machine();
    machine.user_namespaces = !name.ends_with("without-namespaces");
    machine.user_namespaces_why = "user namespaces are switched off: run `sudo sysctl user.max_user_namespaces=15000`";
    return machine;
}

// Which links lie in the root differs between distributions.
std::string without_host_links(const std::string& text) {
    std::string out;
    for (const std::string_view line : split(text, '\n')) {
        if (!line.starts_with("  link /") && !line.empty()) {
            out += std::string(line) + "\n";
        }
    }
    return out;
}

std::string explained(const std::string& name, const std::string& folder) {
    const TemporaryDirectory directory;
    const std::string tree = slurp(folder + "/tree");
    for (const std::string_view file : split(tree, '\n')) {
        if (!file.empty()) {
            directory.write("home/" + std::string(file), "");
        }
    }
    const UserIdentity user{1000, 1000, "ann", directory / "home"};
    const std::string project = directory / "home/project";
    const std::map<std::string, std::string> environment = {{"LANG", "C"}, {"SECRET", "x"}};
    const auto profile = read_profile(slurp(folder + "/profile.yaml"), "profile.yaml").value();
    auto policy = Policy::build(profile, "profile.yaml", variables_for(user, project, environment), abstraction_loader("")).value();
    const Command command{{"true"}, project, environment, 1000, 1000};
    const Plan plan = compile(std::make_shared<const Policy>(std::move(policy)), machine_of(name), command, {true, false}).value();
    std::string text = describe(plan, Detail::All);
    for (const auto& [from, to] : {std::pair{directory.path(), std::string("@")}, std::pair{plan.temporary, std::string("/tmp/treadline-@")}}) {
        for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos;) {
            text.replace(at, from.size(), to);
        }
    }
    return without_host_links(text);
}

} // namespace

TEST_CASE("explain prints the whole plan: each rule, what holds it, and what reaches further", "[enforcer][plan][golden]") {
    size_t cases = 0;
    for (const auto& entry : std::filesystem::directory_iterator(PLANS)) {
        const std::string name = entry.path().filename();
        CAPTURE(name);
        const std::string text = explained(name, entry.path());
        INFO(text);
        CHECK(text == slurp(entry.path() / "expected.txt"));
        ++cases;
    }
    CHECK(cases >= 4);
}

#include "profiler/coverage.h"

#include <random>

#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

Policy policy_of(const Profile& profile, const Variables& variables) {
    auto policy = Policy::build(profile, "test", variables, test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    return std::move(*policy);
}

} // namespace

TEST_CASE("coverage is what decide() answers, for every path and mode", "[profiler][coverage]") {
    std::mt19937 random(3);
    const std::vector<std::string> roots{"/p", "/h", "/srv/d"};
    const auto random_path = [&](const std::string& root) {
        std::string path = root;
        for (auto depth = random() % 4; depth > 0; --depth) {
            path += "/" + std::string(1, static_cast<char>('a' + random() % 3));
        }
        return path;
    };
    size_t granted = 0;
    size_t refused = 0;
    for (int round = 0; round < 60; ++round) {
        Profile profile;
        std::vector<std::string> written;
        for (int i = 0; i < 6; ++i) {
            std::string path = random_path(roots[random() % roots.size()]);
            constexpr const char* endings[] = {"", "/", "/**", "/*"};
            path += endings[random() % 4];
            if (std::find(written.begin(), written.end(), path) != written.end()) {
                continue;
            }
            written.push_back(path);
            const bool glob = path.ends_with("/*");
            if (random() % 6 == 0 && !glob) {
                profile.deny.push_back({path, {}});
            } else {
                profile.files.push_back({path, glob ? Modes(Mode::Read) : parse_modes("rwx").value(), {}});
            }
        }
        std::string fixture = "run project=/p home=/h\nprocess 1 0 /usr/bin/a\n";
        std::vector<std::string> paths;
        for (int i = 0; i < 60; ++i) {
            paths.push_back(random_path(roots[random() % roots.size()]));
            fixture += "file 1 read " + paths.back() + "\n";
        }
        const auto traces = test::read_fixture(fixture).traces;
        const AccessSet set = collect_accesses(traces, test::fixture_variables);
        const Variables variables = test::fixture_variables(traces[0].run);
        const Policy policy = policy_of(profile, variables);
        const std::vector<Modes> covered = coverage(set, policy).granted;
        for (const std::string& path : paths) {
            const Modes modes = covered[set.trie.find(variables.shorten(path))];
            for (const auto& [operation, mode] :
                 {std::pair(Operation::Read, Mode::Read), std::pair(Operation::Write, Mode::Write),
                  std::pair(Operation::Execute, Mode::Execute)}) {
                const bool allowed = policy.decide(operation, path).allowed;
                INFO(path << " " << to_string(mode));
                CHECK(modes.has(mode) == allowed);
                (allowed ? granted : refused) += 1;
            }
        }
    }
    CHECK(granted > 500); // both answers were tried
    CHECK(refused > 500);
}

TEST_CASE("a private directory covers what the run made there and nothing that was there",
          "[profiler][coverage]") {
    const auto traces = test::read_fixture("run project=/p home=/h\nprocess 1 0 /usr/bin/a\n"
                                           "file 1 create made /tmp/new /tmp/new/x\nfile 1 read /tmp/old\n")
                            .traces;
    const AccessSet set = collect_accesses(traces, test::fixture_variables);
    Profile profile;
    profile.private_directories.push_back({"${tmp}", {}});
    const auto covered = coverage(set, policy_of(profile, test::fixture_variables(traces[0].run))).granted;
    CHECK(to_string(covered[set.trie.find("${tmp}/new/x")]) == "rwc");
    CHECK(covered[set.trie.find("${tmp}/old")].empty());
}

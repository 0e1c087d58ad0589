#include "profiler/rule_index.h"

#include <algorithm>
#include <random>

#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

Policy policy_of(const std::string& rest, const std::string& project = "/p") {
    const auto profile = read_profile("treadline: 1\nname: x\n" + rest, "profile.yaml");
    INFO((profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    RunInfo run;
    run.project = project;
    run.home = "/home/ann";
    auto policy =
        Policy::build(*profile, "profile.yaml", test::fixture_variables(run), test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    return std::move(*policy);
}

std::vector<std::string> texts(const RuleIndex& index, Operation operation, const std::string& object) {
    std::vector<std::string> found;
    for (const RuleId id : index.holders(operation, object)) {
        found.push_back(index.rules()[id].text);
    }
    return found;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("every rule that allows a path is found, not only the narrowest", "[profiler][rule_index]") {
    const Policy policy =
        policy_of("files:\n  ${project}/**: r\n  ${project}/src/: rw\n  ${project}/src/a: r\n"
                  "  /data/*.txt: r\n  /data/**: w\n");
    const RuleIndex index(policy);
    CHECK(texts(index, Operation::Read, "/p/src/a") ==
          Texts{"${project}/**: r", "${project}/src/: rw", "${project}/src/a: r"});
    CHECK(texts(index, Operation::Write, "/p/src/a") == Texts{"${project}/src/: rw"});
    CHECK(texts(index, Operation::Create, "/p/src/a").empty());
    CHECK(texts(index, Operation::Read, "/data/x.txt") == Texts{"/data/*.txt: r"});
    CHECK(texts(index, Operation::Read, "/data/x.c").empty());
}

TEST_CASE("a rule that does not name a guard does not hold what lies under it", "[profiler][rule_index]") {
    const Policy policy = policy_of("files:\n  ${home}/**: r\n  ${home}/.ssh/config: r\n");
    const RuleIndex index(policy);
    CHECK(texts(index, Operation::Read, "/home/ann/.ssh/config") == Texts{"${home}/.ssh/config: r"});
    CHECK(texts(index, Operation::Read, "/home/ann/.ssh/id_rsa").empty());
}

TEST_CASE("what a rule brings into a private directory is not held by that directory",
          "[profiler][rule_index]") {
    const Policy policy = policy_of("private: [\"${tmp}\"]\nfiles:\n  /tmp/shared/**: r\n");
    const RuleIndex index(policy);
    CHECK(texts(index, Operation::Write, "/tmp/own") == Texts{"${tmp}"});
    CHECK(texts(index, Operation::Read, "/tmp/shared/x") == Texts{"/tmp/shared/**: r"});
    CHECK(texts(index, Operation::Write, "/tmp/shared/x").empty());
}

TEST_CASE("hosts, ports, sockets, calls and variables are held by each rule that fits",
          "[profiler][rule_index]") {
    const Policy policy =
        policy_of("network:\n  connect: [\"a.example.org:443\", \"*.example.org:443\"]\n  listen: [3000, 0]\n"
                  "unix: [\"/run/x/*\", \"/run/x/bus\"]\nsyscalls: [\"@file\", rename]\nenvironment: {pass: "
                  "[\"A_*\", A_B]}\n"
                  "deny: [/run/x/no]\n");
    const RuleIndex index(policy);
    CHECK(texts(index, Operation::Connect, "a.example.org:443").size() == 2);
    CHECK(texts(index, Operation::Connect, "b.example.org:443") == Texts{"*.example.org:443"});
    CHECK(texts(index, Operation::Connect, "example.org:443").empty());
    CHECK(texts(index, Operation::Listen, "3000") == Texts{"3000"});
    CHECK(texts(index, Operation::Listen, "3001").empty());
    CHECK(texts(index, Operation::UnixConnect, "/run/x/bus").size() == 2);
    CHECK(texts(index, Operation::UnixConnect, "/run/x/no").empty());
    CHECK(texts(index, Operation::Syscall, "rename").size() == 2);
    CHECK(texts(index, Operation::Syscall, "ptrace").empty());
    CHECK(texts(index, Operation::Environment, "A_B").size() == 2);
    CHECK(texts(index, Operation::Environment, "B").empty());
}

TEST_CASE("the index finds a rule exactly where the decision function allows", "[profiler][rule_index]") {
    std::mt19937 random(7);
    const auto pick = [&](const Texts& from) { return from[random() % from.size()]; };
    const Texts names{"a", "b", ".env", ".git", "hooks", ".ssh", "x.c"};
    const Texts roots{"${project}", "${home}", "${tmp}", "/srv", "/"};
    const Texts absolute{"/tmp/p", "/home/ann", "/tmp", "/srv", ""};
    for (int round = 0; round < 200; ++round) {
        const auto path = [&](const std::string& root, size_t depth) {
            std::string text = root == "/" ? "" : root;
            for (size_t i = 0; i < depth; ++i) {
                text += "/" + pick(names);
            }
            return text.empty() ? std::string("/") : text;
        };
        std::map<std::string, std::string> files;
        for (int i = 0; i < 5; ++i) {
            const std::string at = path(pick(roots), random() % 3);
            const size_t kind = random() % 4;
            if (kind == 0) {
                files[at] = pick({"r", "rw", "rwc", "rx"});
            } else if (at != "/") {
                files[at + (kind == 1   ? "/"
                            : kind == 2 ? "/**"
                                        : "/*.c")] = kind == 3 ? "rw" : pick({"r", "rwc", "x"});
            }
        }
        std::string text = "files:\n  /usr/none: r\n";
        for (const auto& [at, modes] : files) {
            text += "  " + at + ": " + modes + "\n";
        }
        if (random() % 2 == 0) {
            text += "private: [\"" + pick({"${tmp}", "/srv/a", "${home}"}) + "\"]\n";
        }
        if (random() % 3 == 0) {
            text += "deny: [\"" + path(pick({"${project}", "/srv"}), 1 + random() % 2) +
                    pick({"", "/", "/**"}) + "\"]\n";
        }
        INFO(text);
        const Policy policy = policy_of(text, "/tmp/p");
        const RuleIndex index(policy);
        for (int i = 0; i < 40; ++i) {
            const std::string asked = path(pick(absolute), random() % 4);
            for (const Operation operation :
                 {Operation::Read, Operation::Write, Operation::Create, Operation::Execute}) {
                INFO(to_string(operation) << " " << asked);
                const Decision decision = policy.decide(operation, asked);
                const Texts holders = texts(index, operation, asked);
                CHECK(decision.allowed == !holders.empty());
                if (decision.allowed) {
                    const std::string rule =
                        decision.rule.rfind("private: ", 0) == 0 ? decision.rule.substr(9) : decision.rule;
                    CHECK(std::find(holders.begin(), holders.end(), rule) != holders.end());
                }
            }
        }
    }
}

#include "profiler/diff.h"

#include <nlohmann/json.hpp>

#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

Policy policy_of(const std::string& body) {
    const auto variables = test::read_fixture("run project=/p home=/home/ann\n").variables();
    const auto profile = read_profile("treadline: 1\nname: x\n" + body, "profile.yaml");
    INFO((profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    auto policy = Policy::build(*profile, "profile.yaml", variables, test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    return std::move(*policy);
}

ProfileDiff between(const std::string& older, const std::string& newer) {
    return diff(policy_of(older), policy_of(newer));
}

} // namespace

TEST_CASE("a profile differs from itself in nothing, however it is written", "[profiler][diff]") {
    const ProfileDiff same = between("files: {\"${project}/**\": r, /usr/bin/git: rx}\n",
                                     "files:\n  /usr/bin/git: xr   # moved\n  ${project}/**: r\n");
    CHECK_FALSE(same.widens());
    CHECK(same.removed.empty());
    CHECK(to_text(same) == "both allow the same\n");
}

TEST_CASE("a rule inside a wider one of the old profile is nothing new", "[profiler][diff]") {
    CHECK_FALSE(between("files: {\"${project}/**\": rw}\n",
                        "files: {\"${project}/src/**\": rw, \"${project}/a\": r}\n")
                    .widens());
}

TEST_CASE("another extent, another mode, another path widens", "[profiler][diff]") {
    CHECK(between("files: {\"${project}/src/**\": r}\n", "files: {\"${project}/**\": r}\n").added ==
          std::vector<DiffEntry>{{"files", "${project}/**: r", "r"}});
    CHECK(between("files: {\"${project}/**\": r}\n", "files: {\"${project}/**\": rw}\n").added ==
          std::vector<DiffEntry>{{"files", "${project}/**: rw", "w"}});
    CHECK(between("files: {\"${project}/a/\": r}\n", "files: {\"${project}/a/**\": r}\n").widens());
    CHECK(between("files: {\"${project}/a\": r}\n", "files: {\"${project}/b\": r}\n").widens());
    CHECK(between("files: {\"${project}/a\": r}\n", "files: {\"${project}/b\": r}\n").removed.size() == 1);
}

TEST_CASE("naming a credential widens though a subtree seems to hold it", "[profiler][diff]") {
    CHECK(between("files: {\"${home}/**\": r}\n", "files: {\"${home}/**\": r, \"${home}/.ssh/id_rsa\": r}\n")
              .widens());
    CHECK(between("files: {\"${home}/**\": r}\n", "files: {\"${home}/**\": r, \"${home}/.ssh/\": r}\n")
              .widens());
    CHECK_FALSE(
        between("files: {\"${home}/**\": r}\n", "files: {\"${home}/**\": r, \"${home}/x/\": r}\n").widens());
}

TEST_CASE("taking back a deny widens, adding one narrows", "[profiler][diff]") {
    const std::string rule = "files: {\"${project}/**\": r}\n";
    const ProfileDiff gone = between(rule + "deny: [\"${project}/x\"]\n", rule);
    CHECK(gone.added == std::vector<DiffEntry>{{"deny", "${project}/x", ""}});
    const ProfileDiff come = between(rule, rule + "deny: [\"${project}/x\"]\n");
    CHECK_FALSE(come.widens());
    CHECK(come.removed.size() == 1);
    CHECK_FALSE(between(rule + "deny: [\"${project}/x\"]\n", rule + "deny: [\"${project}/**\"]\n").widens());
}

TEST_CASE("hosts, ports, sockets, calls and variables are compared by what they allow", "[profiler][diff]") {
    const std::string older =
        "network: {connect: [\"*.example.org:443\"], listen: [80]}\n"
        "syscalls: [\"@file\"]\nenvironment: {pass: [\"NODE_*\"]}\nunix: [\"/run/x/*\"]\n";
    CHECK_FALSE(between(older, "network: {connect: [\"api.example.org:443\"]}\nsyscalls: [rename]\n"
                               "environment: {pass: [NODE_ENV]}\n")
                    .widens());
    for (const char* newer :
         {"network: {connect: [\"example.org:443\"]}\n", "network: {connect: [\"a.example.org:80\"]}\n",
          "network: {connect: [\"evilexample.org:443\"]}\n", "network: {listen: [81]}\n",
          "network: {publish: [80]}\n", "syscalls: [ptrace]\n", "environment: {pass: [NODE]}\n",
          "environment: {set: {A: b}}\n", "unix: [\"@bus\"]\n", "private: [\"${tmp}\"]\n"}) {
        INFO(newer);
        CHECK(between(older, newer).widens());
    }
}

TEST_CASE("raising or lifting a limit widens, lowering one does not", "[profiler][diff]") {
    CHECK(between("resources: {memory: 1G}\n", "resources: {memory: 2G}\n").widens());
    CHECK(between("resources: {memory: 1G}\n", "").widens());
    CHECK_FALSE(between("resources: {memory: 2G}\n", "resources: {memory: 1G}\n").widens());
    CHECK_FALSE(between("", "resources: {memory: 1G}\n").widens());
}

TEST_CASE("an abstraction widens by its rules, which say where they come from", "[profiler][diff]") {
    const ProfileDiff wider = between("include: [base]\n", "include: [base, git]\n");
    REQUIRE(wider.widens());
    for (const DiffEntry& entry : wider.added) {
        CHECK(entry.rule.find("(include git)") != std::string::npos);
    }
}

TEST_CASE("the difference is valid JSON with the contract's keys", "[profiler][diff]") {
    const auto json =
        nlohmann::json::parse(to_json(between("", "files: {\"${project}/\\\\x0A\\\"x\": r}\n")));
    CHECK(json.at("widens") == true);
    CHECK(json.at("added").size() == 1);
    CHECK(json.at("removed").empty());
    CHECK(json.at("added")[0].at("section") == "files");
}

#include "profiler/diff.h"

#include <nlohmann/json.hpp>

#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

Policy policy_of(const std::string& body) {
    const auto variables = test::read_fixture("run project=/p home=/home/ann\n").variables();
    const auto profile = read_profile("treadline: 1\n" + body, "profile.yaml");
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

TEST_CASE("a file of the host inside a private directory widens, and one made there does not",
          "[profiler][diff]") {
    const std::string older = "private: [/tmp]\n";
    const ProfileDiff named = between(older, older + "files: {/tmp/x/f: rw}\n");
    CHECK(named.added == std::vector<DiffEntry>{{"files", "/tmp/x/f: rw", "rw",
                                                 "the host's own files; private in the other profile"}});
    CHECK(to_text(named).find(
              "+ files /tmp/x/f: rw (rw; the host's own files; private in the other profile)\n") == 0);
    CHECK(between(older + "files: {/tmp/x/f: r}\n", older + "files: {/tmp/x/f: rw}\n").widens());
    CHECK_FALSE(between(older + "files: {/tmp/x/f: rw}\n", older + "files: {/tmp/x/f: r}\n").widens());
    // The host's directory took the place of the private one, or the reverse.
    CHECK(between(older, "files: {/tmp/**: rwc}\n").widens());
    CHECK_FALSE(between("files: {/tmp/**: rwc}\n", older).widens());
    CHECK(between("files: {/**: r}\n" + older, "files: {/**: r}\n").widens());
    // What is made in the private directory may run; nothing of the host's may.
    CHECK(between(older, older + "files: {/tmp/**: x}\n").widens());
    CHECK_FALSE(between(older + "files: {/tmp/**: x}\n", older).widens());
    // With the host's file gone, its place is private again: writable, though it was not.
    CHECK(between(older + "files: {/tmp/x/f: r}\n", older).added ==
          std::vector<DiffEntry>{
              {"private", "/tmp", "", "private where the other profile has the host's own files"}});
}

TEST_CASE("rules that together hold a wider one allow the same", "[profiler][diff]") {
    const auto same = [](const std::string& older, const std::string& newer) {
        const ProfileDiff both = between(older, newer);
        INFO(to_text(both));
        CHECK_FALSE(both.widens());
        CHECK(both.removed.empty());
    };
    same("files: {/a: r, \"/a/*\": r}\n", "files: {/a/: r}\n");
    same("files: {/a/**: r, /a/b/**: w}\n", "files: {/a/**: r, /a/b/**: rw}\n");
    same("files: {/a/**: r}\n", "files: {/a/**: r, \"/a/*.so\": r, /a/b/: r}\n");
    same("files: {\"/a/*b*\": r}\n", "files: {\"/a/*b*\": r, \"/a/xb*\": r}\n");
    same("deny: [/a, \"/b*\"]\n", "deny: [/a/**, \"/b*\", /bc/**]\n");
    same("private: [/a]\n", "private: [/a, /a/b]\n");
    CHECK(between("files: {/a: r, \"/a/x*\": r}\n", "files: {/a/: r}\n").widens());
    CHECK(between("files: {\"/a/*\": r, \"/a/*/*\": r, /a: r}\n", "files: {/a/**: r}\n").widens());
    CHECK(between("files: {\"/a/*bb*\": r}\n", "files: {\"/a/*b*\": r}\n").widens());
}

TEST_CASE("each key of the format is compared: what it adds, takes away and changes", "[profiler][diff]") {
    enum class Gives { More, Less, Same }; // to have the line, against not having it
    struct Key {
        const char* line;
        Gives gives;
        const char* wider; // the line with more in it; "" where there is none
    };
    const Key keys[] = {
        {"include: [base]\n", Gives::More, "include: [base, git]\n"},
        {"files: {/a: r}\n", Gives::More, "files: {/a: rw}\n"},
        {"private: [/a/b]\n", Gives::More, "private: [/a]\n"},
        {"deny: [/a]\n", Gives::Less, "deny: [/a/b]\n"},
        {"network: {connect: [\"a.example.org:443\"]}\n", Gives::More,
         "network: {connect: [\"*.example.org:443\"]}\n"},
        {"network: {connect: [\"*.example.org:22\"]}\n", Gives::More, "network: {connect: [\"*.example.org:22/tcp\"]}\n"},
        {"network: {listen: [80]}\n", Gives::More, "network: {listen: [80, 0]}\n"},
        {"network: {publish: [80]}\n", Gives::More, "network: {publish: [80, 81]}\n"},
        {"network: {credentials: [{host: a.example.org, header: Authorization, value: \"Bearer "
         "${env:A}\"}]}\n",
         Gives::More,
         "network: {credentials: [{host: a.example.org, header: Authorization, value: \"Bearer "
         "${env:B}\"}]}\n"},
        {"network: {inspect: [{host: \"a.example.org:443\", methods: [GET]}]}\n", Gives::Less,
         "network: {inspect: [{host: \"a.example.org:443\", methods: [GET, POST]}]}\n"},
        {"network: {inspect: [{host: \"a.example.org:443\", methods: [GET]}]}\n", Gives::Less, "network: {inspect: [\"*.example.org:443\"]}\n"},
        {"network: {inspect: [\"a.example.org:443\"]}\n", Gives::Less, "network: {inspect: [{host: \"a.example.org:443\", upgrades: [websocket]}]}\n"},
        {"unix: [/run/a]\n", Gives::More, "unix: [\"/run/*\"]\n"},
        {"unix: [\"@a\"]\n", Gives::More, "unix: [\"@a*\"]\n"},
        {"syscalls: [ptrace]\n", Gives::More, "syscalls: [ptrace, bpf]\n"},
        {"environment: {pass: [AA]}\n", Gives::More, "environment: {pass: [\"A*\"]}\n"},
        {"environment: {set: {A: b}}\n", Gives::More, "environment: {set: {A: c}}\n"},
        {"resources: {memory: 1G}\n", Gives::Less, "resources: {memory: 2G}\n"},
        {"resources: {processes: 1}\n", Gives::Less, "resources: {processes: 2}\n"},
        {"resources: {cpu: 100%}\n", Gives::Less, "resources: {cpu: 200%}\n"},
        {"resources: {file_size: 1M}\n", Gives::Less, "resources: {file_size: 1G}\n"},
        {"resources: {time: 1m}\n", Gives::Less, "resources: {time: 2m}\n"},
        {"learned: {runs: 1, complete: true}\n", Gives::Same, ""},
        {"review: {files: {/a: r}, syscalls: [ptrace]}\n", Gives::Same, ""},
    };
    const auto check = [](const std::string& older, const std::string& newer, bool more, bool less) {
        const ProfileDiff difference = between(older, newer);
        INFO(older << "->\n" << newer << to_text(difference));
        CHECK(difference.widens() == more);
        CHECK(difference.removed.empty() != less);
    };
    for (const Key& key : keys) {
        check("", key.line, key.gives == Gives::More, key.gives == Gives::Less);
        check(key.line, "", key.gives == Gives::Less, key.gives == Gives::More);
        check(key.line, key.line, false, false);
        if (*key.wider != '\0') {
            CHECK(between(key.line, key.wider).widens());
            CHECK_FALSE(between(key.wider, key.line).removed.empty());
        }
    }
    CHECK(between("name: a\n", "name: b\n") == ProfileDiff{});
}

TEST_CASE("moving a rule up from review widens", "[profiler][diff]") {
    CHECK(between("review: {files: {/a: r}}\n", "files: {/a: r}\n").widens());
    CHECK_FALSE(between("files: {/a: r}\n", "review: {files: {/a: r}}\n").widens());
}

TEST_CASE("another source of a credential widens, and no value of one is shown", "[profiler][diff]") {
    const auto with = [](const std::string& value) {
        return "network: {credentials: [{host: a.example.org, header: X-Key, value: \"" + value + "\"}]}\n";
    };
    CHECK(between(with("${env:A}"), with("${env:A}${env:B}")).added ==
          std::vector<DiffEntry>{{"credentials", "a.example.org X-Key from ${env:A} ${env:B}", ""}});
    const std::string scoped = "network: {credentials: [{host: a.example.org, header: X-Key, value: \"${env:A}\", methods: [GET], paths: [\"/v1/**\"]}]}\n";
    CHECK(between(scoped, with("${env:A}")).widens());
    CHECK(between("", scoped).added[0].rule == "a.example.org X-Key GET /v1/** from ${env:A}");
    const ProfileDiff literal = between(with("s3cret"), with("other"));
    CHECK(literal.widens());
    CHECK(to_text(literal).find("other") == std::string::npos);
    CHECK(to_json(literal).find("s3cret") == std::string::npos);
}

TEST_CASE("a secret variable passed by its name widens a wildcard that never passes it", "[profiler][diff]") {
    const std::string older = "environment: {pass: [\"AWS_*\"]}\n";
    CHECK(between(older, "environment: {pass: [\"AWS_*\", AWS_SECRET_ACCESS_KEY]}\n").widens());
    CHECK_FALSE(between(older, "environment: {pass: [AWS_REGION]}\n").widens());
    // The host's value where a fixed one stood.
    CHECK(between("environment: {set: {A: b}}\n", "environment: {pass: [A]}\n").widens());
}

TEST_CASE("connecting to the host's loopback is more than to what listens inside", "[profiler][diff]") {
    CHECK(between("network: {listen: [80]}\n", "network: {listen: [80], connect: [\"127.0.0.1:80\"]}\n")
              .widens());
    const std::string named = "network: {connect: [\"127.0.0.1:80\"]}\n";
    const std::string service = "network: {connect: [\"host:80\"]}\n";
    CHECK(between(named, service).widens());
    CHECK_FALSE(between(service, named).widens());
}

TEST_CASE("a socket of the host in a private directory widens", "[profiler][diff]") {
    CHECK(between("private: [/tmp]\n", "private: [/tmp]\nunix: [/tmp/s]\n").widens());
    CHECK_FALSE(between("unix: [\"/tmp/*\"]\n", "unix: [/tmp/s]\n").widens());
    CHECK(
        between("unix: [\"${home}/*/S.gpg-agent\"]\n", "unix: [\"${home}/.gnupg/S.gpg-agent\"]\n").widens());
}

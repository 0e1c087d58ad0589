#include "profiler/minimise.h"

#include <algorithm>
#include <map>
#include <random>

#include <nlohmann/json.hpp>

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

const std::string start = "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/node\n";

Minimised minimised(const std::string& rest, const std::string& trace) {
    const auto fixture = test::read_fixture(start + trace);
    const auto profile = read_profile("treadline: 1\nname: x\n" + rest, "profile.yaml");
    INFO((profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    const auto policy =
        Policy::build(*profile, "profile.yaml", fixture.variables(), test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    auto done =
        minimise({*profile, *policy, fixture.traces, test::fixture_variables, test::fixture_abstractions()});
    REQUIRE(done.has_value());
    return std::move(*done);
}

const RuleVerdict& of(const Minimised& minimised, const std::string& rule) {
    const auto at = std::find_if(minimised.rules.begin(), minimised.rules.end(),
                                 [&](const RuleVerdict& verdict) { return verdict.rule == rule; });
    INFO(rule);
    REQUIRE(at != minimised.rules.end());
    return *at;
}

using Texts = std::vector<std::string>;

Texts denied(const Minimised& minimised) {
    Texts texts;
    for (const DeniedAccess& access : minimised.denied) {
        texts.push_back(std::string(to_string(access.operation)) + " " + access.object);
    }
    return texts;
}

} // namespace

TEST_CASE("runs read as rows of the store are replayed as those read as texts", "[profiler][minimise]") {
    const auto fixture =
        test::read_fixture(start + "file 1 read {project}/a {project}/b\nfile 1 connect /run/x/s\n"
                                   "file 1 write {project}/denied\nfile 1 connect /run/x/other\n");
    const auto profile = read_profile("treadline: 1\nname: x\nfiles:\n  ${project}/a: r\n  ${project}/b: r\n"
                                      "unix: [/run/x/s]\n",
                                      "profile.yaml");
    REQUIRE(profile.has_value());
    const auto policy =
        Policy::build(*profile, "profile.yaml", fixture.variables(), test::fixture_abstractions());
    REQUIRE(policy.has_value());
    const std::vector<Trace> rows{test::as_rows(fixture.traces[0])};
    const RuleIndex index(*policy);
    const Replay a = replay(fixture.traces, test::fixture_variables, index);
    const Replay b = replay(rows, test::fixture_variables, index);
    CHECK(a.accesses == b.accesses);
    CHECK(a.denied == b.denied);
    CHECK(b.denied.size() >= 2); // the write and the other socket
    REQUIRE(a.rules.size() == b.rules.size());
    for (size_t i = 0; i < a.rules.size(); ++i) {
        CHECK(a.rules[i].runs == b.rules[i].runs);
    }
}

TEST_CASE("a rule is load-bearing where a stored access has no other", "[profiler][minimise]") {
    const auto result = minimised("files:\n  ${project}/a: r\n  ${project}/b: r\n",
                                  "file 1 read {project}/a\n" + start + "file 1 read {project}/a\n");
    const RuleVerdict& needed = of(result, "${project}/a: r");
    CHECK(needed.verdict == Verdict::LoadBearing);
    CHECK_FALSE(needed.can_be_dropped);
    CHECK(needed.accesses == 1);
    CHECK(needed.alone == 1);
    CHECK(needed.runs == 2);
    CHECK(needed.line == 4);
    CHECK(needed.example == "read ${project}/a");
    const RuleVerdict& idle = of(result, "${project}/b: r");
    CHECK(idle.verdict == Verdict::NeverUsed);
    CHECK(idle.can_be_dropped);
    CHECK(idle.runs == 0);
    CHECK(result.can_shrink());
    CHECK(result.denied.empty());
}

TEST_CASE("a rule is redundant where each access it allows has another rule", "[profiler][minimise]") {
    const auto result =
        minimised("files:\n  ${project}/**: r\n  ${project}/a: r\n  ${project}/out: rw\n",
                  "file 1 read {project}/a {project}/b {project}/out\nfile 1 write update {project}/out\n");
    CHECK(of(result, "${project}/a: r").verdict == Verdict::Redundant);
    CHECK(of(result, "${project}/a: r").also == Texts{"${project}/**: r"});
    CHECK(of(result, "${project}/a: r").can_be_dropped);
    CHECK(of(result, "${project}/**: r").verdict == Verdict::LoadBearing);   // b
    CHECK(of(result, "${project}/out: rw").verdict == Verdict::LoadBearing); // writing
}

TEST_CASE("of rules that only stand in for each other one stays, the widest", "[profiler][minimise]") {
    const auto result = minimised("files:\n  ${project}/**: r\n  ${project}/a: r\n  ${project}/: r\n",
                                  "file 1 read {project}/a\n");
    for (const char* rule : {"${project}/**: r", "${project}/a: r", "${project}/: r"}) {
        CHECK(of(result, rule).verdict == Verdict::Redundant);
    }
    CHECK_FALSE(of(result, "${project}/**: r").can_be_dropped);
    CHECK(of(result, "${project}/a: r").can_be_dropped);
    CHECK(of(result, "${project}/: r").can_be_dropped);
}

TEST_CASE("modes that no access used are named, used ones are not", "[profiler][minimise]") {
    const auto result =
        minimised("files:\n  ${project}/out/**: rwcx\n  ${project}/in: r\n",
                  "file 1 read {project}/in {project}/out/a\nfile 1 write update {project}/out/a\n");
    CHECK(to_string(of(result, "${project}/out/**: rwcx").unused) == "cx");
    CHECK(of(result, "${project}/in: r").unused.empty());
}

TEST_CASE("an include counts as one rule, with the share of it that was used", "[profiler][minimise]") {
    const auto result = minimised("include: [base, git]\n", "file 1 read /usr/lib/x/libc.so.6 /etc/passwd\n");
    const RuleVerdict& base = of(result, "base");
    CHECK(base.verdict == Verdict::LoadBearing);
    CHECK(base.parts_used == 2);
    CHECK(base.parts > 2);
    CHECK(of(result, "git").verdict == Verdict::NeverUsed);
    CHECK(of(result, "git").can_be_dropped);
    CHECK(result.rules.size() == 2);
}

TEST_CASE("an own rule that an include holds as well is redundant, not the include", "[profiler][minimise]") {
    const auto result =
        minimised("include: [base]\nfiles:\n  /etc/passwd: r\n", "file 1 read /etc/passwd /usr/lib/x.so\n");
    CHECK(of(result, "/etc/passwd: r").verdict == Verdict::Redundant);
    CHECK(of(result, "/etc/passwd: r").also == Texts{"include base"});
    CHECK(of(result, "base").verdict == Verdict::LoadBearing);
}

TEST_CASE("what an include includes itself belongs to it", "[profiler][minimise]") {
    const auto fixture = test::read_fixture(start + "file 1 read /etc/passwd\n");
    const Policy::Loader load = [](const std::string& name) -> result<Profile> {
        return read_profile(name == "outer" ? "treadline: 1\nname: outer\ninclude: [inner]\n"
                                            : "treadline: 1\nname: inner\nfiles: {/etc/passwd: r}\n",
                            name);
    };
    const Profile profile = read_profile("treadline: 1\nname: x\ninclude: [outer]\n", "p").value();
    const Policy policy = Policy::build(profile, "p", fixture.variables(), load).value();
    const auto result = minimise({profile, policy, fixture.traces, test::fixture_variables, load}).value();
    REQUIRE(result.rules.size() == 1);
    CHECK(result.rules[0].verdict == Verdict::LoadBearing);
    CHECK(result.rules[0].parts == 1);
}

TEST_CASE("a private directory holds what the run made in it, not what was there", "[profiler][minimise]") {
    const std::string profile = "private: [\"${tmp}\"]\n";
    const auto made = minimised(profile, "file 1 create made /tmp/x\nfile 1 write made /tmp/x\n");
    CHECK(of(made, "${tmp}").verdict == Verdict::LoadBearing);
    CHECK(made.denied.empty());
    const auto found = minimised(profile, "file 1 read /tmp/input\n");
    CHECK(of(found, "${tmp}").verdict == Verdict::NeverUsed);
    CHECK(denied(found) == Texts{"read ${tmp}/input"});
}

TEST_CASE("a rule that brings the host's file into a private directory is not redundant there",
          "[profiler][minimise]") {
    const auto result =
        minimised("private: [\"${tmp}\"]\nfiles:\n  /tmp/result: rwc\n",
                  "file 1 create made /tmp/result /tmp/scratch\nfile 1 write made /tmp/result\n");
    CHECK(of(result, "/tmp/result: rwc").verdict == Verdict::LoadBearing);
    CHECK(of(result, "${tmp}").verdict == Verdict::LoadBearing); // scratch
}

TEST_CASE("hosts, ports, sockets, calls and variables are judged as files are", "[profiler][minimise]") {
    const auto result = minimised(
        "network:\n  connect: [\"a.example.org:443\", \"b.example.org:443\"]\n  listen: [3000, 4000]\n"
        "unix: [\"/run/a\", \"/run/b\"]\nsyscalls: [\"@file\", \"@aio\", rename]\nenvironment: {pass: [USED, "
        "IDLE]}\n",
        "socket 1 connect tcp 93.184.216.34 443 a.example.org\nsocket 1 bind tcp 127.0.0.1 3000\n"
        "socket 1 listen tcp 127.0.0.1 3000\nsocket 1 connect unix /run/a 0\nsyscall 1 rename chmod\n"
        "environment 1 USED\n");
    for (const char* rule : {"a.example.org:443", "3000", "/run/a", "@file", "USED"}) {
        INFO(rule);
        CHECK(of(result, rule).verdict == Verdict::LoadBearing);
    }
    for (const char* rule : {"b.example.org:443", "4000", "/run/b", "@aio", "IDLE"}) {
        INFO(rule);
        CHECK(of(result, rule).verdict == Verdict::NeverUsed);
    }
    CHECK(of(result, "rename").verdict == Verdict::Redundant);
    CHECK(result.denied.empty());
}

TEST_CASE("what stored runs did and the profile denies is listed with the reason", "[profiler][minimise]") {
    const auto result =
        minimised("files:\n  ${project}/**: r\n  ${project}/out: rw\ndeny: [\"${project}/no\"]\n",
                  "file 1 read {project}/a {project}/no\nfile 1 write update {project}/b\nfile 1 write "
                  "update {project}/out\n"
                  "file 1 read ENOENT {home}/gone\nfile 1 read {home}/.ssh/id_rsa\nsyscall 1 "
                  "ptrace\nenvironment 1 SECRET\n"
                  "socket 1 connect tcp 93.184.216.34 443 c.example.org\n");
    CHECK(denied(result) == Texts{"read ${home}/.ssh/id_rsa", "read ${project}/no", "write ${project}/b",
                                  "connect c.example.org:443", "syscall ptrace", "env SECRET"});
    for (const DeniedAccess& access : result.denied) {
        CHECK_FALSE(access.reason.empty());
    }
}

TEST_CASE("runs of another checkout and user are held to the same rules", "[profiler][minimise]") {
    const auto result = minimised(
        "files:\n  ${project}/a: r\n",
        "file 1 read {project}/a\nrun project=/home/bob/q home=/home/bob\nprocess 1 0 /usr/bin/node\n"
        "file 1 read {project}/a\n");
    CHECK(of(result, "${project}/a: r").runs == 2);
    CHECK(result.denied.empty());
}

TEST_CASE("dropping all that can be dropped denies no stored access that was allowed",
          "[profiler][minimise]") {
    const std::string trace = "file 1 read {project}/src/a {project}/src/b {project}/c /etc/passwd\nfile 1 "
                              "write update {project}/c\nsyscall 1 rename\n";
    const std::string profile_text =
        "treadline: 1\nname: x\ninclude: [base]\nfiles:\n  ${project}/**: r\n  ${project}/src/: r\n  "
        "${project}/src/**: r\n"
        "  ${project}/src/a: r\n  ${project}/c: rw\n  /etc/passwd: r\nsyscalls: [\"@file\", rename]\n";
    const auto fixture = test::read_fixture(start + trace);
    Profile profile = read_profile(profile_text, "p").value();
    const auto judge = [&](const Profile& judged) {
        const Policy policy =
            Policy::build(judged, "p", fixture.variables(), test::fixture_abstractions()).value();
        return minimise(
                   {judged, policy, fixture.traces, test::fixture_variables, test::fixture_abstractions()})
            .value();
    };
    const Minimised before = judge(profile);
    REQUIRE(before.denied.empty());
    REQUIRE(before.can_shrink());
    for (const RuleVerdict& rule : before.rules) {
        if (rule.can_be_dropped) {
            std::erase_if(profile.files, [&](const FileRule& file) {
                return file.path + ": " + to_string(file.modes) == rule.rule;
            });
            std::erase_if(profile.syscalls, [&](const Entry& entry) { return entry.text == rule.rule; });
        }
    }
    const Minimised after = judge(profile);
    CHECK(after.rules.size() < before.rules.size());
    CHECK(after.denied.empty());
    CHECK_FALSE(after.can_shrink());
    // And one more is one too many.
    profile.files.pop_back();
    CHECK_FALSE(judge(profile).denied.empty());
}

TEST_CASE("what was learned from its runs has no redundant rule that is its own", "[profiler][minimise]") {
    const auto fixture = test::read_fixture(
        start +
        "file 1 read {project}/a {project}/b\nfile 1 create made {project}/out/c\nsyscall 1 rename\n");
    const auto proposal = reduce(fixture.input());
    REQUIRE(proposal.has_value());
    const Profile profile = profile_from(*proposal, "x");
    const Policy policy =
        Policy::build(profile, "x", fixture.variables(), test::fixture_abstractions()).value();
    const auto result =
        minimise({profile, policy, fixture.traces, test::fixture_variables, test::fixture_abstractions()})
            .value();
    CHECK(result.denied.empty());
    for (const RuleVerdict& rule : result.rules) {
        INFO(rule.rule);
        CHECK((rule.section == Section::Include || rule.verdict == Verdict::LoadBearing));
    }
}

TEST_CASE("the JSON of a minimised profile has what the documentation promises", "[profiler][minimise]") {
    const auto json = nlohmann::json::parse(to_json(
        minimised("include: [base]\nfiles:\n  ${project}/**: rw\n  ${project}/a: r\n  ${project}/idle: r\n",
                  "file 1 read {project}/a {project}/b {project}/\\xff\nfile 1 read /srv/x\n")));
    CHECK(json.at("runs") == 1);
    CHECK(json.at("accesses") == 4);
    REQUIRE(json.at("rules").size() == 4);
    const auto& wide = json.at("rules").at(0);
    CHECK(wide.at("section") == "files");
    CHECK(wide.at("rule") == "${project}/**: rw");
    CHECK(wide.at("line") == 5);
    CHECK(wide.at("verdict") == "load-bearing");
    CHECK(wide.at("can_be_dropped") == false);
    CHECK(wide.at("accesses") == 3);
    CHECK(wide.at("alone") == 2);
    CHECK(wide.at("runs") == 1);
    CHECK(wide.at("unused") == "w");
    CHECK(json.at("rules").at(1).at("also") == nlohmann::json({"${project}/**: rw"}));
    CHECK(json.at("rules").at(2).at("verdict") == "never used");
    CHECK(json.at("rules").at(3).at("section") == "include");
    CHECK(json.at("rules").at(3).at("parts_used") == 0);
    REQUIRE(json.at("denied").size() == 1);
    CHECK(json.at("denied").at(0).at("operation") == "read");
    CHECK(json.at("denied").at(0).at("object") == "/srv/x");
}

TEST_CASE("a minimised profile is told to a person line by line", "[profiler][minimise]") {
    const std::string text =
        to_text(minimised("files:\n  ${project}/**: rw\n  ${project}/a: r\n  ${project}/idle: r\n",
                          "file 1 read {project}/a {project}/b\nfile 1 read /srv/x\n"),
                "profile.yaml");
    CHECK(text == "profile.yaml, 3 rules against what 1 run did: 1 load-bearing, 1 redundant, 1 never used\n"
                  "\nRedundant: other rules allow all that the runs did with it\n"
                  "  line 5: ${project}/a: r\n      also allowed by: ${project}/**: rw\n"
                  "\nNever used: no stored run did what it allows\n  line 6: ${project}/idle: r\n"
                  "\nUsed in part\n  line 4: ${project}/**: rw\n      no run used w\n"
                  "\nDenied: stored runs did it, and no rule allows it\n"
                  "  read /srv/x\n      no rule allows reading '/srv/x'\n");
}

TEST_CASE("on random profiles each verdict is what dropping the rule shows", "[profiler][minimise]") {
    std::mt19937 random(5);
    const auto pick = [&](const Texts& from) { return from[random() % from.size()]; };
    const Texts roots{"{project}", "{tmp}", "/srv"};
    const auto path = [&](std::string root, size_t depth) {
        for (size_t i = 0; i < depth; ++i) {
            root += "/" + pick({"a", "b", ".git", "x.c"});
        }
        return root;
    };
    std::map<Verdict, int> seen;
    for (int round = 0; round < 40; ++round) {
        std::string trace = start;
        for (int i = 0; i < 12; ++i) {
            trace += "file 1 " + pick({"read ", "write update ", "create ", "create made ", "execute "}) +
                     path(pick(roots), 1 + random() % 3) + "\n";
        }
        const auto fixture = test::read_fixture(trace);
        Profile profile;
        for (int i = 0; i < 7; ++i) {
            std::string at = path(pick(roots), random() % 3);
            at = (at[0] == '{' ? "$" : "") + at + pick({"", "/", "/**", "/*.c"});
            const Modes modes = parse_modes(pick({"r", "rw", "rx"})).value();
            if (std::none_of(profile.files.begin(), profile.files.end(),
                             [&](const FileRule& rule) { return rule.path == at; })) {
                profile.files.push_back({at, modes, {}});
            }
        }
        if (random() % 2 == 0) {
            profile.private_directories.push_back({pick({"${tmp}", "/srv/a"}), {}});
        }
        const auto judge = [&](const Profile& judged) {
            const Policy policy = Policy::build(judged, "p", fixture.variables(), nullptr).value();
            return minimise({judged, policy, fixture.traces, test::fixture_variables, nullptr}).value();
        };
        const auto drop = [](Profile& from, const RuleVerdict& rule) {
            std::erase_if(from.files, [&](const FileRule& file) {
                return file.path + ": " + to_string(file.modes) == rule.rule;
            });
            std::erase_if(from.private_directories,
                          [&](const Entry& entry) { return entry.text == rule.rule; });
        };
        const Minimised before = judge(profile);
        Profile all_dropped = profile;
        for (const RuleVerdict& rule : before.rules) {
            ++seen[rule.verdict];
            Profile without = profile;
            drop(without, rule);
            INFO(trace << rule.rule << ": " << to_string(rule.verdict));
            const bool denies_more = judge(without).denied.size() > before.denied.size();
            // Without the rule that brought it in, what lies in a private directory may be the command's own.
            if (rule.verdict != Verdict::LoadBearing || profile.private_directories.empty()) {
                CHECK(denies_more == (rule.verdict == Verdict::LoadBearing));
            }
            if (rule.can_be_dropped) {
                drop(all_dropped, rule);
            }
        }
        CHECK(judge(all_dropped).denied.size() <= before.denied.size());
    }
    CHECK(seen[Verdict::LoadBearing] > 5);
    CHECK(seen[Verdict::Redundant] > 5);
    CHECK(seen[Verdict::NeverUsed] > 5);
}

#include "profiler/proposal_text.h"
#include "profiler/rule_text.h"
#include "profiler/superseded.h"
#include "profiles/profile_editor.h"
#include "profiles/profile_reader.h"
#include "profiles/shipped.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Lines = std::vector<std::string>;
const std::string start = "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n";

Policy policy_of(const std::string& text) {
    const auto variables = test::read_fixture(start).variables();
    auto profile = read_profile(text, "profile.yaml");
    INFO((profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    auto policy = Policy::build(*profile, "profile.yaml", variables, test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    return std::move(*policy);
}

// What learning again adds to `text`.
Proposal added(const std::string& text, const std::string& trace) {
    const Policy policy = policy_of(text);
    const auto fixture = test::read_fixture(start + trace);
    ReduceInput input = fixture.input();
    input.existing = &policy;
    const auto proposal = reduce(input);
    REQUIRE(proposal.has_value());
    return missing_from(*proposal, policy, text);
}

const std::string by_hand = "treadline: 1\nname: x\ninclude: [base]\n";

} // namespace

TEST_CASE("learning the same again adds nothing", "[profiler][missing]") {
    const std::string trace =
        "file 1 read {project}/a {project}/b {project}/c\nfile 1 execute /usr/bin/tool\n"
        "file 1 create made gone {tmp}/xXk2Ld9\nfile 1 read {home}/.netrc\n"
        "socket 1 connect tcp 203.0.113.7 443 api.example.org\nsocket 1 bind tcp 0.0.0.0 80\n"
        "socket 1 connect tcp 10.0.0.1 443\nsocket 1 connect unix @bus 0\n"
        "syscall 1 rename ptrace\nenvironment 1 NODE_ENV API_TOKEN";
    const std::string text = proposal_text(test::reduced(start + trace), "x").value();
    CHECK(added(text, trace).rules.empty());
}

TEST_CASE("an abstraction that comes with one of the profile's is not added, one that does not is",
          "[profiler][missing]") {
    const std::string trace = start + "file 1 execute /usr/bin/dash /usr/bin/sort /usr/bin/cat /usr/bin/sed";
    const auto adds = [&](const std::string& include) {
        const auto profile = read_profile("treadline: 1\nname: x\ninclude: [" + include + "]\n", "p");
        REQUIRE(profile.has_value());
        const auto fixture = test::read_fixture(trace);
        const auto policy = Policy::build(*profile, "p", fixture.variables(), abstraction_loader("")).value();
        ReduceInput input = fixture.input();
        input.abstractions = abstraction_loader("");
        input.shipped_abstractions = {"base", "shell"};
        const auto proposal = reduce(input);
        REQUIRE(proposal.has_value());
        return test::lines_of(missing_from(*proposal, policy, "treadline: 1\n"), Section::Include);
    };
    CHECK(adds("base, git").empty()); // git includes shell
    CHECK(adds("base, python") == Lines{"shell"});
}

TEST_CASE("an abstraction is not added for what a person has written out", "[profiler][missing]") {
    const std::string trace = "file 1 execute /usr/bin/dash /usr/bin/sed /usr/bin/sort /usr/bin/cat\n"
                              "environment 1 NODE_ENV";
    const std::string written = by_hand + "files:\n  /usr/bin/dash: rx\n  /usr/bin/sed: rx\n"
                                          "  /usr/bin/sort: rx\n  /usr/bin/cat: rx\n"
                                          "environment: {pass: [NODE_ENV]}\n";
    CHECK(added(written, trace).rules.empty());
    CHECK(test::lines_of(added(by_hand, trace), Section::Include) == Lines{"shell"});
}

TEST_CASE("what learning again adds can be inserted, and then nothing is missing", "[profiler][missing]") {
    const std::string first =
        "file 1 read {project}/a\nenvironment 1 AA_NAME BB_NAME CC_NAME DD_NAME EE_NAME FF_NAME "
        "GG_NAME HH_NAME II_NAME JJ_NAME KK_NAME LL_NAME MM_NAME NN_NAME\n";
    const std::string second =
        first + "environment 1 DE_NAME XX_TOKEN\nfile 1 read {project}/b {home}/x:\\s{y\n"
                "file 1 write {project}/a\nfile 1 read {home}/.netrc\nsyscall 1 rename ptrace\n"
                "socket 1 connect tcp 203.0.113.7 443 api.example.org\n"
                "socket 1 bind tcp 0.0.0.0 80\nsocket 1 connect unix @bus 0\n";
    const std::string text = proposal_text(test::reduced(start + first), "x").value();
    std::vector<Insertion> insertions;
    for (const ProposedRule& rule : added(text, second).rules) {
        constexpr const char* sections[] = {"files", "private",  "network.connect",  "network.listen",
                                            "unix",  "syscalls", "environment.pass", "include"};
        insertions.push_back(
            {sections[static_cast<size_t>(rule.section)], yaml_line(rule), "why", !rule.withheld.empty()});
    }
    REQUIRE(insertions.size() >= 9);
    const auto extended = insert_rules(text, insertions, "profile.yaml");
    INFO(text << (extended ? "" : extended.error().message()));
    REQUIRE(extended.has_value());
    INFO(*extended);
    CHECK(added(*extended, second).rules.empty());
    CHECK(insert_rules(*extended, insertions, "profile.yaml").value() == *extended);
}

TEST_CASE("a person's narrower rules are not widened again while they suffice", "[profiler][missing]") {
    const std::string text = by_hand + "files:\n  ${project}/src/**: r\n  ${project}/lib/**: r\n";
    CHECK(added(text, "file 1 read {project}/src/a {project}/src/b {project}/lib/c {project}/lib/d")
              .rules.empty());
    CHECK(test::lines_of(added(text, "file 1 read {project}/src/a {project}/new"), Section::Files) ==
          Lines{"${project}/new: r"});
}

TEST_CASE("a file of the host below a private directory is learned, one made there is not",
          "[profiler][missing]") {
    const std::string text = by_hand + "private: [\"${tmp}\"]\n";
    CHECK(test::lines_of(added(text, "file 1 read {tmp}/input.csv"), Section::Files) ==
          Lines{"${tmp}/input.csv: r"});
    CHECK(added(text, "file 1 create made gone {tmp}/xXk2Ld9").rules.empty());
    CHECK(added(text + "files:\n  ${tmp}/input.csv: r\n", "file 1 read {tmp}/input.csv").rules.empty());
    CHECK(test::lines_of(added(text + "files:\n  ${tmp}/input.csv: r\n", "file 1 read {tmp}/other.csv"),
                         Section::Files) == Lines{"${tmp}/other.csv: r"});
}

TEST_CASE("what a person denied is not proposed again", "[profiler][missing]") {
    const std::string text = by_hand + "deny: [\"${project}/secret/**\", \"${project}/one\"]\n";
    CHECK(added(text, "file 1 read {project}/secret/a {project}/one").rules.empty());
    CHECK(test::lines_of(added(text, "file 1 read {project}/two"), Section::Files) ==
          Lines{"${project}/two: r"});
}

TEST_CASE("a rule a person commented out is not proposed again", "[profiler][missing]") {
    const std::string text = by_hand + "files:\n  ${project}/a: r\n#  ${project}/b: r   # no, thanks\n"
                                       "#unix:\n#  - \"@bus\"\n#syscalls: \n#  - ptrace # why\n";
    CHECK(
        added(text, "file 1 read {project}/b\nsocket 1 connect unix @bus 0\nsyscall 1 ptrace").rules.empty());
    // The same with more than is needed now says no as well; with less it does not.
    CHECK(added(by_hand + "files:\n  ${project}/a: r\n#  ${project}/b: rwc   # no\n",
                "file 1 write update {project}/b")
              .rules.empty());
    CHECK(added(by_hand + "files:\n  ${project}/a: r\n#  ${project}/b: r   # no\n",
                "file 1 write update {project}/b")
              .rules.size() == 1);
    // A longer path that begins alike is another rule.
    CHECK(test::lines_of(added(text, "file 1 read {project}/b2"), Section::Files) ==
          Lines{"${project}/b2: r"});
    CHECK(test::lines_of(added(text, "file 1 write {project}/b"), Section::Files) ==
          Lines{"${project}/b: wc"});
}

TEST_CASE("a rule under review is not proposed again, nor slipped in beside it", "[profiler][missing]") {
    const std::string text = by_hand + "review:\n  files: {\"${project}/b\": r}\n  private: [\"${tmp}\"]\n  "
                                       "unix: [\"@bus\"]\n  syscalls: [ptrace]\n  network: {connect: "
                                       "[\"api.example.org:443\"]}\n";
    const std::string trace =
        "file 1 read {project}/b\nsocket 1 connect unix @bus 0\nsyscall 1 ptrace\n"
        "file 1 create made gone {tmp}/xXk2Ld9\nsocket 1 connect tcp 203.0.113.7 443 api.example.org\n";
    CHECK(test::lines_of(added(text, trace), Section::Files).empty());
    CHECK(test::lines_of(added(text, trace), Section::Private).empty());
    CHECK(test::lines_of(added(text, trace), Section::Unix).empty());
    CHECK(test::lines_of(added(text, trace), Section::Connect).empty());
    CHECK(test::lines_of(added(text, trace), Section::Syscalls) == Lines{"@network"});
    CHECK(test::lines_of(added(text, "file 1 read {project}/c"), Section::Files) == Lines{"${project}/c: r"});
    CHECK(test::lines_of(added(text, "file 1 execute {project}/b"), Section::Files) ==
          Lines{"${project}/b: rx"});
}

TEST_CASE("a rule for a path that has one carries the modes of both", "[profiler][missing]") {
    const std::string text = by_hand + "files:\n  ${project}/a: r\n";
    CHECK(test::lines_of(added(text, "file 1 write {project}/a"), Section::Files) ==
          Lines{"${project}/a: rwc"});
}

TEST_CASE("an abstraction the profile lacks is proposed, one it has is not", "[profiler][missing]") {
    const std::string trace = "file 1 execute /usr/bin/git\nfile 1 read {home}/.gitconfig";
    CHECK(test::lines_of(added(by_hand, trace), Section::Include) == Lines{"git"});
    CHECK(added("treadline: 1\nname: x\ninclude: [base, git]\n", trace).rules.empty());
}

TEST_CASE("groups and lists are compared by what they allow", "[profiler][missing]") {
    const std::string text = by_hand +
                             "network:\n  connect: [\"*.example.org:443\"]\n  listen: [0]\n"
                             "syscalls: [rename, renameat, renameat2]\nenvironment: {pass: [\"NODE_*\"]}\n";
    const Proposal proposal = added(text, "socket 1 connect tcp 203.0.113.7 443 api.example.org\n"
                                          "syscall 1 unlink\nenvironment 1 NODE_ENV");
    CHECK(test::lines_of(proposal, Section::Connect).empty());
    CHECK(test::lines_of(proposal, Section::Syscalls) == Lines{"@file", "@network"}); // for the TCP socket
    CHECK(test::lines_of(proposal, Section::Environment).empty());
}

TEST_CASE("a variable is added without a comment, so that its list stays in brackets",
          "[profiler][missing]") {
    const Proposal missing = added(by_hand, "environment 1 CC CXX CFLAGS LDFLAGS A_TOKEN");
    const auto lines = test::lines_of(missing, Section::Environment);
    REQUIRE(lines == Lines{"# A_TOKEN", "CC", "CFLAGS", "CXX", "LDFLAGS"});
    for (const ProposedRule& rule : missing.rules) {
        if (rule.section == Section::Environment) {
            CHECK(short_evidence(rule.evidence).empty());
            CHECK(rule.withheld.empty() == (rule.text != "A_TOKEN")); // the reason stays
        }
    }
}

TEST_CASE("rules that an added one makes redundant are named, and no others", "[profiler][missing]") {
    const std::string text = by_hand +
                             "files:\n  /srv/x/a: r\n  /srv/x/b: rw\n  /srv/x/y/c: r\n  ${home}/.netrc: r\n"
                             "  /tmp/in: r\nprivate: [/tmp, /var/tmp/a]\n"
                             "network: {connect: [\"a.example.org:443\", \"a.example.org:80\"]}\n";
    const auto named = [&](Section section, const std::string& added, const std::string& withheld = "") {
        Lines lines;
        for (const Superseded& rule : superseded(policy_of(text), {{section, added, {}, withheld}})) {
            lines.push_back(std::to_string(rule.line) + " " + rule.rule);
            CHECK(rule.by == added);
        }
        return lines;
    };
    CHECK(named(Section::Files, "/srv/x/: r") == Lines{"5 /srv/x/a: r"});
    CHECK(named(Section::Files, "/srv/**: rw") ==
          Lines{"5 /srv/x/a: r", "6 /srv/x/b: rw", "7 /srv/x/y/c: r"});
    CHECK(named(Section::Files, "/srv/**: rw", "for a person").empty());
    CHECK(named(Section::Files, "/srv/x/a: rw").empty());  // takes the line's place
    CHECK(named(Section::Files, "${home}/**: r").empty()); // opens no guard
    CHECK(named(Section::Files, "/**: r") == Lines{"5 /srv/x/a: r", "7 /srv/x/y/c: r"}); // /tmp stays private
    CHECK(named(Section::Private, "/var/tmp") == Lines{"10 /var/tmp/a"});
    CHECK(named(Section::Connect, "*.example.org:443") == Lines{"11 a.example.org:443"});
    CHECK(named(Section::Connect, "b.example.org:443").empty());
}

TEST_CASE("a directory seen run by run ends in one wide rule, and the narrow ones are named",
          "[profiler][missing]") {
    std::string trace = "disk /srv/x";
    std::string files;
    for (const char* name : {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}) {
        trace += std::string(" ") + name;
        files += std::string(" /srv/x/") + name;
    }
    const std::string text = by_hand + "files:\n  /srv/x/alpha: r\n";
    const Proposal proposal = added(text, trace + "\nfile 1 read" + files);
    for (const ProposedRule& rule : proposal.rules) {
        if (rule.section == Section::Files && rule.text == "/srv/x/: r") {
            const auto redundant = superseded(policy_of(text), proposal.rules);
            REQUIRE(redundant.size() == 1);
            CHECK(redundant[0].rule == "/srv/x/alpha: r");
            return;
        }
    }
    FAIL("the directory was not folded");
}

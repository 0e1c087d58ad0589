#include "profiler/lint.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "profiler/proposal_text.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

// What is on the machine: paths, and what links lead to.
using Disk = std::map<std::string, std::string>;

std::vector<Finding> linted(const std::string& rest, const Disk* disk = nullptr) {
    const std::string text = "treadline: 1\nname: x\n" + rest;
    const auto profile = read_profile(text, "profile.yaml");
    INFO((profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    RunInfo run;
    run.project = "/home/ann/p";
    run.home = "/home/ann";
    const auto policy =
        Policy::build(*profile, "profile.yaml", test::fixture_variables(run), test::fixture_abstractions());
    INFO((policy ? "" : policy.error().message()));
    REQUIRE(policy.has_value());
    LintInput input{*profile, *policy, text, nullptr};
    if (disk != nullptr) {
        input.resolve = [disk](const std::string& path) -> std::optional<std::string> {
            const auto at = disk->find(path);
            return at == disk->end() ? std::nullopt : std::optional(at->second);
        };
    }
    return lint(input);
}

// "error too-wide" for each finding.
std::vector<std::string> codes(const std::vector<Finding>& findings) {
    std::vector<std::string> found;
    for (const Finding& finding : findings) {
        found.push_back(std::string(to_string(finding.severity)) + " " + finding.code);
    }
    return found;
}

std::vector<std::string> codes(const std::string& rest) {
    return codes(linted(rest));
}

std::vector<std::string> files(const std::string& rules) {
    return codes("files: {" + rules + "}\n");
}

using Codes = std::vector<std::string>;

} // namespace

TEST_CASE("an ordinary profile has nothing to remark", "[profiler][lint]") {
    CHECK(codes("include: [base, node]\nfiles:\n  ${project}/**: r\n  ${project}/node_modules/**: rwc\n  "
                "/usr/bin/git: rx\n"
                "  ${home}/.gitconfig: r\n  ${home}/notes/todo: r\nprivate: [\"${tmp}\"]\ndeny: "
                "[\"${project}/secrets/**\"]\n"
                "network: {listen: [3000], publish: [3000]}\n"
                "syscalls: [\"@file\"]\nenvironment: {pass: [NODE_ENV, \"npm_*\"], set: {CI: \"1\"}}\n")
              .empty());
}

TEST_CASE("what learning would never fold into one rule is an error, a file below it is not",
          "[profiler][lint]") {
    CHECK(files("\"${home}/**\": r") == Codes{"error too-wide"});
    CHECK(files("/etc/**: r") == Codes{"error too-wide"});
    CHECK(files("/**: r") == Codes{"error too-wide"});
    CHECK(files("/home/**: r") == Codes{"error too-wide"});
    CHECK(files("\"${tmp}/**\": rwc") == Codes{"error too-wide"});
    CHECK(files("\"${home}/.config/**\": r") == Codes{"error too-wide"});
    CHECK(files("\"${home}/\": rwc") == Codes{"error too-wide"});
    CHECK(files("\"${home}/\": r") == Codes{"warning too-wide"});
    CHECK(files("\"${home}/notes/**\": r").empty());
    CHECK(files("/etc/hosts: r").empty());
    CHECK(files("\"${project}/**\": rwc").empty());
}

TEST_CASE("another user's home is no place for a rule, one's own is", "[profiler][lint]") {
    CHECK(files("/home/bob/docs/**: r") == Codes{"error other-home"});
    CHECK(files("/home/bob/x: r") == Codes{"warning other-home"});
    CHECK(files("/home/bob/**: r") == Codes{"error too-wide"});
    CHECK(files("/home/ann/x: r").empty());
}

TEST_CASE("a wide rule right above a guarded place is a warning, one beside it is not", "[profiler][lint]") {
    CHECK(files("\"${home}/.docker/**\": r") == Codes{"warning above-credential"});
    CHECK(files("\"${home}/.docker/\": r") == Codes{"warning above-credential"});
    CHECK(files("\"${home}/.docker/cli-plugins/**\": r").empty());
    CHECK(files("\"${home}/.gradle/**\": rwc") ==
          Codes{"warning above-credential", "warning above-protected"});
    CHECK(files("\"${home}/.gradle/caches/**\": rwc").empty());
}

TEST_CASE("each guard that a rule opens is named", "[profiler][lint]") {
    CHECK(files("\"${home}/.ssh/id_rsa\": r") == Codes{"warning opens-credential"});
    CHECK(files("\"${project}/.git/hooks/pre-commit\": wc") == Codes{"warning opens-protected"});
    CHECK(files("\"${project}/.git/hooks/pre-commit\": r").empty());
    CHECK(codes("environment: {pass: [GITHUB_TOKEN]}\n") == Codes{"warning opens-credential"});
    CHECK(codes("environment: {pass: [LD_PRELOAD]}\n") == Codes{"warning runs-code"});
    CHECK(codes("environment: {pass: [LANG]}\n").empty());
    CHECK(codes("unix: [/run/docker.sock]\n") == Codes{"warning opens-credential"});
    CHECK(codes("unix: [/run/other.sock]\n").empty());
    CHECK(codes("syscalls: [ptrace]\n") == Codes{"warning dangerous-call"});
    CHECK(codes("syscalls: [chmod]\n").empty());
}

TEST_CASE("a rule that can match nothing is said", "[profiler][lint]") {
    CHECK(codes("files: {\"${project}/a/b\": r}\ndeny: [\"${project}/a/**\"]\n") ==
          Codes{"warning never-matches"});
    CHECK(codes("files: {\"${project}/a/b\": r}\ndeny: [\"${project}/b/**\"]\n").empty());
    CHECK(files("\"${project}/.treadline/x\": rw") == Codes{"warning never-matches"});
    CHECK(files("\"${project}/.treadline/x\": r").empty());
    CHECK(files("\"${home}/.ssh/**\": r") == Codes{"warning never-matches"});
    CHECK(codes("private: [\"${tmp}\"]\ndeny: [\"${tmp}/**\"]\n") == Codes{"warning never-matches"});
    CHECK(codes("network: {publish: [80]}\n") == Codes{"error never-matches"});
    CHECK(codes("network: {connect: [\"host:80\"], listen: [80]}\n") == Codes{"error never-matches", "warning not-public"});
    CHECK(codes("network: {connect: [\"host:80\"], listen: [81]}\n") == Codes{"warning not-public"});
    CHECK(codes("environment: {pass: [CI], set: {CI: \"1\"}}\n") == Codes{"warning never-matches"});
}

TEST_CASE("a rule that others contain is redundant, one that they do not is not", "[profiler][lint]") {
    CHECK(files("\"${project}/**\": r, \"${project}/a\": r") == Codes{"note redundant"});
    CHECK(files("\"${project}/**\": r, \"${project}/a\": rw").empty());
    CHECK(files("\"${project}/**\": r, \"${project}/a/**\": w, \"${project}/a/\": rw") ==
          Codes{"note redundant"});
    CHECK(codes("include: [base]\nfiles: {/etc/passwd: r}\n") == Codes{"note redundant"});
    CHECK(files("\"${project}/**\": r, \"${project}/.env\": r") == Codes{"warning opens-credential"});
    CHECK(codes("syscalls: [\"@file\", rename]\n") == Codes{"note redundant"});
    CHECK(codes("environment: {pass: [\"A_*\", A_B]}\n") == Codes{"note redundant"});
    CHECK(codes("environment: {pass: [\"A_*\", A_TOKEN]}\n") == Codes{"warning opens-credential"});
    CHECK(codes("unix: [\"/run/x/*.sock\", /run/x/a.sock]\n") == Codes{"note redundant"});
    CHECK(codes("network: {connect: [\"*.example.org:443\", \"a.example.org:443\"]}\n") ==
          Codes{"warning wildcard", "note redundant"});
    CHECK(codes("network: {connect: [\"a.example.org:80\", \"a.example.org:443\"]}\n").empty());
    CHECK(codes("network: {connect: [\"*.example.org:22\", \"a.example.org:22/tcp\"]}\n") == Codes{"warning wildcard"});
    CHECK(codes("network: {connect: [\"a.example.org:22\", \"a.example.org:22/tcp\"]}\n") == Codes{"note redundant"});
    CHECK(codes("deny: [\"${project}/a/**\", \"${project}/a/b\"]\n") == Codes{"note redundant"});
    CHECK(codes("private: [/srv/a, /srv/a/b]\n") == Codes{"note redundant"});
    // Not where the host's files are brought in between: without it they would be seen there, too.
    CHECK(codes("files: {\"/srv/a/b/**\": r}\nprivate: [/srv/a, /srv/a/b/c]\n").empty());
    CHECK(codes("files: {/srv/a/b/c/x: r}\nprivate: [/srv/a, /srv/a/b/c]\n") == Codes{"note redundant"});
    CHECK(codes("include: [base]\nsyscalls: [\"@base\"]\n") == Codes{"note redundant"});
    CHECK(codes("private: [/srv/a, /srv/b]\ndeny: [/srv/c, /srv/d]\n").empty());
}

TEST_CASE("what brings the host's files into a private directory is contained in nothing outside it",
          "[profiler][lint]") {
    CHECK(codes("files: {/srv/**: r, /srv/a/b/c: r}\nprivate: [/srv/a/b]\n") == Codes{"error too-wide"});
    CHECK(codes("files: {/srv/**: r, /srv/a/b/c: r}\n") == Codes{"error too-wide", "note redundant"});
}

TEST_CASE("writing what runs is a warning, executing what nobody writes is not", "[profiler][lint]") {
    CHECK(files("\"${project}/build/**\": rwcx") == Codes{"warning write-execute"});
    CHECK(files("\"${project}/build/**\": rx").empty());
    CHECK(files("/usr/lib/x: rw") == Codes{"warning changes-system"});
    CHECK(files("/sys/kernel/x: rw") == Codes{"warning changes-system"});
    CHECK(files("/usr/lib/x: r").empty());
}

TEST_CASE("a wildcard where names could stand is said", "[profiler][lint]") {
    CHECK(codes("network: {connect: [\"*.example.org:443\"]}\n") == Codes{"warning wildcard"});
    CHECK(codes("network: {connect: [\"a.example.org:443\"]}\n").empty());
    CHECK(codes("unix: [\"/run/x/*\"]\n") == Codes{"warning wildcard"});
    CHECK(codes("unix: [\"/run/x/a-*\"]\n").empty());
    CHECK(files("/srv/*/x: r") == Codes{"warning wildcard"});
    CHECK(files("/srv/a-*/x: r").empty());
    CHECK(files("\"${project}/bin/*.sh\": rx") == Codes{"warning wildcard"});
    CHECK(files("\"${project}/*/x\": r").empty());
}

TEST_CASE("an address that is not public is said, a public one is not", "[profiler][lint]") {
    CHECK(codes("network: {connect: [\"10.0.0.5:5432\"]}\n") == Codes{"warning not-public"});
    CHECK(codes("network: {connect: [\"169.254.169.254:80\"]}\n") == Codes{"warning not-public"});
    CHECK(codes("network: {connect: [\"93.184.216.34:443\"]}\n").empty());
}

TEST_CASE("private data, untrusted input and a way out together are one finding", "[profiler][lint]") {
    const auto findings =
        linted("files: {\"${home}/notes/x\": r}\nnetwork: {connect: [\"api.example.org:443\"]}\n");
    REQUIRE(codes(findings) == Codes{"warning leak"});
    CHECK(findings[0].at.line == 4);
    CHECK(codes("network: {connect: [\"api.example.org:443\"]}\n").empty());
    CHECK(files("\"${home}/notes/x\": r").empty());
}

TEST_CASE("what learning left undecided is noted, a person's own remark is not", "[profiler][lint]") {
    const auto findings =
        linted("files:\n  ${project}/a: r\n#  ${home}/.netrc: r  # credential: netrc\n# my remark\n");
    REQUIRE(codes(findings) == Codes{"note undecided"});
    CHECK(findings[0].at.line == 5);
    CHECK(findings[0].rule == "${home}/.netrc: r");
    CHECK(codes("learned: {command: [a], runs: 1, complete: false}\n") == Codes{"warning incomplete"});
    CHECK(codes("learned: {command: [a], runs: 1, complete: true}\n").empty());
}

TEST_CASE("a rule under review is noted until somebody decides", "[profiler][lint]") {
    CHECK(codes(linted("review:\n  files: {/usr/bin/true: rx}\n")) == Codes{"note undecided"});
}

TEST_CASE("a rule that leads through a link of this machine says where it leads", "[profiler][lint]") {
    const Disk disk{{"/", "/"},       {"/bin", "/usr/bin"},     {"/bin/sh", "/usr/bin/dash"},
                    {"/usr", "/usr"}, {"/usr/bin", "/usr/bin"}, {"/usr/bin/dash", "/usr/bin/dash"}};
    const auto through = linted("files: {/bin/new: r}\n", &disk);
    REQUIRE(codes(through) == Codes{"warning through-link"});
    CHECK(through[0].message.find("write /usr/bin/new") != std::string::npos);
    CHECK(codes(linted("files: {/bin/sh: rx}\n", &disk)) == Codes{"warning through-link"});
    CHECK(linted("files: {/usr/bin/dash: rx}\n", &disk).empty());
    CHECK(linted("files: {/usr/bin/new: r}\n", &disk).empty());
}

TEST_CASE("a program that is not on this machine is said, a file that is not there is not",
          "[profiler][lint]") {
    const Disk disk{{"/", "/"}, {"/usr", "/usr"}, {"/usr/bin", "/usr/bin"}, {"/usr/bin/git", "/usr/bin/git"}};
    CHECK(codes(linted("files: {/usr/bin/gone: rx}\n", &disk)) == Codes{"warning unknown-program"});
    CHECK(linted("files: {/usr/bin/git: rx}\n", &disk).empty());
    CHECK(linted("files: {/usr/bin/gone: r}\n", &disk).empty());
    CHECK(linted("files: {/usr/bin/gone: rx}\n").empty()); // the machine is not asked
}

TEST_CASE("findings come in the order of the lines, with line, column and what to do", "[profiler][lint]") {
    const auto findings = linted("files:\n  /etc/**: r\n  ${home}/.ssh/id_rsa: r\nsyscalls: [ptrace]\n");
    REQUIRE(codes(findings) == Codes{"error too-wide", "warning opens-credential", "warning dangerous-call"});
    CHECK(findings[0].at.line == 4);
    CHECK(findings[0].at.column == 3);
    CHECK(findings[0].rule == "/etc/**: r");
    CHECK(findings[1].at.line == 5);
    CHECK(findings[2].at.line == 6);
    CHECK(findings[2].at.column == 12);
    CHECK(to_text(findings, "p.yaml").rfind("p.yaml:4:3: error: /etc/**: r: reaches ", 0) == 0);
    const auto json = nlohmann::json::parse(to_json(findings)).at("findings");
    REQUIRE(json.size() == 3);
    CHECK(json.at(0).at("severity") == "error");
    CHECK(json.at(0).at("code") == "too-wide");
    CHECK(json.at(0).at("line") == 4);
    CHECK(json.at(0).at("column") == 3);
    CHECK(json.at(0).at("message").get<std::string>().find("name the files") != std::string::npos);
}

TEST_CASE("a profile that cannot be read is one error at its line", "[profiler][lint]") {
    const auto broken = read_profile("treadline: 1\nname: x\nfiels: {}\n", "profile.yaml");
    REQUIRE_FALSE(broken.has_value());
    const Finding finding = unreadable(broken.error(), "profile.yaml");
    CHECK(finding.severity == Severity::Error);
    CHECK(finding.code == "invalid");
    CHECK(finding.at.line == 3);
    CHECK(finding.at.column == 1);
    CHECK(finding.message.find("profile.yaml") == std::string::npos);
    CHECK(finding.message.find("fiels") != std::string::npos);
    CHECK(unreadable({0, "cannot read it: at all: never"}, "profile.yaml").at.line == 0);
}

TEST_CASE("what learning writes is free of errors", "[profiler][lint]") {
    const std::string text =
        proposal_text(
            test::reduced(
                "run project=/home/ann/p home=/home/ann\nprocess 1 0 /usr/bin/node\n"
                "file 1 read {project}/a {project}/b {home}/.gitconfig /etc/fstab {home}/x/1 {home}/x/2\n"
                "file 1 create made {project}/out/c {tmp}/x\nfile 1 execute /usr/bin/git\nsyscall 1 "
                "rename\n"),
            "x")
            .value();
    for (const Finding& finding : linted(text.substr(text.find("name: x\n") + 8))) {
        INFO(finding.rule << ": " << finding.message << "\n" << text);
        CHECK(finding.severity != Severity::Error);
    }
}

TEST_CASE("a credential in plain text is an error, and its value is not shown", "[profiler][lint][credentials]") {
    const std::string connect = "  connect: [\"a.example.org:443\"]\n";
    const auto plain = linted("network:\n" + connect + "  credentials: [{host: a.example.org, header: X-Key, value: s3cret-text}]\n");
    CHECK(codes(plain) == Codes{"error plain-credential"});
    CHECK(to_json(plain).find("s3cret") == std::string::npos);
    CHECK(codes("network:\n" + connect + "  credentials: [{host: a.example.org, header: X-Key, value: \"${env:A}\"}]\n").empty());
}

TEST_CASE("a credential or a look inside for what nothing may connect to never matches", "[profiler][lint][credentials]") {
    const std::string rules = "  inspect: [\"a.example.org:443\", \"*.b.example.org:8443\"]\n"
                              "  credentials: [{host: a.example.org, header: X-Key, value: \"${env:A}\"}]\n";
    CHECK(codes("network:\n" + rules) == Codes{"error never-matches", "error never-matches", "error never-matches"});
    CHECK(codes("network:\n  connect: [\"a.example.org:443\", \"*.b.example.org:8443\"]\n" + rules) == Codes{"warning wildcard"});
    CHECK(codes("network:\n  connect: [\"a.example.org:443/tcp\"]\n  inspect: [\"a.example.org:443\"]\n") == Codes{"warning contradicts"});
    const std::string upgrades = "network:\n  connect: [\"a.example.org:443\"]\n  inspect: [{host: \"a.example.org:443\", upgrades: [websocket]}]\n";
    CHECK(codes(upgrades).empty());
    CHECK(codes(upgrades + "  credentials: [{host: a.example.org, header: X-Key, value: \"${env:A}\"}]\n") == Codes{"warning contradicts"});
}

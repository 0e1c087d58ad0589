// What a person and their tools see of denials: the terminal, the reports, --strict, --audit and explain --last.
#include <algorithm>
#include <filesystem>

#include <unistd.h>

#include "tests/e2e/loop.h"

using namespace treadline::test;
using nlohmann::json;

namespace {

const std::string profile = "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n";

size_t lines_of(const std::string& text, const std::string& words = "") {
    size_t count = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        count += text.substr(at, end - at).find(words) != std::string::npos ? 1 : 0;
        at = end + 1;
    }
    return count;
}

} // namespace

TEST_CASE("a flood of denials fills no more than a screen, and the last line counts the rest", "[e2e][violations]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    REQUIRE(loop.shell("mkdir ~/papers && cd ~/papers && for i in $(seq 100); do echo x > f$i; done").status == 0);
    const Finished done = loop.treadline({"enforce", "--", "sh", "-c", "for i in $(seq 100); do cat ~/papers/f$i; done 2>/dev/null; :"});
    INFO(done.err);
    CHECK(lines_of(done.err, "treadline: denied read") == 20);
    CHECK(lines_of(done.err, "treadline: ") == 21);
    CHECK(done.err.find("and 80 more; 'treadline explain --last' lists all") != std::string::npos);
    const Finished last = loop.treadline({"explain", "--last"});
    CHECK(last.out.find("100 denied:") != std::string::npos);
    CHECK(lines_of(last.out, "to allow it, add under 'files:'") == 100);
}

TEST_CASE("a denial is told in one line with its rule, and once however often it happens", "[e2e][violations]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    const Finished done =
        loop.treadline({"enforce", "--", "sh", "-c", "for i in 1 2 3; do cat ~/.ssh/id_ed25519; done 2>/dev/null; :"});
    INFO(done.err);
    CHECK(lines_of(done.err, "treadline: ") == 1);
    CHECK(done.err.find("(mount, cat); to allow it, add under 'files:'   ${home}/.ssh/id_ed25519: r   # risky: gives away") != std::string::npos);
    const Finished last = loop.treadline({"explain", "--last"});
    INFO(last.out);
    CHECK(last.out.find("(mount, 3 times by /usr/bin/cat)") != std::string::npos);
    CHECK(last.out.find("that would also open: no other file") != std::string::npos);
    CHECK(last.out.find("not listed, if there were any: ") != std::string::npos);
}

TEST_CASE("all reports of one run are written, each in its own form, and all point at the profile", "[e2e][violations][report]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    const std::string summary = loop.home() + "/summary.md";
    REQUIRE(loop.shell("echo '# mine' > ~/summary.md").status == 0);
    const Finished done = loop.shell(
        "GITHUB_STEP_SUMMARY=$HOME/summary.md treadline enforce --report json:r.json --report text:r.txt --report junit:r.xml "
        "--report sarif:r.sarif --report github -- sh -c 'echo hello; cat ~/.ssh/id_ed25519; exit 3'");
    INFO(done.out << done.err);
    CHECK(done.status == 3);
    const auto read = [&](const char* name) { return slurp(loop.project() + "/" + name); };
    const json report = json::parse(read("r.json"));
    REQUIRE(report.at("violations").size() == 1);
    CHECK(report.at("violations")[0].at("line") == 4); // `files:`
    CHECK(report.at("violations")[0].at("opens") == "no other file");
    CHECK(read("r.txt").find("ended with 3\n1 denied:\n  read ") != std::string::npos);
    CHECK(run({"xmllint", "--noout", loop.project() + "/r.xml"}).status == 0);
    CHECK(run({"xmllint", "--xpath", "string(//testsuite/@failures)", loop.project() + "/r.xml"}).out == "2\n");
    const json sarif = json::parse(read("r.sarif"));
    const json& place = sarif.at("runs")[0].at("results")[0].at("locations")[0].at("physicalLocation");
    CHECK(place.at("artifactLocation").at("uri") == ".treadline/profile.yaml");
    CHECK(place.at("region").at("startLine") == 4);
    CHECK(sarif.at("runs")[0].at("invocations")[0].at("exitCode") == 3);
    CHECK(done.out.starts_with("hello\n::error file=.treadline/profile.yaml,line=4,"));
    CHECK(slurp(summary).starts_with("# mine\n### Treadline\n"));
    CHECK(slurp(summary).find("| denied | read <code>") != std::string::npos);
}

TEST_CASE("a report of an unknown form is a refusal that names the forms", "[e2e][violations][report]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    for (const char* wrong : {"html:r", "json", "json:", ":r.json", "github:"}) {
        CAPTURE(wrong);
        const Finished refused = loop.treadline({"enforce", "--report", wrong, "--", "sh", "-c", "echo ran"});
        CHECK(refused.status == 126);
        CHECK(refused.out.empty());
        CHECK(refused.err.find("json, text, junit, sarif or github") != std::string::npos);
    }
}

TEST_CASE("an audit denies nothing but masked credentials, reports what enforcing would, and keeps the status",
          "[e2e][violations][audit]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    loop.write("input", "in\n");
    const std::string script = "cat input; echo x > ~/written; cat ~/.ssh/id_ed25519; exit 3";
    const Finished audited = loop.treadline({"enforce", "--audit", "--report", "json:r.json", "--", "sh", "-c", script});
    INFO(audited.out << audited.err);
    CHECK(audited.status == 3);
    CHECK(audited.out == "in\n");
    CHECK(slurp(loop.home() + "/written") == "x\n");
    CHECK(audited.err.find("would be denied: create " + loop.home() + "/written (mount, dash); to allow it") != std::string::npos);
    CHECK(audited.err.find("audit: nothing was held but masked credentials and the profile; 1 access would be denied") != std::string::npos);
    const json report = json::parse(slurp(loop.project() + "/r.json"));
    CHECK(report.at("audit") == true);
    REQUIRE(report.at("violations").size() == 2);
    CHECK(report.at("violations")[0].at("denied") == false);
    CHECK(report.at("violations")[1].at("denied") == true); // the key
    const Finished last = loop.treadline({"explain", "--last"});
    CHECK(last.out.find("(audit: nothing was held); 2 would be denied:") != std::string::npos);
}

TEST_CASE("an audit with --strict ends in 77 for what would be denied, and in 0 for nothing", "[e2e][violations][audit]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", profile);
    CHECK(loop.treadline({"enforce", "--audit", "--strict", "--", "sh", "-c", "echo x > ~/written"}).status == 77);
    const Finished clean = loop.treadline({"enforce", "--audit", "--strict", "--", "sh", "-c", "echo fine"});
    INFO(clean.err);
    CHECK(clean.status == 0);
    CHECK(clean.err.find("nothing more would be denied") != std::string::npos);
    CHECK(loop.treadline({"enforce", "--allow-credentials", "--", "sh", "-c", ":"}).status == 126);
    const Finished open =
        loop.treadline({"enforce", "--audit", "--allow-credentials", "--", "sh", "-c", "cat ~/.ssh/id_ed25519"});
    CHECK(open.out == "the secret key\n");
    CHECK(open.err.find("would be denied: read") != std::string::npos);
}

TEST_CASE("what learning saw refused is expected of later runs, and anything else is not", "[e2e][violations][strict]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("in", "x\n");
    const std::string script = "cat in; cat ~/.ssh/id_ed25519 2>/dev/null; :";
    const Finished learned = loop.learn(script);
    INFO(learned.err << loop.profile());
    REQUIRE(learned.status == 0);
    REQUIRE(loop.profile().find("refused while learning") != std::string::npos);

    const Finished same = loop.treadline({"enforce", "--strict", "--", "sh", "-c", script});
    INFO(same.out << same.err);
    CHECK(same.status == 0);
    CHECK(same.err.find("1 denied as expected") != std::string::npos);
    CHECK(same.err.find("denied read") == std::string::npos);
    const Finished last = loop.treadline({"explain", "--last"});
    CHECK(last.out.find("expected: learning saw it refused, too") != std::string::npos);

    // Writing the same file was not seen, nor was reading another.
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", script + "; echo x 2>/dev/null >> ~/.ssh/id_ed25519; :"}).status == 77);
    REQUIRE(loop.shell("echo y > ~/.ssh/other").status == 0);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", script + "; cat ~/.ssh/other 2>/dev/null; :"}).status == 77);
}

TEST_CASE("a change that the user's own rights refuse is expected, and one that Treadline alone refuses is not", "[e2e][violations][strict]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    REQUIRE_CAPABILITY(::geteuid() != 0, "an ordinary user");
    const Loop loop;
    const std::string script = "mkdir /usr/lib/treadline-new; echo >> /etc/passwd; rm -f /usr/bin/env; mv /usr/bin/env /usr/bin/env2; :";
    REQUIRE(loop.learn(script).status == 0);
    const Finished same = loop.enforce(script);
    INFO(same.out << same.err << loop.profile());
    CHECK(same.status == 0);
    CHECK(same.err.find("denied as expected") != std::string::npos);
    const Finished last = loop.treadline({"explain", "--last"});
    CHECK(last.out.find("create /usr/lib/treadline-new") != std::string::npos);
    CHECK(last.out.find("expected: the user's own rights refuse it, without Treadline, too") != std::string::npos);

    for (const char* more : {"echo x > ~/own", "cat ~/.ssh/id_ed25519", "mkdir /tmp/treadline-new-$$"}) { // the user could
        INFO(more);
        CHECK(loop.enforce(script + "; { " + more + "; } 2> /dev/null; :").status == 77);
    }
    // A person's `deny` is a denial, whoever else refuses.
    loop.write(".treadline/profile.yaml", loop.profile() + "deny: [\"/usr/lib/treadline-new\"]\n");
    CHECK(loop.enforce(script).status == 77);
}

TEST_CASE("a credential that learning let through is withheld, and its denial is a finding", "[e2e][violations][strict]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    const std::string script = "cat ~/.ssh/id_ed25519; :";
    REQUIRE(loop.treadline({"learn", "--allow-credentials", "--", "sh", "-c", script}).status == 0);
    REQUIRE(loop.profile().find("credential: ") != std::string::npos);
    CHECK(loop.profile().find("refused while learning") == std::string::npos);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", script}).status == 77);
}

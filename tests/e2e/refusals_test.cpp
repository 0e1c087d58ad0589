// Fail closed: what cannot be held or read is a refusal with a sentence, and nothing has run.
#include <filesystem>

#include "tests/e2e/loop.h"

using namespace treadline::test;

namespace {

constexpr const char* minimal = "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n  /usr/bin/touch: rx\n";

void check_refused(const Loop& loop, const std::vector<std::string>& options, int status, const std::string& sentence) {
    std::vector<std::string> words{"enforce"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"--", "touch", "ran"});
    const Finished done = loop.treadline(words);
    INFO(done.err);
    CHECK(done.status == status);
    CHECK(done.err.find(sentence) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(loop.project() + "/ran"));
}

} // namespace

TEST_CASE("without a profile nothing is enforced and nothing runs", "[e2e][refusal]") {
    check_refused(Loop(), {}, 126, "there is no profile");
}

TEST_CASE("a named profile that is missing is a refusal", "[e2e][refusal]") {
    check_refused(Loop(), {"-p", "nowhere.yaml"}, 126, "nowhere.yaml");
}

TEST_CASE("a broken profile is refused with its line and column", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\nfils:\n  /a: r\n");
    check_refused(loop, {}, 126, "profile.yaml:3:1");
}

TEST_CASE("a profile of a later format is refused", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 2\nname: t\n");
    check_refused(loop, {}, 126, "profile.yaml:1");
}

TEST_CASE("what the gateway cannot do yet is refused, and the host's network is given when it is asked for by name", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml",
               std::string(minimal) + "  ${project}/ran: rwc\nnetwork:\n  credentials: [{host: a.test, header: Authorization, value: x}]\n");
    check_refused(loop, {}, 126, "has its value in the profile");
    loop.write(".treadline/profile.yaml",
               std::string(minimal) + "  ${project}/ran: rwc\nnetwork:\n  connect: [\"packages.example.org:443\"]\n  listen: [3000]\n  publish: [3000]\n");
    check_refused(loop, {"--resolve", "nonsense"}, 126, "NAME=ADDRESS");
    const Finished degraded = loop.treadline({"enforce", "--network", "host", "--", "touch", "ran"});
    INFO(degraded.err);
    CHECK(degraded.status == 0);
    CHECK(degraded.err.find("degraded") != std::string::npos);
}

TEST_CASE("a report that cannot be written is a refusal before the run", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", minimal);
    check_refused(loop, {"--report", "json:missing-folder/x.json"}, 126, "missing-folder");
    check_refused(loop, {"--report", "pdf:x"}, 126, "json, text, junit, sarif or github");
}

TEST_CASE("a strict run refuses a profile whose learning run was not complete", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\nlearned: {command: [touch], runs: 1, complete: false}\ninclude: [base]\n");
    check_refused(loop, {"--strict"}, 126, "not complete");
}

TEST_CASE("a command that no rule lets execute does not run", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base]\nfiles:\n  ${project}/**: rwc\n");
    const Finished done = loop.treadline({"enforce", "--", "/usr/bin/touch", "ran"});
    INFO(done.err);
    CHECK(done.status == 126);
    CHECK(done.err.find("/usr/bin/touch") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(loop.project() + "/ran"));
}

TEST_CASE("learning without the privilege to trace says in one sentence what to do, and nothing runs", "[e2e][refusal]") {
    const Loop loop;
    // Copies have no file capabilities; a PATH without sudo leaves no other way.
    loop.write("bin/none", "");
    const Finished done = loop.shell("mkdir -p copy && cp " TREADLINE_BIN "/treadline " TREADLINE_BIN "/treadline-collector copy/ && "
                                     "PATH=$PWD/bin copy/treadline learn -- /usr/bin/touch ran");
    INFO(done.err);
    if (::geteuid() == 0) {
        SUCCEED("root has the privilege");
        return;
    }
    CHECK(done.status == 125);
    CHECK(done.err.find("setcap cap_bpf,cap_perfmon+ep") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(loop.project() + "/ran"));
    CHECK_FALSE(std::filesystem::exists(loop.project() + "/.treadline/profile.yaml"));
}

TEST_CASE("learning into a broken profile is refused before the command runs, and the profile stays as it was", "[e2e][refusal]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nfiles: [oops\n");
    const Finished done = loop.treadline({"learn", "--", "touch", "ran"});
    CHECK(done.status == 125);
    CHECK(done.err.find("profile.yaml:") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(loop.project() + "/ran"));
    CHECK(loop.profile() == "treadline: 1\nfiles: [oops\n");
}

TEST_CASE("the profile in use is not the command's to change, wherever it lies", "[e2e][refusal]") {
    const Loop loop;
    const std::string text = "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: rwcx\nsyscalls: [\"@file\"]\n";
    loop.write("ci/prof.yaml", text);
    loop.write("here.yaml", text);
    for (const char* profile : {"ci/prof.yaml", "here.yaml"}) {
        const Finished done = loop.treadline({"enforce", "-p", profile, "--", "sh", "-c",
                                              std::string("echo '#' >> ") + profile + "; mv " + profile + " x; rm -f " + profile + "; touch made"});
        INFO(done.err);
        CHECK(slurp(loop.project() + "/" + profile) == text);
        CHECK(std::filesystem::exists(loop.project() + "/made"));
    }
}

TEST_CASE("a report does not follow a link that an earlier run may have planted", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: rwc\nsyscalls: [\"@file\"]\n");
    REQUIRE(loop.treadline({"enforce", "--", "ln", "-s", "..", "out"}).status == 0);
    const Finished done = loop.treadline({"enforce", "--report", "json:out/.bashrc", "--", "true"});
    CHECK(done.status == 126);
    CHECK(slurp(loop.home() + "/.bashrc") == "# start-up\n");
}

TEST_CASE("a directory as standard input is a refusal", "[e2e][refusal]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", minimal);
    const Finished done = loop.shell("treadline enforce -- touch ran < .");
    INFO(done.err);
    CHECK(done.status == 126);
    CHECK(done.err.find("standard input") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(loop.project() + "/ran"));
}

// Things that die in the middle: the store stays valid, nothing confined runs on, statuses and signals come through.
#include <chrono>
#include <thread>

#include "tests/e2e/loop.h"

using namespace treadline::test;
using nlohmann::json;

TEST_CASE("killing the collector mid-run leaves a valid store with a partial run, and the command goes on", "[e2e][failure]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    const Finished done = loop.shell("treadline learn -- sh -c 'cat /etc/hostname; touch started; sleep 3; touch finished; exit 5' & learn=$!\n"
                                     "while ! test -e started; do sleep 0.1; done; sleep 0.5\n"
                                     "kill -9 $(pgrep -P $learn treadline-coll)\n"
                                     "wait $learn; echo status $?");
    INFO(done.out << done.err);
    CHECK(done.out.find("status 5") != std::string::npos);
    CHECK(loop.shell("test -e finished").status == 0);
    const Finished runs = loop.treadline({"runs", "--json"});
    REQUIRE(runs.status == 0);
    const json run = json::parse(runs.out).at(0);
    CHECK(run.at("complete") == false);
    CHECK_FALSE(run.at("incomplete_because").empty());
    CHECK(loop.shell("sqlite3 \"$(find ~/.local/state/treadline -name trace.db)\" 'pragma integrity_check'").out == "ok\n");
    // What was committed before the kill is there: at most 100 ms are lost.
    const json shown = json::parse(loop.treadline({"show", std::to_string(run.at("id").get<int>()), "--json"}).out);
    bool hostname = false;
    for (const json& file : shown.at("files")) {
        hostname |= file.at("path") == "/etc/hostname";
    }
    CHECK(hostname);
    CHECK(loop.profile().find("complete: false") != std::string::npos);
}

TEST_CASE("a profile that could not be written is a refusal to learn, before the command runs", "[e2e][failure]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    const Finished refused = loop.shell("mkdir fixed; chmod 555 fixed; treadline learn -p fixed/sub/profile.yaml -- touch ran; echo status $?; test -e ran || echo not run");
    INFO(refused.out << refused.err);
    CHECK(refused.out == "status 125\nnot run\n");
    CHECK(refused.err.find("fixed/sub/profile.yaml'") != std::string::npos);
    CHECK(refused.err.find("Permission denied") != std::string::npos);
    const Finished learned = loop.shell("chmod 755 fixed; treadline learn -p fixed/sub/profile.yaml -- touch ran; echo status $?; test -e ran && test -e fixed/sub/profile.yaml && echo ran");
    INFO(learned.out << learned.err);
    CHECK(learned.out == "status 0\nran\n");
}

TEST_CASE("killing treadline enforce leaves no confined process running", "[e2e][failure]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: rwc\n  /usr/bin/sleep: rx\n");
    const Finished done = loop.shell("treadline enforce -- sh -c 'setsid sleep 321.5 & touch started; sleep 321.5' & enforce=$!\n"
                                     "for i in $(seq 100); do test -e started && break; sleep 0.1; done; test -e started && echo up\n"
                                     "pgrep -f 'sleep 321.5' >/dev/null && echo running\n"
                                     "kill -9 $enforce; for i in $(seq 30); do pgrep -f '^sleep 321.5' >/dev/null || break; sleep 0.1; done\n"
                                     "pgrep -f '^sleep 321.5' || echo gone");
    INFO(done.out << done.err);
    CHECK(done.out.find("up\nrunning\ngone") != std::string::npos);
}

TEST_CASE("a daemon left behind by the command ends with it", "[e2e][failure]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n  /usr/bin/sleep: rx\n  /usr/bin/setsid: rx\n");
    const Finished done = loop.shell("treadline enforce -- sh -c 'setsid sleep 321.75 >/dev/null 2>&1 & sleep 0.2'; echo status $?; pgrep -f '^sleep 321.75' || echo gone");
    INFO(done.out << done.err);
    CHECK(done.out == "status 0\ngone\n");
}

TEST_CASE("the command's own status comes through, also a signal's", "[e2e][status]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n");
    CHECK(loop.treadline({"enforce", "--", "sh", "-c", "exit 7"}).status == 7);
    CHECK(loop.treadline({"enforce", "--", "sh", "-c", "kill -TERM $$"}).status == 128 + 15);
    CHECK(loop.treadline({"enforce", "--", "sh", "-c", "kill -9 $$"}).status == 128 + 9);
    if (can_trace()) {
        CHECK(loop.treadline({"learn", "--", "sh", "-c", "exit 7"}).status == 7);
        CHECK(loop.treadline({"learn", "--", "sh", "-c", "kill -TERM $$"}).status == 128 + 15);
    }
}

TEST_CASE("a denial does not end the command, and --strict says so in the status", "[e2e][status]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: r\n");
    const std::string script = "cat ~/.ssh/id_ed25519 2>/dev/null; exit 0";
    CHECK(loop.treadline({"enforce", "--", "sh", "-c", script}).status == 0);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", script}).status == 77);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", "exit 0"}).status == 0);
    CHECK(loop.treadline({"enforce", "--strict", "--", "sh", "-c", "cat ~/.ssh/id_ed25519 2>/dev/null; exit 3"}).status == 3);
}

TEST_CASE("a run that was cut short does not keep the next whole one from being trusted", "[e2e][failure]") {
    REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them");
    const Loop loop;
    loop.write("run.sh", "cat /etc/hostname\n");
    REQUIRE(loop.treadline({"learn", "--", "./run.sh"}).status == 125); // not executable: a run that never began
    REQUIRE(loop.shell("chmod +x run.sh && sed -i '1i #!/bin/sh' run.sh").status == 0);
    const Finished learned = loop.treadline({"learn", "--", "./run.sh"});
    INFO(learned.err << loop.profile());
    REQUIRE(learned.status == 0);
    CHECK(loop.profile().find("complete: true") != std::string::npos);
    CHECK(loop.treadline({"enforce", "--strict", "--", "./run.sh"}).status == 0);
}

TEST_CASE("a report is not the command's to remove or forge", "[e2e][failure]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nfiles:\n  ${project}/**: rwc\nsyscalls: [\"@file\"]\n");
    for (const char* script : {"rm r.json", "rm r.json; echo forged > r.json", "rm r.json; ln -s .treadline/profile.yaml r.json"}) {
        CHECK(loop.treadline({"enforce", "--report", "json:r.json", "--", "sh", "-c", std::string(script) + "; cat ~/.ssh/id_ed25519"}).status == 1);
        const json report = json::parse(slurp(loop.project() + "/r.json"));
        CHECK(report.at("violations").size() >= 1);
    }
}

#include "profiler/subjects.h"

#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

// Of the process with the highest number, below `sh` as the command.
Subject last_of(const std::string& lines) {
    const auto fixture =
        test::read_fixture("run project=/p home=/home/ann\nprocess 1 0 /usr/bin/dash sh -c x\n" + lines);
    const Trace& trace = fixture.traces.back();
    return Subjects(trace).of(trace.processes.back().id);
}
Role role(const std::string& process) {
    return last_of("process 2 1 " + process).role;
}

} // namespace

TEST_CASE("a program's part is told by its file name, whatever the machine calls its variant",
          "[profiler][subjects]") {
    CHECK(role("/usr/bin/bash") == Role::Shell);
    CHECK(role("/usr/bin/x86_64-linux-gnu-gcc-12") == Role::Compiler);
    CHECK(role("/usr/lib/gcc/x86_64-linux-gnu/12/cc1plus") == Role::Compiler);
    CHECK(role("/usr/bin/make") == Role::BuildTool);
    CHECK(role("/usr/bin/git") == Role::VersionControl);
    CHECK(role("/usr/lib/git-core/git-remote-https") == Role::VersionControl);
    CHECK(role("/usr/bin/curl") == Role::NetworkClient);
    CHECK(role("/p/node_modules/.bin/tool") == Role::Other);
    CHECK(role("/usr/bin/gitk") == Role::Other);
}

TEST_CASE("an interpreter plays the part of the script it runs, if nothing runs before that",
          "[profiler][subjects]") {
    CHECK(role("/usr/bin/node node /usr/bin/npm test") == Role::PackageManager);
    CHECK(role("/usr/bin/python3.11 python3 -m pip list") == Role::PackageManager);
    CHECK(role("/usr/bin/python3.11 python3 /usr/bin/pip3 list") == Role::PackageManager);
    CHECK(role("/usr/local/bin/node node /opt/lib/claude") == Role::Agent);
    CHECK(role("/usr/bin/node node -r ./evil.js /usr/bin/npm test") == Role::Other);
    CHECK(role("/usr/bin/node node -e npm") == Role::Other);
    CHECK(role("/usr/bin/node node server.js npm") == Role::Other);
    // Any other program may call itself what it likes.
    CHECK(role("/p/tool npm ci") == Role::Other);
}

TEST_CASE("what a package manager runs while it installs is an install script", "[profiler][subjects]") {
    const std::string npm = "process 2 1 /usr/bin/node node /usr/bin/npm ";
    for (const std::string verb : {"ci", "install", "--no-audit i", "rebuild"}) {
        INFO(verb);
        const Subject script = last_of(npm + verb + "\nprocess 3 2 /usr/bin/dash sh -c evil\n");
        CHECK(script == Subject{"dash", Role::InstallScript, true});
        const Subject deeper = last_of(
            npm + verb + "\nprocess 3 2 /usr/bin/dash sh -c make\nprocess 4 3 /usr/bin/g++ g++ a.cc\n");
        CHECK(deeper == Subject{"g++", Role::Compiler, true});
    }
    CHECK(last_of("process 2 1 /usr/bin/python3 python3 -m pip install x\nprocess 3 2 /usr/bin/python3 "
                  "python3 setup.py\n") == Subject{"python3", Role::InstallScript, true});
    CHECK(last_of("process 2 1 /usr/bin/cargo cargo test\nprocess 3 2 "
                  "/p/target/debug/build/a-1/build-script-build\n") ==
          Subject{"build-script-build", Role::InstallScript, true});
    // It stays one, whatever it calls itself or starts.
    CHECK(last_of(npm + "ci\nprocess 3 2 /usr/bin/dash sh -c x\nprocess 4 3 /usr/bin/node node ./npm ci\n")
              .after_untrusted);
    CHECK(last_of(npm + "ci\nprocess 3 2 /usr/bin/dash sh -c x\nprocess 4 3 /usr/bin/git git pull\n")
              .after_untrusted);
    // The package manager's own process, and what it runs of the project itself.
    CHECK_FALSE(last_of(npm + "ci").after_untrusted);
    CHECK_FALSE(last_of(npm + "ci\nprocess 3 2 /usr/bin/node node /usr/bin/npm ci").after_untrusted);
    CHECK(last_of(npm + "test\nprocess 3 2 /usr/bin/dash sh -c x\n") == Subject{"dash", Role::Shell, false});
}

TEST_CASE("what is started after a process above it had talked to another machine may have been told to",
          "[profiler][subjects]") {
    const std::string agent = "process 2 1 /usr/bin/agent\n";
    const std::string child = "process 3 2 /usr/bin/dash\nprocess 4 3 /usr/bin/cat\n";
    const auto untrusted = [](const std::string& lines) { return last_of(lines).after_untrusted; };
    CHECK(untrusted(agent + "socket 2 connect tcp 203.0.113.7 443\n" + child));
    CHECK(untrusted(agent + "socket 2 send udp 2001:db8::1 443\n" + child));
    CHECK_FALSE(untrusted(agent + child + "socket 2 connect tcp 203.0.113.7 443\n"));
    CHECK_FALSE(untrusted(agent + "socket 2 connect tcp 203.0.113.7 443 ECONNREFUSED\n" + child));
    CHECK_FALSE(untrusted(agent + "socket 2 connect tcp 127.0.0.1 8080\n" + child));
    CHECK_FALSE(untrusted(agent + "socket 2 connect udp 203.0.113.53 53\n" + child));
    // A neighbour that fetched something has told this one nothing, as far as can be seen.
    CHECK_FALSE(untrusted(
        agent +
        "process 3 1 /usr/bin/curl\nsocket 3 connect tcp 203.0.113.7 443\nprocess 4 2 /usr/bin/cat\n"));
    // The process that talks is what it was when it started.
    CHECK_FALSE(untrusted(agent + "socket 2 connect tcp 203.0.113.7 443\n"));
}

TEST_CASE("a process the trace does not know is nobody", "[profiler][subjects]") {
    CHECK(Subjects(Trace{}).of(7) == Subject{});
}

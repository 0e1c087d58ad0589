#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

TEST_CASE("a process row says what ran, as whose child and how it ended", "[bpf][process]") {
    const Traced run = traced({"/bin/sh", "-c", "/usr/bin/env true 'one two'; exit 3"});
    CHECK(run.status == 3);
    CHECK(run.summary.complete);
    REQUIRE(run.trace.processes.size() == 3);
    const ProcessImage& shell = run.trace.processes[0];
    const ProcessImage& env = run.trace.processes[1];
    const ProcessImage& last = run.trace.processes[2];
    CHECK(shell.parent == 0);
    CHECK(shell.argv == std::vector<std::string>{"/bin/sh", "-c", "/usr/bin/env true 'one two'; exit 3"});
    CHECK(shell.exit_status == 3);
    CHECK(env.exe == "/usr/bin/env");
    CHECK(env.parent == shell.id);
    CHECK(env.exit_status == std::nullopt); // it did not end, it became:
    CHECK(last.exe == "/usr/bin/true");
    CHECK(last.parent == env.id);
    CHECK(last.pid == env.pid);
    CHECK(last.argv == std::vector<std::string>{"true", "one two"});
    CHECK(last.exit_status == 0);
    CHECK(last.started_ns > env.started_ns);
    REQUIRE(last.ended_ns);
    CHECK(*last.ended_ns > last.started_ns);
    CHECK(file(run.trace, "/usr/bin/env", AccessKind::Execute)->process == env.id);
    CHECK(file(run.trace, "/usr/bin/true", AccessKind::Execute)->process == last.id);
}

TEST_CASE("a fork that executes nothing has a row of its own", "[bpf][process]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "x");
    const Traced run = traced({program("processes"), "fork", path});
    REQUIRE(run.trace.processes.size() == 2);
    const ProcessImage& child = run.trace.processes[1];
    CHECK(child.parent == run.trace.processes[0].id);
    CHECK(child.exe == program("processes"));
    CHECK(child.argv == run.trace.processes[0].argv);
    CHECK(child.exit_status == 7);
    CHECK(file(run.trace, path, AccessKind::Read)->process == child.id);
}

TEST_CASE("death by a signal is told as a shell tells it", "[bpf][process]") {
    const Traced run = traced({program("processes"), "signal"});
    CHECK(run.status == 128 + SIGTERM);
    CHECK(run.trace.processes.at(0).exit_status == 128 + SIGTERM);
    CHECK(run.trace.run.exit_status == 128 + SIGTERM);
}

TEST_CASE("a thread's accesses are its process's", "[bpf][process]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "x");
    const Traced run = traced({program("processes"), "thread-open", path});
    CHECK(run.trace.processes.size() == 1);
    CHECK(file(run.trace, path, AccessKind::Read));
}

TEST_CASE("a thread that executes takes its process over", "[bpf][process]") {
    const Traced run = traced({program("processes"), "thread-exec"});
    CHECK(run.status == 0);
    CHECK(run.summary.complete);
    REQUIRE(run.trace.processes.size() == 2);
    CHECK(run.trace.processes[1].exe == "/usr/bin/true");
    CHECK(run.trace.processes[1].argv == std::vector<std::string>{"true", "from", "a thread"});
    CHECK(run.trace.processes[1].pid == run.trace.processes[0].pid);
}

TEST_CASE("a storm of vfork and exec loses nobody", "[bpf][process]") {
    const Traced run = traced({program("processes"), "vfork-storm"});
    CHECK(run.summary.complete);
    CHECK(run.trace.processes.size() == 301);
    CHECK(
        std::count_if(run.trace.processes.begin(), run.trace.processes.end(), [](const ProcessImage& image) {
            return image.exe == "/usr/bin/true" && image.exit_status == 0;
        }) == 300);
}

// The kernel gives the memory and stack of a task that has ended to the next one, whoever starts that.
TEST_CASE("a process beside the tree is not taken for one of it that has ended", "[bpf][process]") {
    const TemporaryDirectory directory;
    const std::string inside = directory.write("inside", "x");
    const std::string beside = directory.write("beside", "x");
    struct Others {
        pid_t pid = ::fork();
        ~Others() {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    } const others;
    if (others.pid == 0) {
        for (int turns = 0; turns < 100'000; ++turns) {
            const pid_t one = ::fork();
            if (one == 0) {
                for (int opens = 0; opens < 20; ++opens) {
                    ::close(::open(beside.c_str(), O_RDONLY | O_CLOEXEC));
                }
                ::_exit(0);
            }
            ::waitpid(one, nullptr, 0);
        }
        ::_exit(0);
    }
    const Traced run = traced({"/bin/sh", "-c", "for i in $(seq 300); do cat " + inside + "; done >/dev/null"});
    CHECK(run.status == 0);
    CHECK(run.summary.complete);
    CHECK(kinds(run.trace, inside) == std::vector<std::string>(300, "read"));
    CHECK(kinds(run.trace, beside).empty());
}

TEST_CASE("what leaves its session and parent is still followed", "[bpf][process]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "x");
    const Traced run = traced({program("processes"), "daemon", path});
    CHECK(run.summary.complete);
    CHECK(file(run.trace, path, AccessKind::Read));
}

TEST_CASE("a process that outlives the command makes the run partial", "[bpf][process]") {
    const Traced run = traced({program("processes"), "stay"});
    CHECK_FALSE(run.summary.complete);
    REQUIRE(run.summary.incomplete_because.size() == 1);
    CHECK(run.summary.incomplete_because[0].find("still running when the command had ended: processes (") ==
          0);
    // Its system calls up to then are there.
    REQUIRE(run.trace.processes.size() == 2);
    CHECK(called(run.trace, run.trace.processes[1].id, "clock_nanosleep"));
}

TEST_CASE("a script is executed as well as its interpreter", "[bpf][process]") {
    const TemporaryDirectory directory;
    const std::string inner = directory.write("inner", "#!/bin/sh\nexit 5\n", 0755);
    const std::string outer = directory.write("outer", "#!" + inner + "\n", 0755);
    REQUIRE(::symlink("outer", (directory / "alias").c_str()) == 0);
    TraceOptions inside;
    inside.directory = directory.path();
    const Traced run = traced({"./alias"}, inside);
    CHECK(run.status == 5);
    const auto script = file(run.trace, outer, AccessKind::Execute);
    REQUIRE(script);
    CHECK(script->requested == directory / "alias");
    CHECK(file(run.trace, inner, AccessKind::Execute));
    CHECK(file(run.trace, "/usr/bin/dash", AccessKind::Execute));
    CHECK_FALSE(file(run.trace, directory / "alias", AccessKind::Execute));
}

TEST_CASE("a program without a path is a process, not a file access", "[bpf][process]") {
    const Traced run = traced({program("processes"), "memfd-exec"});
    CHECK(run.status == 0);
    REQUIRE(run.trace.processes.size() == 2);
    CHECK(run.trace.processes[1].exe == "memfd:hidden");
    for (const FileAccess& access : run.trace.files) {
        CHECK(access.path.find("hidden") == std::string::npos);
    }
}

TEST_CASE("of the environment only names are stored, and nowhere a value", "[bpf][process]") {
    const TemporaryDirectory directory;
    TraceOptions options;
    options.store = directory / "trace.db";
    ::setenv("TREADLINE_TEST_SECRET", "correct-horse=battery-staple", 1);
    ::setenv("TREADLINE_TEST_LONG", std::string(20000, 'v').c_str(), 1);
    ::setenv("TREADLINE_TEST_EMPTY", "", 1);
    const Traced run = traced({"/usr/bin/true"}, options);
    for (const char* name : {"TREADLINE_TEST_SECRET", "TREADLINE_TEST_LONG", "TREADLINE_TEST_EMPTY"}) {
        CAPTURE(name);
        CHECK(std::count_if(run.trace.environment.begin(), run.trace.environment.end(),
                            [&](const EnvironmentName& e) { return e.name == name; }) == 1);
        ::unsetenv(name);
    }
    CHECK(run.summary.complete);
    for (const std::string suffix : {"", "-wal"}) {
        const std::string bytes = slurp(options.store + suffix);
        CHECK(bytes.find("battery") == std::string::npos);
        CHECK(bytes.find("vvvvvvvv") == std::string::npos);
    }
}

TEST_CASE("another user's accesses are counted as lost, not shown", "[bpf][process][root]") {
    REQUIRE_CAPABILITY(::geteuid() == 0, "root, to become another user");
    const Traced run = traced({program("processes"), "become", "65534"});
    CHECK(run.status == 0);
    CHECK_FALSE(run.summary.complete);
    CHECK(run.summary.lost.at("other user's process") >= 1);
    CHECK(kinds(run.trace, "/etc/passwd").empty());
}

TEST_CASE("the memory that processes hold at one time is added up, of those that follow each other it is not",
          "[bpf][process]") {
    const auto peak = [](const std::string& script) {
        const Traced run = traced({"/bin/sh", "-c", script});
        CHECK(run.status == 0);
        for (const Fact& fact : run.trace.facts) {
            if (fact.kind == "peak memory") {
                return std::stoull(fact.value) >> 20;
            }
        }
        return 0ULL;
    };
    const std::string hold = "perl -e '$x = \"a\" x (100 << 20); select undef, undef, undef, 0.5'";
    const auto one = peak(hold + "; " + hold);
    const auto two = peak(hold + " & " + hold + "; wait");
    INFO(one << " MiB one after another, " << two << " MiB together");
    CHECK(one >= 100);
    CHECK(one < 300); // perl makes a copy
    CHECK(two >= one + 90);
}

TEST_CASE("who computes is known to have used more of a processor than who sleeps", "[bpf][process][processors]") {
    const auto peak = [](const std::string& script) {
        const Traced run = traced({"/bin/sh", "-c", script});
        CHECK(run.status == 0);
        for (const Fact& fact : run.trace.facts) {
            if (fact.kind == "peak processors") {
                return std::stoll(fact.value);
            }
        }
        return -1LL;
    };
    // However slow the machine is: who sleeps uses next to nothing, who computes uses what there is to have.
    CHECK(peak("sleep 0.3") < 50);
    const std::string busy = "perl -e '$i++ while times < 0.3'";
    CHECK(peak(busy) > 2 * peak("sleep 0.3"));
}

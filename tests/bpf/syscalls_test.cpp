#include <cstdlib>
#include <set>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

TEST_CASE("the set of system calls is each process image's own", "[bpf][syscalls]") {
    const Traced run = traced({"/bin/sh", "-c", program("processes") + " getcpu; true"});
    const auto shell = process(run.trace, "/usr/bin/dash");
    const auto child = process(run.trace, program("processes"));
    REQUIRE(shell);
    REQUIRE(child);
    CHECK(called(run.trace, child->id, "getcpu"));
    CHECK(called(run.trace, child->id, "exit_group")); // a call that does not return
    CHECK_FALSE(called(run.trace, shell->id, "getcpu"));
    CHECK(called(run.trace, shell->id, "wait4"));
    CHECK_FALSE(called(run.trace, child->id, "wait4"));
    CHECK_FALSE(called(run.trace, child->id, "ptrace"));
}

TEST_CASE("calls that never return to their caller are in its set, and in nobody else's", "[bpf][syscalls]") {
    const auto callers = [](const Traced& run, const std::string& name) {
        std::vector<std::string> found;
        for (const ProcessImage& image : run.trace.processes) {
            if (called(run.trace, image.id, name)) {
                found.push_back(image.exe);
            }
        }
        return found;
    };
    using Programs = std::vector<std::string>;
    const std::string own = program("processes");
    const Traced killed = traced({own, "killed"});
    CHECK(callers(killed, "pause") == Programs{own}); // of two processes
    CHECK(callers(killed, "exit_group") == Programs{own});
    CHECK(callers(traced({own, "handler"}), "rt_sigreturn") == Programs{own});
    CHECK(callers(traced({own}), "rt_sigreturn").empty());
    const Traced forked = traced({own, "fork", "/etc/passwd"});
    CHECK(forked.trace.processes.size() == 2);
    CHECK(callers(forked, "clone") == Programs{own}); // it returns in the child, too
    CHECK(callers(traced({own, "stay"}), "clock_nanosleep") ==
          Programs{own}); // still in it when the run ends
    const Traced shell = traced({"/bin/sh", "-c", "/usr/bin/true; true"});
    CHECK(callers(shell, "execve") == Programs{"/usr/bin/dash"});
    CHECK(callers(traced({own, "fexecve"}), "execveat") == Programs{own});
    const Traced by_path = traced({own, "execveat"});
    CHECK(callers(by_path, "execveat") == Programs{own});
    CHECK(callers(by_path, "execve").empty()); // how the command was started is not in any set
}

TEST_CASE("what the probes cannot see makes the run partial, with the reason", "[bpf][syscalls]") {
    const Traced ring = traced({program("io_uring"), "alone", "command"});
    CHECK_FALSE(ring.summary.complete);
    REQUIRE(ring.summary.incomplete_because.size() == 1);
    CHECK(ring.summary.incomplete_because[0].find("io_uring operation 46 (URING_CMD)") != std::string::npos);
    CHECK(ring.summary.lost == std::map<std::string, uint64_t>{{"io_uring operation 46 (URING_CMD)", 1}});
    CHECK(ring.trace.run.lost == ring.summary.lost);
    CHECK_FALSE(ring.trace.run.complete);
    // What the kernel does not know is not done, and what passes bytes is no access.
    CHECK(traced({program("io_uring"), "alone", "unknown"}).summary.complete);
    CHECK(traced({program("io_uring"), "alone", "transfer"}).summary.complete);
#ifdef __x86_64__
    const Traced compat = traced({program("processes"), "compat"});
    REQUIRE_CAPABILITY(compat.status == 0, "a kernel with the 32-bit system call entry");
    CHECK_FALSE(compat.summary.complete);
    CHECK(compat.summary.lost.at("compat system calls") == 1);
#endif
}

TEST_CASE("the probe set is the one asked for, and a kernel that cannot have it refuses the run",
          "[bpf][syscalls]") {
    const std::string own = traced({"/usr/bin/true"}).trace.run.probes;
    const char* asked = std::getenv("TREADLINE_PROBES");
    const std::string before = asked != nullptr ? asked : "";
    ::setenv("TREADLINE_PROBES", "tracepoint", 1);
    CHECK(traced({"/usr/bin/true"}).trace.run.probes == "tracepoint");
    ::setenv("TREADLINE_PROBES", "fentry", 1);
    const auto run = trace_command({"/usr/bin/true"});
    before.empty() ? ::unsetenv("TREADLINE_PROBES") : ::setenv("TREADLINE_PROBES", before.c_str(), 1);
    if (before.empty()) {
        CHECK(run.has_value() == (own == "lsm"));
    }
    if (run) {
        CHECK(run->trace.run.probes == "lsm");
        CHECK(run->summary.complete);
    } else {
        CHECK(run.error().message().find("refuses the probes") != std::string::npos);
    }
}

TEST_CASE("a signal or ptrace that leaves the tree is a fact, one inside it is none", "[bpf][tasks]") {
    const auto facts = [](const std::string& script) {
        const Traced run = traced({"/bin/sh", "-c", script});
        CHECK(run.status == 0);
        std::vector<std::string> found;
        for (const Fact& fact : run.trace.facts) {
            if (fact.kind != "inherited descriptor" && fact.kind != "peak memory" && fact.kind != "peak processors") {
                found.push_back(fact.kind + ": " + fact.value);
            }
        }
        return found;
    };
    const std::string outside = std::to_string(::getpid());
    const auto sent = facts("kill -CONT " + outside);
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].find("signal outside: signal 18 to ") == 0);
    CHECK(sent[0].find("(" + outside + ")") != std::string::npos);
    CHECK(facts("sleep 5 & kill $!; wait $!; true").empty());
    CHECK(facts("kill -0 " + outside).empty()); // only asks
}

TEST_CASE("a clean run carries a certificate of every hook", "[bpf][syscalls]") {
    const Traced run = traced({"/usr/bin/true"});
    CHECK(run.summary.complete);
    CHECK(run.summary.lost.empty());
    CHECK(run.trace.run.complete);
    CHECK(run.trace.run.incomplete_because.empty());
    CHECK(run.trace.run.kernel != "");
    CHECK(run.trace.run.duration_ms);
    const auto certificate = nlohmann::json::parse(run.trace.run.certificate);
    const bool hooks = run.trace.run.probes == "lsm";
    CHECK(certificate.at("probes") == run.trace.run.probes);
    const bool cast = slurp("/sys/kernel/btf/vmlinux").find("bpf_rdonly_cast") != std::string::npos;
    CHECK(certificate.at("kernel_reads") == (cast ? "loads" : "helper calls"));
    CHECK(certificate.at("records").at("sent") == certificate.at("records").at("arrived"));
    CHECK(certificate.at("records").at("sent") > 50);
    for (const char* when : {"before", "after"}) {
        const auto arrived = certificate.at("canaries").at(when).get<std::set<std::string>>();
        for (const std::string name : {"open", "failed open", "stat", "connect", "bind", "listen", "send",
                                       "fork", "exec", "exit", "request", "signal", "system calls"}) {
            CAPTURE(when, name);
            CHECK(arrived.count(name) == 1);
        }
        for (const std::string name : {"unlink", "rmdir", "mkdir", "mknod", "symlink", "link", "link to",
                                       "rename", "rename to", "truncate", "chmod"}) {
            CAPTURE(when, name);
            CHECK(arrived.count(hooks ? name + " hook" : name) == 1);
        }
    }
    // The canaries themselves are nobody's accesses.
    CHECK(run.trace.processes.size() == 1);
    for (const FileAccess& access : run.trace.files) {
        CHECK(access.path.find("canary") == std::string::npos);
    }
}

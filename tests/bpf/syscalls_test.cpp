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

TEST_CASE("what the probes cannot see makes the run partial, with the reason", "[bpf][syscalls]") {
    const Traced ring = traced({program("processes"), "io_uring"});
    CHECK_FALSE(ring.summary.complete);
    REQUIRE(ring.summary.incomplete_because.size() == 1);
    CHECK(ring.summary.incomplete_because[0].find("io_uring") != std::string::npos);
    CHECK(ring.summary.lost.at("io_uring") == 1);
    CHECK(ring.trace.run.lost == ring.summary.lost);
    CHECK_FALSE(ring.trace.run.complete);
#ifdef __x86_64__
    const Traced compat = traced({program("processes"), "compat"});
    REQUIRE_CAPABILITY(compat.status == 0, "a kernel with the 32-bit system call entry");
    CHECK_FALSE(compat.summary.complete);
    CHECK(compat.summary.lost.at("compat system calls") == 1);
#endif
}

TEST_CASE("a clean run carries a certificate of every hook", "[bpf][syscalls]") {
    const Traced run = traced({"/usr/bin/true"});
    CHECK(run.summary.complete);
    CHECK(run.summary.lost.empty());
    CHECK(run.trace.run.complete);
    CHECK(run.trace.run.incomplete_because.empty());
    CHECK(run.trace.run.probes == "tracepoint");
    CHECK(run.trace.run.kernel != "");
    CHECK(run.trace.run.duration_ms);
    const std::string canaries = R"(["connect","exec","exit","failed open","fork","open","system calls"])";
    CHECK(run.trace.run.certificate.find("\"before\":" + canaries) != std::string::npos);
    CHECK(run.trace.run.certificate.find("\"after\":" + canaries) != std::string::npos);
    // The canaries themselves are nobody's accesses.
    CHECK(run.trace.processes.size() == 1);
    for (const FileAccess& access : run.trace.files) {
        CHECK(access.path.find("canary") == std::string::npos);
    }
}

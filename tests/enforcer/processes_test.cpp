// Processes and system calls: nothing outside is reached, nothing of the sandbox is taken off.
#include <csignal>
#include <cstdlib>

#include <catch2/catch_test_macros.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

class Victim { // a process of the same user, outside
public:
    Victim() : pid_(::fork()) {
        if (pid_ == 0) {
            for (;;) {
                ::pause();
            }
        }
    }
    ~Victim() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] bool alive() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }
    [[nodiscard]] std::string pid() const { return std::to_string(pid_); }

private:
    pid_t pid_;
};

// Everything dangerous listed, as a profile never should: the other layers hold.
const std::string reckless =
    "syscalls: [\"@base\", \"@process\", ptrace, process_vm_readv, unshare, mount, umount2, seccomp]\n";

} // namespace

TEST_CASE("a process outside is neither seen, traced, read nor killed", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Victim victim;
    const Victim sacrifice;
    REQUIRE(run({hostile, "kill", sacrifice.pid()}).out == "ok\n");
    for (const char* attempt : {"kill", "ptrace", "read-memory"}) {
        INFO(attempt);
        CHECK(arena.run(reckless, {hostile, attempt, victim.pid()}).out == "ESRCH\n");
    }
    CHECK(arena.run(reckless, {hostile, "kill-all"}).status == 1);
    CHECK(victim.alive());
}

TEST_CASE("the sandbox's own init is neither killed, traced nor read", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(arena.run(reckless, {hostile, "ptrace", "1"}).out == "EPERM\n");
    CHECK(arena.run(reckless, {hostile, "read-memory", "1"}).status == 1);
    CHECK(arena.run(reckless, {"sh", "-c", hostile + " kill 1; exit 5"}).status == 5);
    CHECK(arena.run("", {hostile, "read", "/proc/1/environ"}).out == "EACCES\n");
}

TEST_CASE("calls that are not listed fail with EPERM, each one violation", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    REQUIRE(run({hostile, "unshare"}).out == "ok\n");
    for (const auto& [attempt, call] : {std::pair<std::string, std::string>{"io-uring", "io_uring_setup"},
                                        {"unshare", "unshare"},
                                        {"listener", "seccomp"},
                                        {"personality", "personality"},
                                        {"ptrace", "ptrace"}}) {
        INFO(call);
        const Held refused = arena.run("", {hostile, attempt, "2"});
        CHECK(refused.out == "EPERM\n");
        REQUIRE(refused.violations.size() == 1);
        CHECK(refused.violations[0].layer == "seccomp");
        CHECK(refused.violations[0].object == call);
        CHECK(refused.violations[0].exe == hostile);
    }
}

TEST_CASE("typing into the terminal is refused, whatever the high bits say",
          "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(arena.run("", {hostile, "tiocsti"}).out == "EPERM\n");
    CHECK(arena.run("", {hostile, "tiocsti-high"}).out == "EPERM\n");
}

TEST_CASE("foreign and unknown calls do not exist", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
#ifdef __x86_64__
    CHECK(arena.run("", {hostile, "x32"}).out == "ENOSYS\n");
#endif
    CHECK(arena.run("", {hostile, "unknown-call"}).out == "ENOSYS\n");
    CHECK(arena.run("", {hostile, "clone3"}).out == "ENOSYS\n");
}

TEST_CASE("no namespace of its own takes a mask off", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    REQUIRE(run({hostile, "clone-user"}).out == "ok\n");
    CHECK(arena.run("", {hostile, "clone-user"}).out == "EPERM\n");
    CHECK(arena.run(reckless, {hostile, "mount", "/tmp"}).out == "EPERM\n");
    CHECK(arena.run(reckless, {hostile, "umount", "/proc"}).out == "EPERM\n");
    CHECK(arena.run(reckless, {hostile, "listener"}).out == "EPERM\n");
}

TEST_CASE("the command has no capability and gains none", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Held held = arena.run("", {"grep", "-E", "Cap|NoNewPrivs", "/proc/self/status"});
    CHECK(held.out == "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
                      "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST_CASE("the number of processes is limited", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    if (::geteuid() == 0) { // whose processes the kernel does not count
        CHECK(arena.run("resources: {processes: 64}\n", {"true"}).error.find("`resources: processes`") == 0);
        return;
    }
    CHECK(arena.run("resources: {processes: 64}\n", {hostile, "fork", "32"}).out == "ok\n");
    CHECK(arena.run("resources: {processes: 64}\n", {hostile, "fork", "80"}).out == "EAGAIN\n");
}

TEST_CASE("only named variables reach the command", "[enforcer][sandbox][processes]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.environment["AWS_SECRET_ACCESS_KEY"] = "SECRET";
    arena.environment["LD_PRELOAD"] = "/nowhere.so";
    arena.environment["WANTED"] = "yes";
    const Held held = arena.run("environment: {pass: [WANTED], set: {CI: \"1\"}}\n", {"env"});
    CHECK(held.out.find("WANTED=yes\n") != std::string::npos);
    CHECK(held.out.find("CI=1\n") != std::string::npos);
    CHECK(held.out.find("SECRET") == std::string::npos);
    CHECK(held.out.find("LD_PRELOAD") == std::string::npos);
}

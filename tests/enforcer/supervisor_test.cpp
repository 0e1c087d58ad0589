// The supervisor under attack: flooded, stopped, without descriptors, and asked by processes that die. What is held
// stays held, and what happened is said.
#include <algorithm>
#include <csignal>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

// Writes to where no rule allows it, over and over; says so with `ready` and ends when `end` is there, whatever it was told last.
std::string stubborn(const std::string& outside) {
    return ": > ready; while [ ! -e end ]; do echo x 2>/dev/null > " + outside + "; " + hostile +
           " personality; " + hostile + " memory-file; done; true";
}

const std::string writable = "files:\n  ${project}/**: rwc\n";

bool appears(const std::string& path) {
    for (int i = 0; i < 500 && !std::filesystem::exists(path); ++i) {
        ::usleep(20'000);
    }
    return std::filesystem::exists(path);
}

// But for those that it only has open for a moment.
rlim_t lowest_free_descriptor(pid_t process) {
    rlim_t lowest = RLIM_INFINITY;
    for (int looks = 0; looks < 200; ++looks) {
        rlim_t number = 0;
        while (std::filesystem::is_symlink("/proc/" + std::to_string(process) + "/fd/" + std::to_string(number))) {
            ++number;
        }
        lowest = std::min(lowest, number);
        ::usleep(500);
    }
    return lowest;
}

// A run whose supervisor is a process of its own, so that something can be done to it.
class Elsewhere {
public:
    Elsewhere(const Arena& arena, const std::string& script)
        : arena_(arena), supervisor_(::fork()) {
        if (supervisor_ == 0) {
            const Held held = arena.run(writable, {"sh", "-c", script});
            arena.write("out", held.error + held.out);
            ::_exit(held.status);
        }
    }
    ~Elsewhere() {
        ::kill(supervisor_, SIGKILL);
        ::waitpid(supervisor_, nullptr, 0);
    }
    Elsewhere(const Elsewhere&) = delete;
    Elsewhere& operator=(const Elsewhere&) = delete;

    [[nodiscard]] pid_t supervisor() const { return supervisor_; }
    [[nodiscard]] int status() const {
        int status = 0;
        ::waitpid(supervisor_, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    [[nodiscard]] std::string out() const { return slurp(arena_.home("out")); }

private:
    const Arena& arena_;
    pid_t supervisor_;
};

} // namespace

TEST_CASE("thousands of threads asking at once are all refused, and are one violation", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    REQUIRE(run({hostile, "flood", "2000", "2"}).out == "ok\n");
    const Held held = arena.run("", {hostile, "flood", "2000", "2"});
    INFO(held.error);
    CHECK(held.out == "EPERM\n");
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].object == "personality");
    CHECK(held.violations[0].exe == hostile);
    CHECK(held.violations[0].count == 4000);
}

TEST_CASE("a flood of refused calls holds up neither other programs nor the time limit", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/file", "there\n");
    const Held held = arena.run("files:\n  ${project}/**: r\nresources: {time: 2s}\n",
                                {"sh", "-c", hostile + " flood 64 0 & cat file file file; wait"});
    INFO(held.error);
    CHECK(held.out == "there\nthere\nthere\n");
    bool limited = false;
    for (const Violation& violation : held.violations) {
        limited = limited || violation.layer == "limit";
    }
    CHECK(limited);
    CHECK(held.about("personality").size() == 1);
}

TEST_CASE("processes killed while they ask gain nothing, and nothing is said of others in their place", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string secret = arena.write("secret", "key\n");
    REQUIRE(run({hostile, "read", secret}).status == 0);
    const Held held = arena.run("", {hostile, "die-asking", secret, "60"});
    INFO(held.error);
    CHECK(held.out == "ok\n");
    CHECK_FALSE(held.violations.empty());
    for (const Violation& violation : held.violations) {
        CAPTURE(violation.exe);
        CHECK((violation.object == "personality" || violation.object == secret));
        CHECK((violation.exe == hostile || violation.exe.empty()));
    }
}

TEST_CASE("while the supervisor is stopped, what asks it waits", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string outside = arena.home("outside");
    const Elsewhere elsewhere(arena, stubborn(outside));
    REQUIRE(appears(arena.project("ready")));
    ::kill(elsewhere.supervisor(), SIGSTOP);
    ::usleep(300'000);
    CHECK_FALSE(std::filesystem::exists(outside));
    arena.write("project/end", "");
    ::kill(elsewhere.supervisor(), SIGCONT);
    CHECK(elsewhere.status() == 0);
    CHECK_FALSE(std::filesystem::exists(outside));
    CHECK(elsewhere.out().find("ok\n") == elsewhere.out().find("EPERM\n") + 6); // EPERM for one, a sealed memory file
}

TEST_CASE("a supervisor out of descriptors refuses as before", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string outside = arena.home("outside");
    const Elsewhere elsewhere(arena, stubborn(outside));
    REQUIRE(appears(arena.project("ready")));
    const rlimit none{lowest_free_descriptor(elsewhere.supervisor()), 1024};
    const rlimit some{1024, 1024};
    REQUIRE(::prlimit(elsewhere.supervisor(), RLIMIT_NOFILE, &none, nullptr) == 0);
    // No memory file without a descriptor.
    const std::string output = arena.home("../output");
    for (int i = 0; i < 500 && slurp(output).find("EPERM\nEPERM\n") == std::string::npos; ++i) {
        ::usleep(20'000);
    }
    CHECK(slurp(output).find("EPERM\nEPERM\n") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(outside));
    REQUIRE(::prlimit(elsewhere.supervisor(), RLIMIT_NOFILE, &some, nullptr) == 0);
    arena.write("project/end", "");
    CHECK(elsewhere.status() == 0);
    CHECK_FALSE(std::filesystem::exists(outside));
}

TEST_CASE("a process that hides its memory is judged and named all the same", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string secret = arena.write("secret", "key\n");
    REQUIRE(run({hostile, "hide-and-read", secret}).status == 0);
    const Held held = arena.run("", {hostile, "hide-and-read", secret});
    CHECK(held.status == 1);
    REQUIRE(held.about(secret).size() == 1);
    CHECK(held.about(secret)[0].exe == hostile);
}

TEST_CASE("a filter of its own, which could keep denials out of the report, is refused", "[enforcer][sandbox][supervisor]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    REQUIRE(run({hostile, "own-filter"}).out == "ok\n");
    const Held held = arena.run("", {hostile, "own-filter"});
    CHECK(held.out == "EPERM\n");
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].object == "prctl(22)");
    CHECK(held.violations[0].rule == "seccomp");
}

// What only Landlock refuses, as the kernel's audit log tells root.
#include "enforcer/landlock_log.h"

#include <catch2/catch_test_macros.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/missing_defs.h"
#include "tests/enforcer/arena.h"
#include "tests/support/auditing.h"

using namespace treadline;
using namespace treadline::test;

#define REQUIRE_AUDITING(auditing)                                                                           \
    REQUIRE_CAPABILITY((auditing).works() && inspect_machine().landlock_abi >= 7 && namespaces_allowed(),    \
                       "root outside of any container, auditing, and Landlock ABI 7")

namespace {

const std::string rules =
    "files:\n  ${project}/: r\n  ${project}/a: r\nsyscalls: [\"@base\", \"@file\", \"@process\"]\n";

struct Logged {
    Held held;
    std::string gap;
};

Logged run(Arena& arena, const std::vector<std::string>& argv,
           const std::function<void(Sandbox&)>& meanwhile = {}) {
    arena.write("project/a", "mine\n");
    arena.write("project/other/b", "not mine\n");
    auto log = LandlockLog::open();
    REQUIRE(log);
    arena.records = *log;
    Logged logged{arena.run(rules, argv, {}, meanwhile), ""};
    INFO(logged.held.error << logged.held.out);
    REQUIRE(logged.held.error.empty());
    logged.gap = (*log)->gap();
    return logged;
}

uint64_t times(const Held& held) {
    uint64_t count = 0;
    for (const Violation& violation : held.violations) {
        count += violation.count;
    }
    return count;
}

} // namespace

TEST_CASE("what no call that is looked at asked for, and Landlock refused, is one violation; what it allows "
          "is none",
          "[enforcer][audit-records][root]") {
    const Auditing on(true);
    REQUIRE_AUDITING(on);
    Arena arena;
    arena.answer_refusals = true;
    const Logged signalled =
        run(arena, {"sh", "-c", "kill 1; kill 1; true"}); // init, which is not in the command's domain
    REQUIRE(signalled.held.violations.size() == 1);
    const Violation& one = signalled.held.violations[0];
    CHECK(one.layer == "landlock");
    CHECK(one.operation == "signal");
    CHECK(one.exe == "/usr/bin/dash");
    CHECK(one.count == 2);
    CHECK(one.rule.empty());
    CHECK(signalled.gap.empty());
    const Logged own = run(arena, {"sh", "-c", "sleep 10 & kill $!; cat a"});
    CHECK(own.held.out == "mine\n");
    CHECK(own.held.violations.empty());
    CHECK(own.gap.empty());
}

TEST_CASE("without namespaces, too, what Landlock alone refused is told", "[enforcer][audit-records][root]") {
    const Auditing on(true);
    REQUIRE_AUDITING(on);
    Arena arena;
    Machine machine = inspect_machine();
    machine.user_namespaces = false;
    const auto plan = compile(arena.policy("syscalls: [\"@base\", \"@process\"]\n"), machine,
                              arena.command({"sh", "-c", "kill -0 $PPID; sleep 10 & kill $!"}), {true});
    REQUIRE(plan);
    auto log = LandlockLog::open();
    REQUIRE(log);
    arena.records = *log;
    const Held held = arena.run_plan(*plan);
    INFO(held.error << held.out);
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].layer == "landlock");
    CHECK(held.violations[0].object.starts_with("process " + std::to_string(::getpid()) + " ("));
    CHECK((*log)->gap().empty());
}

TEST_CASE("what both the supervisor and Landlock tell of is one violation",
          "[enforcer][audit-records][root]") {
    const Auditing on(true);
    REQUIRE_AUDITING(on);
    Arena arena; // without the supervisor's answers
    const Logged logged = run(arena, {"sh", "-c", "cat a other/b"});
    REQUIRE(logged.held.violations.size() == 1);
    CHECK(logged.held.violations[0].layer == "landlock");
    CHECK(logged.held.violations[0].object == arena.project("other/b"));
    CHECK(logged.held.violations[0].rule == "${project}/other/b: r");
    CHECK(logged.held.violations[0].count == 2);
    CHECK(logged.held.out.find("not mine") == std::string::npos);
}

TEST_CASE("a name that is raced past the supervisor is the same violation as one that is not",
          "[enforcer][audit-records][root]") {
    const Auditing on(true);
    REQUIRE_AUDITING(on);
    Arena arena;
    arena.answer_refusals = true;
    const Logged logged = run(arena, {hostile, "race-argument", "a", "other/b"});
    REQUIRE(logged.held.violations.size() == 1);
    CHECK(logged.held.violations[0].object == arena.project("other/b"));
    CHECK(logged.held.violations[0].layer == "landlock");
    CHECK(logged.held.violations[0].exe == hostile);
    CHECK(logged.held.violations[0].rule == "${project}/other/b: r");
}

TEST_CASE("what another process's domain refuses meanwhile is not reported",
          "[enforcer][audit-records][root]") {
    const Auditing on(true);
    REQUIRE_AUDITING(on);
    Arena arena;
    const std::string file = arena.write("elsewhere", "x");
    pid_t other = 0;
    const Logged logged = run(arena, {"sh", "-c", "sleep 0.3; kill 1; true"}, [&](Sandbox&) {
        other = ::fork();
        if (other == 0) {
            const landlock::RulesetAttributes attributes{landlock::read_file, 0, 0};
            const auto ruleset =
                static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0));
            ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            ::syscall(SYS_landlock_restrict_self, ruleset, 0);
            for (int i = 0; i < 100; ++i) {
                ::usleep(5000);
                ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
            }
            ::_exit(errno == EACCES ? 0 : 1);
        }
    });
    int status = -1;
    ::waitpid(other, &status, 0);
    CHECK(status == 0); // it was refused
    REQUIRE(logged.held.violations.size() == 1);
    CHECK(logged.held.violations[0].operation == "signal");
    CHECK(logged.gap.empty());
}

TEST_CASE("records that come faster than they are read are told, or counted as lost",
          "[enforcer][audit-records][root]") {
    const Auditing on(true);
    REQUIRE_AUDITING(on);
    Arena arena;
    const Logged logged = run(
        arena, {"sh", "-c", "i=0; while [ $i -lt 3000 ]; do kill 1; i=$((i+1)); done 2> /dev/null; true"});
    const uint64_t told = times(logged.held);
    CAPTURE(told, logged.gap);
    CHECK(told > 0);
    CHECK(told + (logged.gap.empty() ? 0 : std::stoul(logged.gap)) == 3000);
}

TEST_CASE("where auditing is off nothing is read, and the reason says what to do",
          "[enforcer][audit-records][root]") {
    const Auditing off(false);
    REQUIRE_AUDITING(off);
    const auto log = LandlockLog::open();
    REQUIRE_FALSE(log);
    CHECK(log.error().message().find("auditctl -e 1") != std::string::npos);
}

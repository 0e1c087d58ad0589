// Without namespaces, as in most containers: Landlock and the filter hold what they can, and the rest is named.
#include <algorithm>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "enforcer/flat_rules.h"
#include "enforcer/landlock_ruleset.h"
#include "enforcer/machine_gaps.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

Machine flat_machine() {
    Machine machine = inspect_machine();
    machine.user_namespaces = false;
    machine.user_namespaces_why = "user namespaces are switched off";
    return machine;
}

result<Plan> flat_plan(const Arena& arena, const std::string& rules, const std::vector<std::string>& argv,
                       bool allow_degraded = true) {
    auto plan = compile(arena.policy(rules), flat_machine(), arena.command(argv), {allow_degraded, false});
    if (plan) {
        plan->answer_refusals = false; // what is refused is refused by the kernel
    }
    return plan;
}

Held run_flat(const Arena& arena, const std::string& rules, const std::vector<std::string>& argv) {
    const auto plan = flat_plan(arena, rules, argv);
    REQUIRE(plan.has_value());
    const Held held = arena.run_plan(*plan);
    INFO(held.error);
    REQUIRE(held.error.empty());
    return held;
}

bool names(const std::vector<std::string>& gaps, const std::string& words) {
    return std::any_of(gaps.begin(), gaps.end(), [&](const auto& gap) { return gap.find(words) != std::string::npos; });
}

const std::string sockets = "syscalls: [\"@base\", \"@network\"]\n";

} // namespace

#define REQUIRE_LANDLOCK(abi) REQUIRE_CAPABILITY(inspect_machine().landlock_abi >= (abi), "Landlock ABI " #abi)

TEST_CASE("without namespaces the run is refused with the remedy, unless the degradation is asked for", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(1);
    const Arena arena;
    const auto refused = flat_plan(arena, "", {"true"}, false);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message().find("user namespaces are switched off") != std::string::npos);
    CHECK(refused.error().message().find("--allow-degraded") != std::string::npos);
    const Plan plan = flat_plan(arena, "", {"true"}).value();
    CHECK(names(plan.degraded, "held by Landlock and seccomp alone"));
    CHECK(plan.mounts.empty());
    CHECK(plan.placeholders.empty());
}

TEST_CASE("without namespaces files are held, masked ones inside an allowed tree too", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(3);
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    const std::string notes = arena.write("notes", "private\n");
    const std::string env = arena.write("project/conf/.env", "TOKEN\n");
    const std::string beside = arena.write("project/conf/plain", "plain\n");
    const std::string denied = arena.write("project/secret/plan", "plan\n");
    const std::string rules = "files:\n  ${project}/**: r\ndeny: [\"${project}/secret/**\"]\n";
    CHECK(run_flat(arena, rules, {hostile, "read", beside}).out == "plain\nok\n");
    for (const std::string& path : {key, notes, env, denied}) {
        CAPTURE(path);
        const Held held = run_flat(arena, rules, {hostile, "read", path});
        CHECK(held.out == "EACCES\n");
        REQUIRE(held.about(path).size() == 1);
        CHECK(held.about(path)[0].layer == "landlock");
    }
    CHECK(run_flat(arena, rules, {hostile, "create", arena.project("new")}).out == "EACCES\n");
    CHECK(run_flat(arena, rules, {hostile, "truncate", beside}).out == "EACCES\n");
    CHECK(slurp(beside) == "plain\n");
}

TEST_CASE("without namespaces the supervisor's answers keep what Landlock cannot, and that is named", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(3);
    const Arena arena;
    const std::string hook = arena.write("project/.git/hooks/pre-commit", "#!/bin/sh\n");
    auto plan = flat_plan(arena, "files:\n  ${project}/**: rwc\n", {hostile, "append", hook});
    REQUIRE(plan.has_value());
    CHECK(names(plan->degraded, "without mounts only the supervisor's answers keep it"));
    plan->answer_refusals = true;
    CHECK(arena.run_plan(*plan).out == "EACCES\n");
    CHECK(slurp(hook) == "#!/bin/sh\n");
    CHECK(run_flat(arena, "files:\n  ${project}/**: rwc\n", {hostile, "create", arena.project("new")}).out == "ok\n");
}

TEST_CASE("without namespaces nothing leaves: no connection, no datagram, no local service", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(4);
    const Arena arena;
    const Listener listener;
    const std::string& port = listener.port;
    REQUIRE(run({hostile, "connect", "127.0.0.1", port}).out == "ok\n");
    const Held refused = run_flat(arena, sockets, {hostile, "connect", "127.0.0.1", port});
    CHECK(refused.out == "EACCES\n");
    CHECK(refused.about("127.0.0.1:" + port).size() == 1);
    CHECK(run_flat(arena, sockets, {hostile, "connect-udp", "127.0.0.1", port}).out == "EPERM\n");
    CHECK(run_flat(arena, sockets, {hostile, "sendto", "127.0.0.1", port}).out != "ok\n");
    CHECK(run_flat(arena, sockets, {hostile, "unix-connect", "/run/nothing"}).out == "EPERM\n");
    // Without @network there is no internet socket at all.
    CHECK(run_flat(arena, "", {hostile, "connect", "127.0.0.1", port}).out == "EPERM\n");
    // The allow: its own port.
    CHECK(run_flat(arena, sockets + "network: {listen: [" + port + "]}\n", {hostile, "connect", "127.0.0.1", port}).out == "ok\n");
}

TEST_CASE("without namespaces processes outside are not signalled or traced", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(6);
    const Arena arena;
    const pid_t bystander = ::fork();
    if (bystander == 0) {
        ::pause();
        ::_exit(0);
    }
    const std::string pid = std::to_string(bystander);
    const std::string rules = "syscalls: [\"@base\", ptrace, process_vm_readv]\n";
    CHECK(run_flat(arena, rules, {hostile, "kill", pid}).out == "EPERM\n");
    CHECK(run_flat(arena, rules, {hostile, "ptrace", pid}).out == "EPERM\n");
    CHECK(::kill(bystander, SIGKILL) == 0);
    int status = 0;
    ::waitpid(bystander, &status, 0);
    CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("without namespaces the private temporary directory is one of the run's own, gone afterwards", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(3);
    Arena arena;
    const TemporaryDirectory outside; // somebody's, in the same place
    const std::string theirs = outside.write("theirs", "theirs\n");
    const std::string rules = "private: [\"${tmp}\"]\n";
    const Held held =
        run_flat(arena, rules, {"sh", "-c", "mkdir -p $TMPDIR/a/b && echo mine > $TMPDIR/a/b/c && cat $TMPDIR/a/b/c && echo $TMPDIR"});
    INFO(held.out);
    REQUIRE(held.out.starts_with("mine\n"));
    const std::string directory = held.out.substr(5, held.out.size() - 6);
    CHECK(directory.find("/treadline-") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(directory));
    CHECK(run_flat(arena, rules, {hostile, "read", theirs}).out == "EACCES\n");
}

TEST_CASE("without namespaces what the command leaves behind ends with it", "[enforcer][sandbox][flat]") {
    REQUIRE_LANDLOCK(3);
    const Arena arena;
    const std::string mark = arena.project("mark");
    CHECK(run_flat(arena, "files:\n  ${project}/: rc\n", {hostile, "daemon", mark, "300"}).status == 0);
    ::usleep(600'000);
    CHECK_FALSE(std::filesystem::exists(mark));
}

TEST_CASE("what lies masked below a directory is gone around name by name", "[enforcer][plan][flat]") {
    const Arena arena;
    arena.write("project/a", "");
    arena.write("project/sub/.env", "");
    arena.write("project/sub/b", "");
    arena.write("project/other/c", "");
    const uint64_t rights = landlock::read_file | landlock::read_dir;
    const LandlockRule tree{arena.project(), rights, "rule"};
    const FlatRules flat = flatten({tree}, {arena.project("sub/.env")}, {});
    const std::vector<LandlockRule> expected = {
        {arena.project(), landlock::read_dir, "rule"},
        {arena.project("a"), landlock::read_file, "rule"},
        {arena.project("other"), rights, "rule"},
        {arena.project("sub"), landlock::read_dir, "rule"},
        {arena.project("sub/b"), landlock::read_file, "rule"},
    };
    CHECK(flat.rules == expected);
    CHECK(flat.gaps.empty());
    CHECK(flatten({tree}, {}, {arena.project("a")}).rules == std::vector<LandlockRule>{tree}); // nothing there is written
    // Written where the profile says so, below a directory that is otherwise read-only; and not where a seal lies.
    const uint64_t writing = rights | landlock::write_file;
    const LandlockRule written{arena.project("sub"), writing, "written"};
    CHECK(flatten({written}, {}, {arena.project()}).rules == std::vector<LandlockRule>{written});
    const std::vector<LandlockRule> around = {
        {arena.project("sub"), landlock::read_dir, "written"},
        {arena.project("sub/.env"), landlock::read_file, "written"},
        {arena.project("sub/b"), landlock::read_file | landlock::write_file, "written"},
    };
    CHECK(flatten({written}, {}, {arena.project("sub/.env")}).rules == around);
    CHECK(flatten({{arena.project("sub/.env"), rights, "rule"}}, {arena.project("sub")}, {}).rules.empty());
    const LandlockRule filled{arena.project(), rights | landlock::make_reg, "rule"};
    const FlatRules wide = flatten({filled}, {arena.project("sub/.env")}, {});
    CHECK(wide.rules == std::vector<LandlockRule>{filled});
    REQUIRE(wide.gaps.size() == 1);
    CHECK(wide.gaps[0].find(".env' lies in reach of `rule`") != std::string::npos);
}

TEST_CASE("what a machine lacks is a gap with its remedy, and without any hold there is no degraded run", "[enforcer][plan][gaps]") {
    Machine machine;
    machine.kernel = "6.18.0";
    machine.landlock_abi = 7;
    machine.user_namespaces = true;
    machine.seccomp_notify = true;
    CHECK(machine_gaps(machine).empty());
    CHECK(standing_of(machine_gaps(machine)) == Standing::Full);
    const auto with = [&](auto change) {
        Machine other = machine;
        change(other);
        return machine_gaps(other);
    };
    const auto blind = with([](Machine& m) { m.seccomp_notify = false; });
    CHECK(standing_of(blind) == Standing::Degraded);
    const auto flat = with([](Machine& m) { m.user_namespaces = false; m.user_namespaces_why = "run `sudo x`"; });
    CHECK(standing_of(flat) == Standing::Degraded);
    REQUIRE(flat.size() == 1);
    CHECK(flat[0].sentence.find("run `sudo x`") != std::string::npos);
    CHECK(with([](Machine& m) { m.user_namespaces = false; m.landlock_abi = 5; }).size() == 2);
    CHECK(with([](Machine& m) { m.user_namespaces = false; m.landlock_abi = 2; }).size() == 3);
    CHECK(standing_of(with([](Machine& m) { m.landlock_abi = 0; })) == Standing::Degraded);
    CHECK(standing_of(with([](Machine& m) { m.landlock_abi = 0; m.user_namespaces = false; })) == Standing::Refused);
    CHECK(standing_of(with([](Machine& m) { m.seccomp = false; })) == Standing::Refused);
}

TEST_CASE("compiling refuses and degrades exactly as the machine's gaps say", "[enforcer][plan][gaps]") {
    const Arena arena;
    for (const int abi : {0, 1, 2, 3, 4, 5, 6, 7}) {
        for (const int facts : {0, 1, 2, 3, 4, 5, 6, 7}) {
            Machine machine;
            machine.kernel = "6.18.0";
            machine.landlock_abi = abi;
            machine.user_namespaces = (facts & 1) != 0;
            machine.seccomp_notify = (facts & 2) != 0;
            machine.seccomp = (facts & 4) != 0;
            CAPTURE(abi, facts);
            const Standing standing = standing_of(machine_gaps(machine));
            const auto strict = compile(arena.policy(""), machine, arena.command({"true"}), {false, false});
            const auto lenient = compile(arena.policy(""), machine, arena.command({"true"}), {true, false});
            CHECK(strict.has_value() == (standing == Standing::Full));
            CHECK(lenient.has_value() == (standing != Standing::Refused));
            if (lenient) {
                CHECK(lenient->degraded.size() >= machine_gaps(machine).size());
            }
        }
    }
}

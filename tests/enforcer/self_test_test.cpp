// Before the command runs, its own process tries the guards; with one of them taken away nothing runs.
#include <algorithm>

#include <arpa/inet.h>
#include <catch2/catch_test_macros.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

#include "enforcer/landlock_ruleset.h"
#include "enforcer/self_test.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

struct Prepared {
    Arena arena;
    std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    Plan plan = compile(arena.policy("files:\n  ${project}/**: rwc\n"), inspect_machine(),
                        arena.command({"sh", "-c", "echo ran"}), {})
                    .value();
};

void expect_refusal(const Prepared& prepared, const std::string& words) {
    const Held held = prepared.arena.run_plan(prepared.plan);
    INFO(held.error << held.out);
    CHECK(held.error.find("the sandbox does not hold") != std::string::npos);
    CHECK(held.error.find(words) != std::string::npos);
    CHECK(held.out.empty());
    CHECK(held.status == -1);
}

bool has_route() {
    const unique_fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in nobody{};
    nobody.sin_family = AF_INET;
    nobody.sin_port = htons(9);
    ::inet_pton(AF_INET, "192.0.2.1", &nobody.sin_addr);
    return ::connect(socket.get(), reinterpret_cast<sockaddr*>(&nobody), sizeof nobody) == 0;
}

} // namespace

TEST_CASE("a sandbox that holds passes its self-test, which is no violation", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    const Prepared prepared;
    CHECK(prepared.plan.self_test.secret == prepared.arena.home(".ssh"));
    CHECK(prepared.plan.self_test.unlisted_call);
    CHECK(prepared.plan.self_test.contact);
    CHECK(prepared.plan.self_test.signal);
    const Held held = prepared.arena.run_plan(prepared.plan);
    CHECK(held.error.empty());
    CHECK(held.out == "ran\n");
    CHECK(held.violations.empty());
}

TEST_CASE("a directory of credentials that leads to one that a rule opens is not tried", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write(".ssh/id_ed25519", "opened\n", 0600);
    const std::string token = arena.write(".netrc", "SECRET\n", 0600);
    const Plan plan = compile(arena.policy("files:\n  ${home}/**: rwc\n  ${home}/.ssh/id_ed25519: r\n"), inspect_machine(),
                              arena.command({"sh", "-c", "cat ~/.ssh/id_ed25519"}), {})
                          .value();
    CHECK(plan.self_test.secret == token);
    const Held held = arena.run_plan(plan);
    CHECK(held.error.empty());
    CHECK(held.out == "opened\n");
}

TEST_CASE("a credential that can be read after all is a refusal to start", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    Prepared prepared;
    Plan& plan = prepared.plan;
    // As if the home had been bound by mistake, and Landlock opened to it.
    plan.mounts.push_back({MountStep::Kind::Bind, prepared.arena.home(), prepared.arena.home(), false, true, "sabotage"});
    plan.landlock_rules.push_back({prepared.arena.home(), landlock::read_file | landlock::read_dir, "sabotage"});
    expect_refusal(prepared, "read '" + prepared.arena.home(".ssh") + "'");
}

TEST_CASE("with the mount gone Landlock still holds, and the self-test passes", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    Prepared prepared;
    prepared.plan.mounts.push_back(
        {MountStep::Kind::Bind, prepared.arena.home(), prepared.arena.home(), false, true, "sabotage"});
    prepared.plan.command.directory = "/";
    CHECK(prepared.arena.run_plan(prepared.plan).out == "ran\n");
}

TEST_CASE("a profile that can be written is a refusal to start", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    Prepared prepared;
    const std::string profile = prepared.arena.write("project/writable", "treadline: 1\n");
    prepared.plan.self_test.sealed = profile; // the project is writable to this command
    expect_refusal(prepared, "write '" + profile + "'");
    CHECK(slurp(profile) == "treadline: 1\n");
}

TEST_CASE("a filter that lets an unlisted call through is a refusal to start", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    Prepared prepared;
    prepared.plan.syscalls->push_back("unshare");
    expect_refusal(prepared, "make a system call that the profile does not list");
    prepared.plan.syscalls.reset(); // no filter at all
    expect_refusal(prepared, "make a system call that the profile does not list");
}

TEST_CASE("a way to other machines is a refusal to start", "[enforcer][sandbox][self-test]") {
    REQUIRE_NAMESPACES();
    if (!has_route()) {
        SKIP("this machine has no route, so nothing can be sabotaged");
    }
    Prepared prepared;
    prepared.plan.network = NetworkMode::Host;
    expect_refusal(prepared, "reach another machine");
}

TEST_CASE("without namespaces a connection that Landlock does not refuse is a refusal to start", "[enforcer][sandbox][self-test]") {
    REQUIRE_CAPABILITY(inspect_machine().landlock_abi >= 4, "Landlock ABI 4");
    Prepared prepared;
    Machine machine = inspect_machine();
    machine.user_namespaces = false;
    prepared.plan = compile(prepared.arena.policy("network: {connect: [\"web.test:443\"]}\n"), machine, prepared.arena.command({"sh", "-c", "echo ran"}), {true, false}).value();
    CHECK(prepared.plan.self_test.connection);
    CHECK(prepared.arena.run_plan(prepared.plan).out == "ran\n");
    prepared.plan.network = NetworkMode::Host; // with which Landlock holds no connection
    expect_refusal(prepared, "connect to another machine");
}

TEST_CASE("a supervisor that can be signalled is a refusal to start", "[enforcer][sandbox][self-test]") {
    REQUIRE_CAPABILITY(inspect_machine().landlock_abi >= 6, "Landlock ABI 6");
    Prepared prepared;
    Machine machine = inspect_machine();
    machine.user_namespaces = false; // where Landlock alone keeps signals in
    prepared.plan = compile(prepared.arena.policy(""), machine, prepared.arena.command({"sh", "-c", "echo ran"}), {true, false}).value();
    CHECK(prepared.arena.run_plan(prepared.plan).out == "ran\n");
    prepared.plan.scope_signals_and_abstract_sockets = false;
    expect_refusal(prepared, "signal a process outside");
}

TEST_CASE("the self-test tries only what the plan promises to refuse", "[enforcer][plan][self-test]") {
    const Arena arena;
    arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    const auto test_for = [&](const std::string& rules, CompileOptions options = {}) {
        Machine machine = inspect_machine();
        machine.user_namespaces = true;
        machine.landlock_abi = 6;
        machine.seccomp_notify = true;
        return compile(arena.policy(rules), machine, arena.command({"true"}), options).value().self_test;
    };
    CHECK(test_for("").secret == arena.home(".ssh"));
    CHECK(test_for("files:\n  ${home}/.ssh: r\n").secret != arena.home(".ssh"));
    CHECK_FALSE(test_for("syscalls: [unshare]\n").unlisted_call);
    CHECK_FALSE(test_for("", {false, true}).contact);
}

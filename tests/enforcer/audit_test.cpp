// An audit: everything goes on as without Treadline, what the profile would refuse is reported.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

Held audit(const Arena& arena, const std::string& rules, const std::vector<std::string>& argv,
           bool allow_credentials = false) {
    const auto plan = compile_audit(arena.policy(rules), inspect_machine(), arena.command(argv), allow_credentials);
    REQUIRE(plan.has_value());
    const Held held = arena.run_plan(*plan);
    INFO(held.error);
    REQUIRE(held.error.empty());
    return held;
}

// What of a violation does not depend on whether it was refused.
std::vector<std::string> told(const std::vector<Violation>& violations) {
    std::vector<std::string> lines;
    for (const Violation& one : violations) {
        lines.push_back(one.layer + " " + one.operation + " " + one.object + " | " + one.section + " | " + one.rule + " | " +
                        one.risk + " | " + one.exe);
    }
    return lines;
}

const std::string project_read = "files:\n  ${project}/**: r\n";

} // namespace

TEST_CASE("an audit lets through what the profile refuses, and reports it as an enforced run does", "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string notes = arena.write("notes", "private\n");
    const std::string source = arena.write("project/a.c", "int a;\n");
    const std::string script = arena.write("project/tool", "#!/bin/sh\n", 0755);
    const std::string made = arena.project("made");
    struct Try {
        std::vector<std::string> argv;
        std::string object;
    };
    for (const Try& one : {Try{{hostile, "read", notes}, notes}, Try{{hostile, "create", made}, made},
                           Try{{hostile, "append", source}, source}, Try{{hostile, "exec", script}, script}}) {
        CAPTURE(one.argv[1]);
        const Held refused = arena.run(project_read, one.argv);
        CHECK(refused.status != 0);
        const Held audited = audit(arena, project_read, one.argv);
        CHECK(audited.status == 0);
        REQUIRE(refused.about(one.object).size() == 1);
        CHECK(refused.about(one.object)[0].denied);
        REQUIRE(audited.about(one.object).size() == 1);
        CHECK_FALSE(audited.about(one.object)[0].denied);
        CHECK(told(audited.about(one.object)) == told(refused.about(one.object)));
    }
    CHECK(std::filesystem::exists(made));
}

TEST_CASE("what the profile allows is no finding of an audit", "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string source = arena.write("project/a.c", "int a;\n");
    const Held audited = audit(arena, project_read, {hostile, "read", source});
    CHECK(audited.out == "int a;\nok\n");
    CHECK(audited.violations.empty());
}

TEST_CASE("a credential that no rule opens stays masked in an audit, one that a rule opens does not",
          "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    const Held masked = audit(arena, project_read, {hostile, "read", key});
    CHECK(masked.out == "EACCES\n");
    REQUIRE(masked.about(key).size() == 1);
    CHECK(masked.about(key)[0].denied);
    const Held opened = audit(arena, "files:\n  ${home}/.ssh/id_ed25519: r\n", {hostile, "read", key});
    CHECK(opened.out == "SECRET\nok\n");
    CHECK(opened.violations.empty());
    const Held allowed = audit(arena, project_read, {hostile, "read", key}, true);
    CHECK(allowed.out == "SECRET\nok\n");
    REQUIRE(allowed.about(key).size() == 1);
    CHECK_FALSE(allowed.about(key)[0].denied);
    CHECK(allowed.about(key)[0].risk.starts_with("gives away"));
}

TEST_CASE("an audit lists contacts, by datagram too, and makes none of its own", "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string sockets = "syscalls: [\"@network\"]\n";
    // Loopback, so that nothing leaves this machine; in an enforced run it is the sandbox's own.
    const Held connected = audit(arena, sockets, {hostile, "connect", "127.0.0.1", "1"});
    CHECK(connected.out == "ECONNREFUSED\n");
    REQUIRE(connected.about("127.0.0.1:1").size() == 1);
    CHECK(connected.about("127.0.0.1:1")[0].layer == "egress");
    CHECK(connected.about("127.0.0.1:1")[0].rule == "host:1");
    for (const char* attempt : {"sendto", "sendmsg", "sendmmsg"}) {
        CAPTURE(attempt);
        const Held sent = audit(arena, sockets, {hostile, attempt, "127.0.0.1", "7"});
        CHECK(sent.out == "ok\n");
        CHECK(sent.about("127.0.0.1:7").size() == 1);
    }
    CHECK(audit(arena, "syscalls: [\"@network\"]\nnetwork: {connect: [\"127.0.0.1:7\"]}\n", {hostile, "sendto", "127.0.0.1", "7"})
              .violations.empty());
}

TEST_CASE("a datagram to another machine is one violation of an enforced run", "[enforcer][sandbox][network]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Held sent = arena.run("syscalls: [\"@network\"]\n", {hostile, "sendto", "192.0.2.1", "53"});
    CHECK(sent.out == "ENETUNREACH\n");
    REQUIRE(sent.violations.size() == 1);
    CHECK(sent.violations[0].object == "192.0.2.1:53");
    CHECK(arena.run("syscalls: [\"@network\"]\n", {hostile, "sendto", "127.0.0.1", "7"}).violations.empty());
}

TEST_CASE("unlisted, foreign and unknown calls go on in an audit, and each is listed", "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Held unlisted = audit(arena, "", {hostile, "io-uring"});
    REQUIRE(unlisted.about("io_uring_setup").size() == 1);
    CHECK_FALSE(unlisted.about("io_uring_setup")[0].denied);
    CHECK(arena.run("", {hostile, "io-uring"}).out == "EPERM\n");
    CHECK(audit(arena, "", {hostile, "unknown-call"}).out == "ENOSYS\n"); // the kernel's own answer
    CHECK(audit(arena, "", {hostile, "unknown-call"}).about("call 999").size() == 1);
    const Held file = audit(arena, "syscalls: [memfd_create]\n", {hostile, "memory-file"});
    CHECK(file.status == 0);
    CHECK(file.violations.empty());
}

TEST_CASE("what an audited command leaves behind ends with it, as in an enforced run", "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string mark = arena.project("mark");
    CHECK(audit(arena, "", {hostile, "daemon", mark, "300"}).status == 0);
    ::usleep(600'000);
    CHECK_FALSE(std::filesystem::exists(mark));
}

TEST_CASE("an audit keeps the command's own status", "[enforcer][sandbox][audit]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(audit(arena, "", {hostile, "die", "15"}).status == 128 + 15);
    CHECK(audit(arena, "", {"sh", "-c", "exit 7"}).status == 7);
}

TEST_CASE("without notifications or namespaces an audit is refused with what to do", "[enforcer][sandbox][audit]") {
    const Arena arena;
    Machine old = inspect_machine();
    old.seccomp_notify = false;
    const auto blind = compile_audit(arena.policy(""), old, arena.command({"true"}), false);
    REQUIRE_FALSE(blind.has_value());
    CHECK(blind.error().message().find("Linux 5.6") != std::string::npos);
    Machine flat = inspect_machine();
    flat.seccomp_notify = true;
    flat.user_namespaces = false;
    flat.user_namespaces_why = "they are switched off";
    const auto open = compile_audit(arena.policy(""), flat, arena.command({"true"}), false);
    REQUIRE_FALSE(open.has_value());
    CHECK(open.error().message().find("--allow-credentials") != std::string::npos);
    CHECK(compile_audit(arena.policy(""), flat, arena.command({"true"}), true).has_value());
}

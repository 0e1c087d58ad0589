// From start to end: statuses, signals, time, and nothing left behind.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

const std::string writable = "files:\n  ${project}/**: rwc\n";

bool appears(const std::string& path, int within_ms) {
    for (int waited = 0; waited < within_ms; waited += 20) {
        if (std::filesystem::exists(path)) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return std::filesystem::exists(path);
}

} // namespace

TEST_CASE("the command's own status comes back, a signal as 128 and its number",
          "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(arena.run("", {"true"}).status == 0);
    CHECK(arena.run("", {"sh", "-c", "exit 41"}).status == 41);
    CHECK(arena.run("", {hostile, "die", std::to_string(SIGTERM)}).status == 128 + SIGTERM);
    CHECK(arena.run("", {hostile, "die", std::to_string(SIGSEGV)}).status == 128 + SIGSEGV);
    CHECK(arena.run("", {hostile, "die", std::to_string(SIGKILL)}).status == 128 + SIGKILL);
}

TEST_CASE("a run begun before its plan is held to the plan, whatever it was begun for", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    for (const bool own_network : {true, false}) {
        auto begun = Beginning::make(own_network);
        REQUIRE(begun);
        const auto plan = std::make_shared<const Plan>(compile(arena.policy(""), inspect_machine(), arena.command({"true"}), {}).value());
        auto sandbox = Sandbox::start(plan, std::move(begun));
        REQUIRE(sandbox);
        const auto network = sys::readlink("/proc/" + std::to_string(sandbox->pid()) + "/ns/net");
        REQUIRE(network);
        CHECK(*network != sys::readlink("/proc/self/ns/net").value());
        REQUIRE(sandbox->release());
        const auto outcome = sandbox->wait({});
        REQUIRE(outcome);
        CHECK(outcome->exit_status == 0);
    }
}

TEST_CASE("what was begun ends where no plan comes of it", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const auto children = [] { return sys::read_file("/proc/thread-self/children").value(); };
    const std::string before = children();
    {
        const auto begun = Beginning::make(true);
        REQUIRE(begun);
        CHECK(children() != before);
    }
    CHECK(children() == before);
}

TEST_CASE("the processor time of what ran inside is counted as a child's", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::vector<std::string> counts = {"sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"};
    const auto used_by = [](const auto& runs) {
        const auto used = [] {
            rusage children{};
            ::getrusage(RUSAGE_CHILDREN, &children);
            return std::chrono::seconds(children.ru_utime.tv_sec) + std::chrono::microseconds(children.ru_utime.tv_usec);
        };
        const auto before = used();
        runs();
        return used() - before;
    };
    const auto free = used_by([&] { REQUIRE(run(counts).status == 0); });
    const auto held = used_by([&] { REQUIRE(arena.run("", counts).status == 0); });
    CHECK(held > free / 2);
}

TEST_CASE("a daemon does not outlive the command", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string mark = arena.project("mark");
    REQUIRE(run({hostile, "daemon", mark, "100"}).status == 0);
    REQUIRE(appears(mark, 3000));
    std::filesystem::remove(mark);
    CHECK(arena.run(writable, {hostile, "daemon", mark, "300"}).status == 0);
    CHECK_FALSE(appears(mark, 900));
}

TEST_CASE("killing the supervisor leaves nothing running", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string started = arena.project("started");
    const std::string mark = arena.project("mark");
    const pid_t supervisor = ::fork();
    if (supervisor == 0) {
        arena.run(writable,
                  {"sh", "-c", hostile + " daemon " + mark + " 1000; : > " + started + "; sleep 30"});
        ::_exit(0);
    }
    REQUIRE(appears(started, 10'000));
    ::kill(supervisor, SIGKILL);
    ::waitpid(supervisor, nullptr, 0);
    CHECK_FALSE(appears(mark, 1800));
}

TEST_CASE("killing the supervisor leaves no placeholder either", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string started = arena.project("started");
    const pid_t supervisor = ::fork();
    if (supervisor == 0) {
        arena.run(writable, {"sh", "-c", "test -e .envrc && : > " + started + "; sleep 30"});
        ::_exit(0);
    }
    REQUIRE(appears(started, 10'000));
    CHECK(std::filesystem::exists(arena.project(".envrc")));
    ::kill(supervisor, SIGKILL);
    ::waitpid(supervisor, nullptr, 0);
    for (int i = 0; i < 100 && std::filesystem::exists(arena.project(".envrc")); ++i) {
        ::usleep(20'000);
    }
    ::usleep(50'000);
    size_t names = 0;
    for (const auto& entry : std::filesystem::directory_iterator(arena.project())) {
        INFO(entry.path());
        ++names;
    }
    CHECK(names == 1); // "started"
}

TEST_CASE("a signal sent to the supervisor reaches the command", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string ready = arena.project("ready");
    const pid_t sender = ::fork();
    if (sender == 0) {
        if (appears(ready, 10'000)) {
            ::kill(::getppid(), SIGTERM);
        }
        ::_exit(0);
    }
    const Held held =
        arena.run(writable, {"sh", "-c", "trap 'exit 9' TERM; : > ready; while :; do sleep 0.05; done"});
    ::waitpid(sender, nullptr, 0);
    CHECK(held.status == 9);
}

TEST_CASE("the time limit ends everything and is a violation", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const auto before = std::chrono::steady_clock::now();
    const Held held = arena.run("resources: {time: 1s}\n", {"sleep", "30"});
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(10));
    CHECK(held.status == exit_limited);
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].layer == "limit");
    CHECK(held.violations[0].operation == "time");
    CHECK(held.violations[0].object == "1s");
}

TEST_CASE("the command is held until it is released", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string mark = arena.project("mark");
    bool early = true;
    pid_t pid = 0;
    const Held held = arena.run(writable, {"touch", mark}, {}, [&](Sandbox& sandbox) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        early = std::filesystem::exists(mark);
        pid = sandbox.pid();
        CHECK(sandbox.pidfd() >= 0);
    });
    CHECK_FALSE(early);
    CHECK(pid > 0);
    CHECK(std::filesystem::exists(mark));
    CHECK(held.status == 0);
}

TEST_CASE("a sandbox given up before its release runs nothing", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string mark = arena.project("mark");
    {
        const auto plan =
            compile(arena.policy(writable), inspect_machine(), arena.command({"touch", mark}), {});
        REQUIRE(plan.has_value());
        const auto sandbox = Sandbox::start(*plan);
        REQUIRE(sandbox.has_value());
    }
    CHECK_FALSE(appears(mark, 300));
}

TEST_CASE("a step that fails is an error that names it, and nothing runs", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    Plan plan = compile(arena.policy(writable), inspect_machine(),
                        arena.command({"touch", arena.project("mark")}), {})
                    .value();
    plan.mounts.push_back(
        {MountStep::Kind::Bind, arena.project(), "/no/such/target", false, false, "a rule for the test"});
    const Held held = arena.run_plan(plan);
    CHECK(held.error.find("cannot mount '/no/such/target' (a rule for the test)") == 0);
    CHECK_FALSE(std::filesystem::exists(arena.project("mark")));
}

TEST_CASE("a missing directory that a c rule names is there when the command starts",
          "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Held held = arena.run("files:\n  ${project}/new/**: rwc\n", {"touch", arena.project("new/file")});
    CHECK(held.status == 0);
    CHECK(std::filesystem::exists(arena.project("new/file")));
}

TEST_CASE("root starts a command for an ordinary user as that user", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    if (::geteuid() != 0) {
        Arena arena;
        Plan plan = compile(arena.policy(""), inspect_machine(), arena.command({"true"}), {}).value();
        plan.command.uid = 0;
        CHECK(arena.run_plan(plan).error == "cannot run a command as another user without being root");
        return;
    }
    const Arena arena;
    constexpr unsigned nobody = 65534;
    std::filesystem::permissions(std::filesystem::path(arena.home()).parent_path(),
                                 std::filesystem::perms(0755));
    Plan plan =
        compile(arena.policy(""), inspect_machine(), arena.command({"sh", "-c", "id -u; id -g"}), {}).value();
    plan.command.uid = nobody;
    plan.command.gid = nobody;
    const Held held = arena.run_plan(plan);
    CHECK(held.error.empty());
    CHECK(held.out == "65534\n65534\n");
}

TEST_CASE("a sandbox inside a sandbox is refused with a sentence", "[enforcer][sandbox][lifecycle]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    Machine machine;
    machine.landlock_abi = 7;
    machine.user_namespaces_why = "user namespaces are refused here";
    const auto plan = compile(arena.policy(""), machine, arena.command({"true"}), {});
    REQUIRE_FALSE(plan.has_value());
    CHECK(plan.error().what.find("user namespaces are refused here") != std::string::npos);
}

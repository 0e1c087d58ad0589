// Limits kept by a cgroup, where one is delegated to the user. As root, in a machine of its own (tests/vm): this makes and
// gives away parts of the cgroup tree.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;
namespace fs = std::filesystem;

namespace {

const std::string top = "/sys/fs/cgroup";
const std::string delegated = top + "/given-away";

void set(const std::string& file, const std::string& value) {
    std::ofstream stream(file);
    stream << value << std::flush;
    INFO(file << " " << value);
    REQUIRE(stream.good());
}

// As systemd delegates one: a directory of the user's, in which our own processes are one level below.
void delegate(const passwd& user) {
    set(top + "/cgroup.subtree_control", "+memory +pids +cpu");
    fs::create_directory(delegated);
    set(delegated + "/cgroup.subtree_control", "+memory +pids +cpu");
    fs::create_directory(delegated + "/shell");
    for (const char* name : {"", "/cgroup.procs", "/cgroup.subtree_control", "/shell", "/shell/cgroup.procs"}) {
        REQUIRE(::chown((delegated + name).c_str(), user.pw_uid, user.pw_gid) == 0);
    }
}

size_t runs_left() {
    size_t found = 0;
    for (const auto& entry : fs::directory_iterator(delegated)) {
        found += entry.path().filename().string().starts_with("treadline-") ? 1 : 0;
    }
    return found;
}

bool only(const Held& held, const std::string& operation, const std::string& object) {
    return held.violations.size() == 1 && held.violations[0].layer == "limit" && held.violations[0].operation == operation &&
           held.violations[0].object == object;
}

// As the user, in the delegated part. What went wrong, as an exit status.
int limits_hold() {
    const Machine machine = inspect_machine();
    if (machine.cgroup != delegated) {
        return 10;
    }
    const Arena arena;
    const Held memory = arena.run("resources: {memory: 64M}\n", {hostile, "grow", "200"});
    if (memory.status != exit_limited || !only(memory, "memory", "64M")) {
        return 11;
    }
    if (arena.run("resources: {memory: 300M}\n", {hostile, "grow", "50"}).status != 0) {
        return 12;
    }
    const Held processes = arena.run("resources: {processes: 20}\n", {hostile, "bomb", "40"});
    if (processes.out != "EAGAIN\n" || !only(processes, "processes", "20")) {
        return 13;
    }
    std::string quota;
    const Held cpu = arena.run("resources: {cpu: 20%}\n", {"true"}, {}, [&](Sandbox&) {
        quota = slurp(delegated + "/treadline-" + std::to_string(::getpid()) + "/cpu.max");
    });
    if (cpu.status != 0 || quota != "20000 100000\n") {
        return 14;
    }
    if (runs_left() != 0) {
        return 15;
    }
    const pid_t supervisor = ::fork();
    if (supervisor == 0) {
        arena.run("resources: {memory: 64M}\n", {"sleep", "60"});
        ::_exit(0);
    }
    for (int i = 0; i < 500 && runs_left() == 0; ++i) {
        ::usleep(20'000);
    }
    const size_t during = runs_left();
    ::kill(supervisor, SIGKILL);
    ::waitpid(supervisor, nullptr, 0);
    for (int i = 0; i < 500 && runs_left() != 0; ++i) {
        ::usleep(20'000);
    }
    return during != 1 || runs_left() != 0 ? 16 : 0;
}

} // namespace

TEST_CASE("a delegated cgroup limits memory, processes and processors, names a hit limit, and is gone afterwards", "[.cgroup][root]") {
    const char* name = std::getenv("VM_USER");
    const passwd* user = name != nullptr ? ::getpwnam(name) : nullptr;
    REQUIRE(user != nullptr);
    REQUIRE(::geteuid() == 0);
    delegate(*user);
    const pid_t child = ::fork();
    if (child == 0) {
        std::ofstream(delegated + "/shell/cgroup.procs") << ::getpid() << std::flush;
        if (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0) {
            ::_exit(1);
        }
        ::_exit(limits_hold());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

// Supervisors and inits killed at any moment: nothing of their runs is left.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;
namespace fs = std::filesystem;

namespace {

std::set<std::string> names_in(const std::string& directory) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory)) {
        names.insert(entry.path().filename());
    }
    return names;
}

size_t processes_running(const std::string& program) {
    size_t found = 0;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        std::error_code error;
        found += fs::read_symlink(entry.path() / "exe", error) == program ? 1 : 0;
    }
    return found;
}

// Of the supervisor's children the one that is pid 1 inside; its janitor is none.
pid_t init_of(pid_t supervisor) {
    const std::string pid = std::to_string(supervisor);
    std::istringstream children(slurp("/proc/" + pid + "/task/" + pid + "/children"));
    for (std::string child; children >> child;) {
        if (slurp("/proc/" + child + "/status").find("\nNSpid:\t" + child + "\t1\n") != std::string::npos) {
            return std::atoi(child.c_str());
        }
    }
    return 0;
}

template <class Condition> bool comes_true(const Condition& condition) {
    for (int i = 0; i < 500 && !condition(); ++i) {
        ::usleep(20'000);
    }
    return condition();
}

} // namespace

TEST_CASE("a storm of kills over supervisors and inits leaves no process, mount, placeholder or file", "[enforcer][sandbox][leftovers]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string daemon = arena.write("project/daemon", slurp(hostile), 0755); // its copies are told apart by their program
    const auto names = names_in(arena.project());
    const std::string mounts = slurp("/proc/self/mountinfo");
    constexpr int runs = 24;
    std::vector<pid_t> supervisors;
    for (int i = 0; i < runs; ++i) {
        const pid_t supervisor = ::fork();
        if (supervisor == 0) {
            arena.run("files:\n  ${project}/**: rwcx\nsyscalls: [\"@base\", \"@file\", \"@process\"]\n",
                      {"sh", "-c", daemon + " haunt /dev/null; exec " + daemon + " spin 30"});
            ::_exit(0);
        }
        supervisors.push_back(supervisor);
        ::usleep(static_cast<useconds_t>(i * 7919 % 40'000)); // so that all moments of a start and a run are met
        const pid_t victim = supervisors[static_cast<size_t>(i / 2)];
        const pid_t init = i % 4 < 2 ? 0 : init_of(victim);
        ::kill(init > 0 ? init : victim, SIGKILL);
    }
    CHECK(comes_true([&] { return processes_running(daemon) > 0; }));
    for (const pid_t supervisor : supervisors) {
        ::kill(supervisor, SIGKILL);
        ::waitpid(supervisor, nullptr, 0);
    }
    CHECK(comes_true([&] { return processes_running(daemon) == 0; }));
    comes_true([&] { return names_in(arena.project()) == names; });
    CHECK(names_in(arena.project()) == names);
    CHECK(slurp("/proc/self/mountinfo") == mounts);
}

TEST_CASE("a directory that a killed run made stays for a run that found it, and goes with that one", "[enforcer][sandbox][leftovers]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string rules = "files:\n  ${project}/**: rwc\n";
    const auto names = names_in(arena.project());
    const pid_t maker = ::fork();
    if (maker == 0) {
        arena.run(rules, {hostile, "spin", "30"});
        ::_exit(0);
    }
    const std::string made = arena.project(".github");
    const bool started = comes_true([&] { return init_of(maker) > 0; });
    CHECK(started);
    CHECK(fs::exists(made));
    const Held finder = arena.run(rules, {"true"}, {}, [&](Sandbox&) {
        ::kill(maker, SIGKILL);
        ::waitpid(maker, nullptr, 0);
        ::usleep(50'000); // time to be wrong in
        CHECK(fs::exists(made));
    });
    CHECK(finder.status == 0);
    CHECK(comes_true([&] { return names_in(arena.project()) == names; }));
}

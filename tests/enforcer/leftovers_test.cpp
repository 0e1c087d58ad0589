// Supervisors and inits killed at any moment: nothing of their runs is left.
#include <csignal>
#include <cstdio>
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

// Of the supervisor's children the one that is pid 1 inside, or the other one.
pid_t child_of(pid_t supervisor, bool init) {
    const std::string pid = std::to_string(supervisor);
    std::istringstream children(slurp("/proc/" + pid + "/task/" + pid + "/children"));
    for (std::string child; children >> child;) {
        const bool first = slurp("/proc/" + child + "/status").find("\nNSpid:\t" + child + "\t1\n") != std::string::npos;
        if (first == init) {
            return std::atoi(child.c_str());
        }
    }
    return 0;
}

pid_t init_of(pid_t supervisor) {
    return child_of(supervisor, true);
}

template <class Condition> bool comes_true(const Condition& condition) {
    for (int i = 0; i < 500 && !condition(); ++i) {
        ::usleep(20'000);
    }
    return condition();
}

} // namespace

TEST_CASE("a storm of kills over supervisors, inits and janitors leaves no process, mount, placeholder or file", "[enforcer][sandbox][leftovers]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string daemon = arena.write("project/daemon", slurp(hostile), 0755); // its copies are told apart by their program
    const auto names = names_in(arena.project());
    const std::string mounts = slurp("/proc/self/mountinfo");
    const std::string rules = "files:\n  ${project}/**: rwcx\nsyscalls: [\"@base\", \"@file\", \"@process\"]\n";
    enum : int { Supervisors, Inits, Janitors, SupervisorsWithJanitors, Kinds };
    for (int kind = 0; kind < Kinds; ++kind) {
        constexpr int runs = 12;
        std::vector<pid_t> supervisors;
        for (int i = 0; i < runs; ++i) {
            const pid_t supervisor = ::fork();
            if (supervisor == 0) {
                arena.run(rules, {"sh", "-c", daemon + " haunt /dev/null; exec " + daemon + " spin 30"});
                ::_exit(0);
            }
            supervisors.push_back(supervisor);
            ::usleep(static_cast<useconds_t>(i * 7919 % 40'000)); // so that all moments of a start and a run are met
            const pid_t victim = supervisors[static_cast<size_t>(i / 2)];
            const pid_t child = kind == Supervisors ? 0 : child_of(victim, kind == Inits);
            if (child > 0 && kind == SupervisorsWithJanitors) {
                ::kill(victim, SIGSTOP); // it takes nothing back in between
            }
            ::kill(child > 0 ? child : victim, SIGKILL);
            if (kind == SupervisorsWithJanitors) {
                ::kill(victim, SIGKILL);
            }
        }
        INFO("kind " << kind);
        for (const pid_t supervisor : supervisors) {
            const pid_t janitor = kind == SupervisorsWithJanitors ? child_of(supervisor, false) : 0;
            if (janitor > 0) {
                ::kill(janitor, SIGKILL);
            }
            if (kind == Janitors) { // the supervisor takes back alone
                pid_t init = 0;
                bool ended = false;
                comes_true([&] { return (init = init_of(supervisor)) > 0 || (ended = ::waitpid(supervisor, nullptr, WNOHANG) != 0); });
                if (!ended && init > 0) {
                    ::kill(init, SIGKILL);
                }
            } else {
                ::kill(supervisor, SIGKILL);
            }
            ::waitpid(supervisor, nullptr, 0);
        }
        CHECK(comes_true([&] { return processes_running(daemon) == 0; }));
        if (kind == SupervisorsWithJanitors) { // nobody is left who knows; the next run is told by what it finds
            CHECK(arena.run(rules, {"true"}).status == 0);
        }
        comes_true([&] { return names_in(arena.project()) == names; });
        CHECK(names_in(arena.project()) == names);
        CHECK(slurp("/proc/self/mountinfo") == mounts);
    }
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
    // Init is there before anything is made; the command is not.
    const bool started = comes_true([&] {
        const std::string init = std::to_string(init_of(maker));
        return init != "0" && !slurp("/proc/" + init + "/task/" + init + "/children").empty();
    });
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

TEST_CASE("many runs of one project at once leave none of the directories that each of them needed", "[enforcer][sandbox][leftovers]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/.git/HEAD", "ref: refs/heads/main\n"); // what git expects beside it is made by whichever run is first
    const auto everything = [&] {
        std::set<std::string> names;
        std::error_code changed; // while it is read
        for (fs::recursive_directory_iterator at(arena.project(), changed), end; !changed && at != end; at.increment(changed)) {
            names.insert(at->path());
        }
        return names;
    };
    const auto before = everything();
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/.git/**: rwc\n  ${project}/made/deep/**: rwc\n";
    const auto command_of = [](size_t run) -> std::vector<std::string> {
        const std::string own = "made/deep/" + std::to_string(run);
        return run % 2 == 0 ? std::vector<std::string>{"true"} : std::vector<std::string>{"sh", "-c", ": > " + own + " && rm " + own};
    };
    std::vector<pid_t> runs;
    for (size_t i = 0; i < 40; ++i) {
        runs.push_back(::fork());
        if (runs.back() == 0) {
            const Held held = arena.run(rules, command_of(i));
            std::fputs(held.error.c_str(), stderr);
            ::_exit(held.status);
        }
        if (i >= 8) { // so many at a time
            int status = 0;
            ::waitpid(runs[i - 8], &status, 0);
            CHECK(status == 0);
        }
    }
    for (size_t i = runs.size() - 8; i < runs.size(); ++i) {
        ::waitpid(runs[i], nullptr, 0);
    }
    comes_true([&] { return everything() == before; });
    CHECK(everything() == before);
}

// Guards that go while a run lasts: what somebody outside does to a guarded name, and runs that overlap.
#include <filesystem>
#include <thread>

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

const std::string all = "files:\n  ${project}/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";

bool there(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
}

void wait_for(const std::string& path) {
    for (int turn = 0; turn < 1000 && !there(path); ++turn) {
        ::usleep(10'000);
    }
}

// Runs `script`, and `outside` here as soon as the script has made the file `started`.
Held disturbed(const Arena& arena, const std::string& script, const std::function<void()>& outside) {
    std::thread disturber;
    Held held = arena.run(all, {"sh", "-c", "echo > started; " + script}, {}, [&](Sandbox&) {
        disturber = std::thread([&] {
            wait_for(arena.project("started"));
            outside();
        });
    });
    if (disturber.joinable()) {
        disturber.join();
    }
    return held;
}

void check_ended(const Held& held, const std::string& path) {
    INFO(held.error << held.out);
    CHECK(held.status == 137);
    REQUIRE(held.about(path).size() >= 1);
    const Violation violation = held.about(path).back();
    CHECK(violation.layer == "mount");
    CHECK(violation.operation == "guard");
    CHECK(violation.rule.empty());
    CHECK(violation.reason.find(path) != std::string::npos);
}

} // namespace

TEST_CASE("a run ends when somebody outside replaces a credential that was masked", "[enforcer][sandbox][overlap]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    const std::string env = arena.write("project/.env", "OLD\n");
    const std::string tries = "i=0; while [ $i -lt 500 ]; do cat .env; i=$((i+1)); sleep 0.01; done 2>/dev/null";
    SECTION("by renaming over it, as editors save") {
        const Held held = disturbed(arena, tries, [&] {
            std::filesystem::rename(arena.write("saved", "NEW\n"), env);
        });
        check_ended(held, env);
        CHECK(held.out.find("NEW") == std::string::npos);
    }
    SECTION("by renaming it away, as editors keep a copy") {
        const Held held = disturbed(arena, tries, [&] {
            std::filesystem::rename(env, arena.project(".env~"));
            arena.write("project/.env", "NEW\n");
        });
        check_ended(held, env);
        CHECK(held.out.find("NEW") == std::string::npos);
    }
    SECTION("by removing it") {
        check_ended(disturbed(arena, tries, [&] { std::filesystem::remove(env); }), env);
    }
}

TEST_CASE("a run ends when git's configuration is replaced outside, before it can write the new one",
          "[enforcer][sandbox][overlap]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    arena.write("project/.git/HEAD", "ref: refs/heads/main\n");
    const std::string config = arena.write("project/.git/config", "[core]\n");
    const Held held = disturbed(
        arena,
        "i=0; while [ $i -lt 500 ]; do echo evil >> .git/config; i=$((i+1)); sleep 0.01; done 2>/dev/null",
        [&] { std::filesystem::rename(arena.write("config.lock", "[core]\n[foo]\n"), config); });
    check_ended(held, config);
    CHECK(slurp(config) == "[core]\n[foo]\n");
}

TEST_CASE("a run goes on when files that no guard lies over are replaced, and when it ends by itself",
          "[enforcer][sandbox][overlap]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/.env", "OLD\n");
    arena.write("project/.git/HEAD", "ref: refs/heads/main\n");
    arena.write("project/plain", "OLD\n");
    const Held held = disturbed(arena, "until grep -q NEW plain; do sleep 0.01; done; mv plain other; sleep 0.1; exit 3", [&] {
        std::filesystem::rename(arena.write("saved", "NEW\n"), arena.project("plain"));
    });
    INFO(held.error << held.out);
    CHECK(held.status == 3);
    CHECK(held.violations.empty());
}

TEST_CASE("a learning run is told about, and not ended", "[enforcer][sandbox][overlap]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string env = arena.write("project/.env", "OLD\n");
    const auto plan = compile_learning(arena.variables(), inspect_machine(),
                                       arena.command({"sh", "-c", "echo > started; sleep 0.5; exit 3"}), {});
    REQUIRE(plan.has_value());
    std::thread disturber;
    const Held held = arena.run_plan(*plan, [&](Sandbox&) {
        disturber = std::thread([&] {
            wait_for(arena.project("started"));
            std::filesystem::rename(arena.write("saved", "NEW\n"), env);
        });
    });
    disturber.join();
    CHECK(held.status == 3);
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].operation == "guard");
    CHECK(held.violations[0].object == env);
}

TEST_CASE("overlapping runs of one project share what they make outside, and leave nothing", "[enforcer][sandbox][overlap]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/.git/HEAD", "ref: refs/heads/main\n");
    const std::string rules = "files:\n  ${project}/**: rwc\n  ${project}/made/deep/**: rwcx\nsyscalls: [\"@base\", \"@file\"]\n";
    const auto plan_of = [&](const std::string& script) {
        return compile(arena.policy(rules), inspect_machine(), arena.command({"sh", "-c", script}), {});
    };
    const auto first = plan_of("until [ -e go ]; do sleep 0.01; done");
    REQUIRE(first.has_value());
    REQUIRE(first->placeholders.size() > 2);
    const std::string attack = "for f in .git/config.worktree .git/commondir .git/hooks/pre-commit .treadline/profile.yaml; do "
                               "echo evil > $f; done; [ -d made/deep ]";
    const auto any_left = [&] {
        std::string left;
        for (const Placeholder& placeholder : first->placeholders) {
            left += there(placeholder.path) ? placeholder.path + " " : "";
        }
        return left;
    };

    SECTION("the one that made them ends first") {
        const pid_t run = ::fork(); // a process of its own, as two runs are
        if (run == 0) {
            {
                auto sandbox = Sandbox::start(*first);
                if (sandbox && sandbox->release()) {
                    (void)sandbox->wait({});
                }
            }
            ::_exit(0);
        }
        for (int turn = 0; turn < 1000 && !there(first->placeholders.back().path); ++turn) {
            ::usleep(10'000);
        }
        ::usleep(200'000);
        const auto second = plan_of(attack);
        REQUIRE(second.has_value());
        const Held held = arena.run_plan(*second, [&](Sandbox&) {
            arena.write("project/go", "");
            ::waitpid(run, nullptr, 0);
            CHECK(there(first->placeholders.front().path));
        });
        INFO(held.error << held.out);
        CHECK(held.status == 0);
        CHECK(any_left() == "");
    }
    SECTION("the one that made them ends last") {
        const auto outer = plan_of(attack);
        REQUIRE(outer.has_value());
        const Held held = arena.run_plan(*outer, [&](Sandbox&) {
            const auto inner = plan_of("true");
            REQUIRE(inner.has_value());
            CHECK(arena.run_plan(*inner).status == 0);
        });
        INFO(held.error << held.out);
        CHECK(held.status == 0);
        CHECK(held.out.find("evil") == std::string::npos);
        CHECK(any_left() == "");
        CHECK_FALSE(there(arena.project("made")));
    }
}

TEST_CASE("a placeholder left by a killed run is the next one's to remove, one that somebody uses stays",
          "[enforcer][sandbox][overlap]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/.git/HEAD", "ref: refs/heads/main\n");
    const std::string worktree = arena.project(".git/config.worktree");
    const auto plan = compile(arena.policy(all), inspect_machine(), arena.command({"true"}), {});
    REQUIRE(plan.has_value());
    const Held held = arena.run_plan(*plan, [&](Sandbox&) {
        REQUIRE(there(worktree));
        arena.write("project/.git/config.worktree", "[mine]\n"); // in place
    });
    CHECK(held.status == 0);
    CHECK(slurp(worktree) == "[mine]\n");
    std::filesystem::remove(worktree);
    REQUIRE(arena.run_plan(*plan).status == 0);
    CHECK_FALSE(there(worktree));
    // As a killed run and its janitor leave it: kept alive by a copy of the time that marks it.
    std::filesystem::path kept = arena.project("kept");
    arena.run_plan(*plan, [&](Sandbox&) {
        const auto time = std::filesystem::last_write_time(worktree);
        std::filesystem::copy_file(worktree, kept);
        std::filesystem::last_write_time(kept, time);
    });
    std::filesystem::rename(kept, worktree);
    CHECK(arena.run(all, {"sh", "-c", "echo evil > .git/config.worktree"}).status != 0);
    CHECK_FALSE(there(worktree));
}

// What the supervisor's own answers add where mounts and Landlock hold more than the rule says.
#include <catch2/catch_test_macros.hpp>

#include <filesystem>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

Held answered(const std::string& rules, const std::string& script) {
    Arena arena;
    arena.answer_refusals = true;
    return arena.run(rules, {"sh", "-c", script});
}

bool exists(const Arena& arena, const std::string& name) {
    return std::filesystem::exists(arena.project(name));
}

} // namespace

TEST_CASE("beside a file that may be made, no other name can be", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/out.txt: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    Arena arena;
    arena.answer_refusals = true;
    const Held held = arena.run(rules, {"sh", "-c", "echo x > out.txt; echo y > Makefile"});
    CHECK(exists(arena, "out.txt"));
    CHECK_FALSE(exists(arena, "Makefile"));
    CHECK(held.about(arena.project("Makefile")).size() == 1);
    // Mounts and Landlock alone hold this rule wider, which `explain` says.
    arena.answer_refusals = false;
    CHECK(arena.run(rules, {"sh", "-c", "echo y > Makefile"}).about(arena.project("Makefile")).size() == 1);
    CHECK(exists(arena, "Makefile"));
}

TEST_CASE("listing one directory lists no other", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    const Held held = answered("files:\n  /: r\n  ${project}/**: r\nsyscalls: [\"@base\", \"@file\"]\n", "ls / >/dev/null && ls ..");
    CHECK(held.status != 0);
    CHECK(held.violations.size() == 1);
}

TEST_CASE("the top of a tree that may be created can be removed and made again", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/build/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    Arena arena;
    arena.answer_refusals = true;
    SECTION("removed and made again, with what is put in it") {
        arena.write("project/build/old", "x");
        const Held held = arena.run(rules, {"sh", "-c", "rm -r build && mkdir build && echo new > build/file"});
        INFO(held.out);
        CHECK(held.status == 0);
        CHECK(held.violations.empty());
        CHECK(exists(arena, "build/file"));
        CHECK_FALSE(exists(arena, "build/old"));
    }
    SECTION("removed for good") {
        arena.write("project/build/old", "x");
        CHECK(arena.run(rules, {"sh", "-c", "rm -r build"}).status == 0);
        CHECK_FALSE(exists(arena, "build"));
    }
    SECTION("made where it was missing, by a mkdir that wants it missing") {
        const Held held = arena.run(rules, {"sh", "-c", "mkdir build && echo x > build/file"});
        INFO(held.out);
        CHECK(held.status == 0);
        CHECK(exists(arena, "build/file"));
    }
    SECTION("not left behind by a run that did not need it") {
        CHECK(arena.run(rules, {"true"}).status == 0);
        CHECK_FALSE(exists(arena, "build"));
    }
    SECTION("but not while something is in it, and never without `c`") {
        arena.write("project/build/old", "x");
        CHECK(arena.run(rules, {"sh", "-c", "rmdir build"}).status != 0);
        CHECK(exists(arena, "build/old"));
        arena.write("project/kept/x", "x");
        CHECK(arena.run("files:\n  ${project}/**: r\n  ${project}/kept/**: rw\nsyscalls: [\"@base\", \"@file\"]\n",
                        {"sh", "-c", "rm kept/x; rmdir kept"})
                  .status != 0);
        CHECK(exists(arena, "kept/x"));
    }
}

TEST_CASE("making a directory that is there is no violation", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    CHECK(answered("files:\n  ${project}/**: r\nsyscalls: [\"@base\", \"@file\"]\n", "mkdir -p /usr/lib; mkdir -p ..; mkdir /usr").violations.empty());
}

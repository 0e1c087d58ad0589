// Execution: only what a rule names, in none of the ways around it.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {
const std::string writable = "files:\n  ${project}/**: rwc\n  /usr/bin/true: r\nprivate: [/tmp]\n";

std::string copy_of_true(const Arena& arena) {
    return arena.write("project/copied", slurp("/usr/bin/true"), 0755);
}
} // namespace

TEST_CASE("a program that a rule names runs, one that is merely readable does not",
          "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(arena.run("files:\n  /usr/bin/perl: rx\n", {hostile, "exec", "/usr/bin/perl"}).out != "EACCES\n");
    const Held refused = arena.run("files:\n  /usr/bin/perl: r\n", {hostile, "exec", "/usr/bin/perl"});
    CHECK(refused.out == "EACCES\n");
    REQUIRE(refused.violations.size() == 1);
    CHECK(refused.violations[0].operation == "execute");
    CHECK(refused.violations[0].object == "/usr/bin/perl");
}

TEST_CASE("a program copied into a writable directory does not run", "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string copied = copy_of_true(arena);
    REQUIRE(run({hostile, "exec", copied}).status == 0);
    const Held refused = arena.run(writable, {hostile, "exec", copied});
    CHECK(refused.out == "EACCES\n");
    CHECK(refused.about(copied).size() == 1);
    CHECK(arena.run("files:\n  ${project}/**: rwcx\n", {hostile, "exec", copied}).status == 0);
}

TEST_CASE("a program that a rule names runs when the command has made or replaced it, another beside it does not",
          "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    const std::string named = "files:\n  ${project}/**: rwc\n  ${project}/made: rx\n  /usr/bin/true: r\n";
    const std::string make = "rm -f made other; cp /usr/bin/true made && cp made other && ./made && ";
    for (const char* state : {"missing", "there"}) {
        INFO(state);
        CHECK(arena.run(writable, {"sh", "-c", make + "true"}).about(arena.project("made")).size() == 1);
        std::filesystem::remove(arena.project("made"));
        if (state == std::string("there")) {
            arena.write("project/made", "old", 0755);
        }
        CHECK(arena.run(named, {"sh", "-c", make + "true"}).status == 0);
        const Held beside = arena.run(named, {"sh", "-c", make + "./other"});
        CHECK(beside.status == 126);
        CHECK(beside.about(arena.project("other")).size() == 1);
    }
}

TEST_CASE("the dynamic loader does not run it either", "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string copied = copy_of_true(arena);
    const std::string loader = std::filesystem::canonical("/lib64/ld-linux-x86-64.so.2");
    REQUIRE(run({loader, copied}).status == 0);
    CHECK(arena.run(writable, {loader, copied}).status == 127);
    CHECK(arena.run("files:\n  ${project}/**: rwcx\n", {loader, copied}).status == 0);
}

TEST_CASE("the dynamic loader may say what a program would load, without a rule to run it", "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    const Held held = arena.run("files:\n  /usr/bin/ldd: rx\n  /usr/bin/perl: r\n", {"ldd", "/usr/bin/perl"});
    INFO(held.out);
    CHECK(held.out.find("libc.so.6") != std::string::npos);
    CHECK(held.about("/usr/bin/perl").empty());
    const std::string loader = std::filesystem::canonical("/lib64/ld-linux-x86-64.so.2");
    CHECK(arena.run("files:\n  /usr/bin/perl: r\n", {"sh", "-c", loader + " /usr/bin/perl -e 1"}).about("/usr/bin/perl").size() == 1);
}

TEST_CASE("nothing written is mapped as code", "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string copied = copy_of_true(arena);
    REQUIRE(run({hostile, "map-executable", copied}).out == "ok\n");
    CHECK(arena.run(writable, {hostile, "map-executable", copied}).out == "EPERM\n");
    CHECK(arena.run("files:\n  ${project}/**: r\n", {hostile, "map-executable", copied}).out == "ok\n");
}

TEST_CASE("a memory file holds data and is not executed", "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    REQUIRE(run({hostile, "memory-exec"}).status == 0);
    CHECK(arena.run(writable, {hostile, "memory-exec"}).out == "EACCES\n");
    CHECK(arena.run(writable, {hostile, "memory-exec-asked"}).status == 1);
    const bool sealed = inspect_machine().memfd_noexec;
    CHECK(arena.run(writable, {hostile, "memory-file"}).out == (sealed ? "ok\n" : "EPERM\n"));
    // What the kernel knows no flag for is a question, and no violation.
    const Held asked = arena.run(writable, {hostile, "memory-file-unknown"});
    CHECK(asked.out == "EINVAL\n");
    CHECK(asked.violations.empty());
}

TEST_CASE("a program that is not there is a refusal to start", "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(arena.run("", {"no-such-program"}).error.find("cannot execute 'no-such-program'") == 0);
    CHECK(arena.run("", {"/no/such"}).error == "cannot execute '/no/such': No such file or directory");
}

TEST_CASE("a command that no rule lets run is an error that names the rule",
          "[enforcer][sandbox][programs]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string copied = copy_of_true(arena);
    const Held refused = arena.run("files:\n  ${project}/**: r\n", {copied});
    CHECK(refused.error.find("${project}/copied: rx") != std::string::npos);
    CHECK(refused.status == -1);
}

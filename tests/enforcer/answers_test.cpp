// What the supervisor's own answers add where mounts and Landlock hold more than the rule says.
#include <catch2/catch_test_macros.hpp>

#include <filesystem>

#include <unistd.h>

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

TEST_CASE("a rule for a file of the command's own processes holds for all of them, and for no other file", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    REQUIRE_CAPABILITY(::geteuid() != 0, "an ordinary user: for root nothing in /proc is opened");
    const std::string rules = "files:\n  /proc/self/oom_score_adj: w\nsyscalls: [\"@base\", \"@file\"]\n";
    const Held held = answered(rules, "echo 900 > /proc/self/oom_score_adj && sh -c 'echo 910 > /proc/$$/oom_score_adj' && echo 920 > /proc/$$/oom_score_adj && "
                                      "cat /proc/self/oom_score_adj; echo 5 > /proc/self/clear_refs");
    INFO(held.error << held.out);
    CHECK(held.out.find("920\n") != std::string::npos);
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].operation == "write");
    CHECK(held.violations[0].rule == "/proc/self/clear_refs: w");
    const Held other = answered("syscalls: [\"@base\", \"@file\"]\n", "echo 900 > /proc/self/oom_score_adj");
    REQUIRE(other.violations.size() == 1);
    CHECK(other.violations[0].rule == "/proc/self/oom_score_adj: w");
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

TEST_CASE("removing a directory that is not empty fails by itself, and is no violation", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    arena.write("project/.git/HEAD", "ref: refs/heads/main\n");
    arena.write("project/full/file", "x");
    std::filesystem::create_directories(arena.project("empty"));
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/.git/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    const Held full = arena.run(rules, {"sh", "-c", "rmdir .git full"});
    CHECK(full.out.find("not empty") != std::string::npos);
    CHECK(full.violations.empty());
    CHECK(arena.run(rules, {"rmdir", "empty"}).about(arena.project("empty")).size() == 1);
    CHECK(exists(arena, "empty"));
}

TEST_CASE("every directory whose name may be deleted can be removed, mount point or not", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    const std::string rules = "files:\n  ${project}/: rwc\n  ${project}/*: r\n  ${project}/dist/bin/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    std::filesystem::create_directories(arena.project("sub.d"));
    const Held held = arena.run(rules, {"sh", "-c", "rmdir sub.d && mkdir -p dist/bin && echo x > dist/bin/p && rm -r dist"});
    INFO(held.out);
    CHECK(held.status == 0);
    CHECK_FALSE(exists(arena, "sub.d"));
    CHECK_FALSE(exists(arena, "dist"));
}

TEST_CASE("a rule below a directory that the command makes itself makes nothing beforehand", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    const std::string rules = "files:\n  ${project}/**: rwc\n  ${project}/wt-x/.git: wc\n  ${project}/sub/hooks/post-update: wc\n"
                              "syscalls: [\"@base\", \"@file\"]\n";
    const Held held = arena.run(rules, {"sh", "-c", "[ ! -e wt-x ] && mkdir wt-x && echo x > wt-x/.git && echo x > wt-x/f"});
    INFO(held.error << held.out);
    CHECK(held.status == 0);
    CHECK(exists(arena, "wt-x/.git"));
    CHECK_FALSE(exists(arena, "sub"));
}

TEST_CASE("a tree below one that is missing is not made beforehand where names may be made right above", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true;
    arena.write("project/parts/old/kept", "");
    // As git's submodules: what is missing tells them that they have to be fetched.
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/parts/: rwc\n  ${project}/parts/modules/lib/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    const Held held = arena.run(rules, {"sh", "-c", "[ ! -e parts/modules ] && mkdir parts/modules && mkdir parts/modules/lib && echo x > parts/modules/lib/f"});
    INFO(held.error << held.out);
    CHECK(held.status == 0);
    CHECK(held.violations.empty());
    CHECK(exists(arena, "parts/modules/lib/f"));
    CHECK(arena.run(rules, {"sh", "-c", "mkdir parts/modules/other || mkdir parts/old/new"}).violations.size() == 2);
    // Nothing lets the command make what is in between.
    const std::string apart = "files:\n  ${project}/**: r\n  ${project}/apart/modules/lib/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    CHECK(arena.run(apart, {"sh", "-c", "echo x > apart/modules/lib/f"}).status == 0);
}

TEST_CASE("a run that is refused leaves no directory behind", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/new/deep/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    CHECK_FALSE(arena.run(rules, {"nothing-of-that-name"}).error.empty());
    CHECK_FALSE(exists(arena, "new"));
    CHECK(arena.run(rules, {"sh", "-c", "echo x > new/deep/file"}).status == 0);
    CHECK(exists(arena, "new/deep/file"));
}

TEST_CASE("a private directory runs programs only where a rule `x` says so, and never shows the host's", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.write("cache/secret", "x");
    const std::string rules = "private: [\"${home}/cache\"]\nfiles:\n  ${project}/**: r\n";
    const std::string calls = "syscalls: [\"@base\", \"@file\", \"@process\"]\n";
    const std::string script = "printf '#!/bin/sh\\necho ran; ls' > ~/cache/t && chmod +x ~/cache/t && cd ~/cache && ./t";
    CHECK(arena.run(rules + calls, {"sh", "-c", script}).out.find("ran") == std::string::npos);
    const Held held = arena.run(rules + "  ${home}/cache/**: x\n" + calls, {"sh", "-c", script});
    INFO(held.error);
    CHECK(held.out == "ran\nt\n");
}

TEST_CASE("a path that led to a readable file is looked at again once it can lead elsewhere", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    const std::string rules = "files:\n  ${project}/: r\n  ${project}/src/**: r\n  ${project}/out/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    Arena arena;
    arena.answer_refusals = true;
    arena.write("project/src/data", "mine");
    arena.write("project/other/data", "not mine");
    arena.write("project/out/kept", "");
    // Neither the asked path nor the file lies where the command may change anything; what is between does.
    std::filesystem::create_symlink("out/way", arena.project("link"));
    std::filesystem::create_symlink("../src", arena.project("out/way"));
    const std::string file = arena.project("link/data");
    const Held held = arena.run(rules, {"sh", "-c", "cat " + file + " && cat " + file + " && ln -sfn ../other out/way && cat " + file});
    INFO(held.out);
    CHECK(held.status != 0);
    CHECK(held.out.find("minemine") == 0);
    CHECK(held.about(arena.project("other/data")).size() == 1);
}

TEST_CASE("beside files that were read, each name is judged by itself", "[enforcer][sandbox][answers]") {
    REQUIRE_NAMESPACES();
    const std::string rules =
        "files:\n  ${project}/**: r\ndeny: ['${project}/src/hidden/**', '${project}/lib/sec*']\nsyscalls: [\"@base\", \"@file\"]\n";
    Arena arena;
    arena.answer_refusals = true;
    for (const char* name : {"project/src/a", "project/src/b", "project/src/.env", "project/src/hidden/x", "project/lib/a", "project/lib/secret"}) {
        arena.write(name, name);
    }
    std::filesystem::create_symlink("hidden/x", arena.project("src/link"));
    const auto cat = [&](const char* name) { return "cat " + arena.project(name) + "; "; };
    const Held held = arena.run(rules, {"sh", "-c", cat("src/a") + cat("src/b") + cat("src/link") + cat("src/.env") + cat("src/hidden/x") +
                                                        cat("lib/a") + cat("lib/secret") + cat("src/missing") + cat("src/b")});
    INFO(held.out);
    CHECK(held.out.find("project/src/b") != std::string::npos);
    CHECK(held.about(arena.project("src/hidden/x")).size() == 1);
    CHECK(held.about(arena.project("src/.env")).size() == 1);
    CHECK(held.about(arena.project("lib/secret")).size() == 1);
    CHECK(held.violations.size() == 3);
}

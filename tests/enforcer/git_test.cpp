// Work with a repository goes on inside a writable project, and what makes code run later stays as it was.
#include <catch2/catch_test_macros.hpp>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {
const std::string rules = "files:\n  ${project}/**: rwc\nprivate: [/tmp]\nsyscalls: [\"@base\", \"@file\", "
                          "\"@process\"]\n";

Held git(const Arena& arena, const std::string& script) {
    const std::string identity = "export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a "
                                 "GIT_COMMITTER_EMAIL=a@b; ";
    return arena.run(rules, {"sh", "-c", identity + script});
}
} // namespace

TEST_CASE("adding everything and committing adds no placeholder", "[enforcer][sandbox][git]") {
    REQUIRE_NAMESPACES();
    REQUIRE_CAPABILITY(run({"git", "--version"}).status == 0, "git");
    const Arena arena;
    REQUIRE(run({"git", "init", "-q", arena.project()}).status == 0);
    arena.write("project/file", "x\n");
    const Held held =
        git(arena, "git add -A && git commit -qm one && git status --short && git ls-files && "
                   "git checkout -qb other && git worktree add -q /tmp/tree && git log --format=%s");
    INFO(held.out);
    CHECK(held.status == 0);
    CHECK(held.out == "file\none\n");
}

TEST_CASE("neither hooks nor configuration change by git's own hand", "[enforcer][sandbox][git]") {
    REQUIRE_NAMESPACES();
    REQUIRE_CAPABILITY(run({"git", "--version"}).status == 0, "git");
    const Arena arena;
    REQUIRE(run({"git", "init", "-q", arena.project()}).status == 0);
    const std::string before = slurp(arena.project(".git/config"));
    const Held held =
        git(arena, "git config core.hooksPath /tmp; git config alias.x '!sh'; echo . > .git/commondir; "
                   "echo x > .git/hooks/pre-commit");
    CHECK(held.status != 0);
    CHECK(slurp(arena.project(".git/config")) == before);
    CHECK(slurp(arena.project(".git/hooks/pre-commit")).empty());
    CHECK(slurp(arena.project(".git/commondir")).empty());
    CHECK_FALSE(held.about(arena.project(".git/config")).empty());
}

TEST_CASE("an accepted rule for git's configuration lets git write and rename it", "[enforcer][sandbox][git]") {
    REQUIRE_NAMESPACES();
    REQUIRE_CAPABILITY(run({"git", "--version"}).status == 0, "git");
    for (const char* modes : {"rwc", "c"}) {
        Arena arena;
        arena.answer_refusals = true;
        REQUIRE(run({"git", "init", "-q", arena.project()}).status == 0);
        const Held held = arena.run("files:\n  ${project}/**: r\n  ${project}/.git/**: rwc\n  ${project}/.git/config: " +
                                        std::string(modes) + "\nsyscalls: [\"@base\", \"@file\", \"@process\"]\n",
                                    {"git", "config", "foo.bar", "1"});
        INFO(modes << held.error << held.out);
        CHECK(held.status == 0);
        CHECK(slurp(arena.project(".git/config")).find("bar = 1") != std::string::npos);
    }
}

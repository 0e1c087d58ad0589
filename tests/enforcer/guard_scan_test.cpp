#include <algorithm>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enforcer/guard_scan.h"
#include "enforcer/outside.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using treadline::test::Arena;

namespace {

struct Scanned {
    std::shared_ptr<const Policy> policy;
    GuardScan scan;

    [[nodiscard]] const GuardedPath* at(const std::string& path) const {
        const auto found = std::find_if(scan.guarded.begin(), scan.guarded.end(),
                                        [&](const GuardedPath& guarded) { return guarded.path == path; });
        return found == scan.guarded.end() ? nullptr : &*found;
    }
    [[nodiscard]] bool placed(const std::string& path) const {
        return std::any_of(scan.placeholders.begin(), scan.placeholders.end(),
                           [&](const Placeholder& placeholder) { return placeholder.path == path; });
    }
};

Scanned scan(const Arena& arena, const std::string& rules, bool writable, size_t max_entries = 200'000) {
    Scanned scanned{arena.policy(rules), {}};
    GuardScanInput input;
    input.policy = scanned.policy.get();
    input.roots = {arena.home()};
    input.visible = [](const std::string&) { return true; };
    input.writable = [=](const std::string&) { return writable; };
    input.changes = writable;
    input.making_roots = {arena.project()};
    input.max_entries = max_entries;
    scanned.scan = scan_guards(input);
    return scanned;
}

const std::string all = "files:\n  ${project}/**: rwc\n";

} // namespace

TEST_CASE("credentials at fixed and floating places are masked, other files are not", "[enforcer][guards]") {
    const Arena arena;
    arena.write(".ssh/id_ed25519", "key");
    arena.write("project/.env", "TOKEN=x");
    arena.write("project/deep/er/.env", "TOKEN=x");
    arena.write("project/environment.txt", "fine");
    const Scanned found = scan(arena, all, false);
    REQUIRE(found.at(arena.home(".ssh")) != nullptr);
    CHECK(found.at(arena.home(".ssh"))->holding == GuardedPath::Holding::Mask);
    CHECK(found.at(arena.home(".ssh"))->directory);
    CHECK(found.at(arena.project(".env")) != nullptr);
    CHECK(found.at(arena.project("deep/er/.env")) != nullptr);
    CHECK(found.at(arena.project("environment.txt")) == nullptr);
    CHECK(found.at(arena.home(".ssh/id_ed25519")) == nullptr); // below a mask already
}

TEST_CASE("a credential that a rule names is not masked", "[enforcer][guards]") {
    const Arena arena;
    arena.write("project/.env", "TOKEN=x");
    CHECK(scan(arena, "files:\n  ${project}/**: r\n", false).at(arena.project(".env")) != nullptr);
    CHECK(scan(arena, "files:\n  ${project}/.env: r\n", false).at(arena.project(".env")) == nullptr);
}

TEST_CASE("a second name of a credential's inode is masked, too", "[enforcer][guards]") {
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "key");
    arena.write("project/other", "plain");
    CHECK(scan(arena, all, false).at(arena.project("harmless")) == nullptr);
    REQUIRE(::link(key.c_str(), arena.project("harmless").c_str()) == 0);
    const Scanned found = scan(arena, all, false);
    REQUIRE(found.at(arena.project("harmless")) != nullptr);
    CHECK(found.at(arena.project("harmless"))->holding == GuardedPath::Holding::Mask);
    CHECK(found.at(arena.project("other")) == nullptr);
}

TEST_CASE("a second name of a credential is found in stores that are not searched otherwise",
          "[enforcer][guards]") {
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "key");
    for (const std::string directory : {"node_modules/x", ".git/objects"}) {
        arena.write("project/" + directory + "/plain", "plain");
        REQUIRE(::link(key.c_str(), arena.project(directory + "/k").c_str()) == 0);
    }
    const Scanned found = scan(arena, all, false);
    for (const std::string directory : {"node_modules/x", ".git/objects"}) {
        CHECK(found.at(arena.project(directory + "/k")) != nullptr);
        CHECK(found.at(arena.project(directory + "/plain")) == nullptr);
    }
}

TEST_CASE("protected files are sealed where they could be written, and left alone elsewhere",
          "[enforcer][guards]") {
    const Arena arena;
    arena.write("project/.git/hooks/pre-commit", "#!/bin/sh");
    arena.write("project/.git/config", "[core]");
    const Scanned writable = scan(arena, all, true);
    REQUIRE(writable.at(arena.project(".git/hooks")) != nullptr);
    CHECK(writable.at(arena.project(".git/hooks"))->holding == GuardedPath::Holding::Seal);
    CHECK(writable.at(arena.project(".git/config")) != nullptr);
    CHECK(scan(arena, all, false).at(arena.project(".git/hooks")) == nullptr);
}

TEST_CASE("the repository's directory is pinned: used, but not replaced", "[enforcer][guards]") {
    const Arena arena;
    arena.write("project/.git/HEAD", "ref: refs/heads/main");
    const Scanned found = scan(arena, all, true);
    REQUIRE(found.at(arena.project(".git")) != nullptr);
    CHECK(found.at(arena.project(".git"))->holding == GuardedPath::Holding::Pin);
}

TEST_CASE("missing protected names get a placeholder where they could be made", "[enforcer][guards]") {
    const Arena arena;
    arena.write("project/.git/HEAD", "ref: refs/heads/main");
    const Scanned found = scan(arena, all, true);
    CHECK(found.placed(arena.project(".git/hooks")));
    CHECK(found.placed(arena.project(".treadline")));
    // What they would lie in is made for it, but never what marks a repository.
    CHECK(found.placed(arena.project(".github/workflows")));
    const auto& made = found.scan.make_directories;
    CHECK(std::find(made.begin(), made.end(), arena.project(".github")) != made.end());
    CHECK(std::find(made.begin(), made.end(), arena.project(".hg")) == made.end());
    CHECK_FALSE(found.placed(arena.project(".hg/hgrc")));
    CHECK(scan(arena, all, false).scan.placeholders.empty());
}

TEST_CASE("the second name of a file that is protected is sealed where it could be written", "[enforcer][guards]") {
    const Arena arena;
    const std::string start_up = arena.write(".bashrc", "# mine\n");
    const std::string other = arena.project("notes");
    REQUIRE(::link(start_up.c_str(), other.c_str()) == 0);
    const Scanned found = scan(arena, "files:\n  ${project}/**: rwc\n", true);
    REQUIRE(found.scan.other_names.contains(other));
    CHECK(found.scan.other_names.at(other) == OtherName{start_up, false});
    CHECK(scan(arena, "files:\n  ${project}/**: rwc\n  ${home}/.bashrc: w\n", true).scan.other_names.empty());
    CHECK(scan(arena, "files:\n  ${project}/**: r\n", false).scan.other_names.empty());
}

TEST_CASE("cargo finds settings it can read at a placeholder, those it would find without it",
          "[enforcer][guards]") {
    const auto content = [](const Arena& arena, const std::string& name) {
        const Scanned found = scan(arena, "files:\n  ${home}/.cargo/: rwc\n", true);
        for (const Placeholder& placeholder : found.scan.placeholders) {
            if (placeholder.path == arena.home(".cargo/" + name)) {
                return placeholder.content.value_or("a socket");
            }
        }
        return std::string("nothing");
    };
    const Arena arena;
    arena.write(".cargo/.package-cache", "");
    CHECK(content(arena, "config") == "");
    CHECK(content(arena, "config.toml") == "");
    arena.write(".cargo/config.toml", "[term]\n");
    CHECK(content(arena, "config") == "[term]\n");
    CHECK(content(arena, "config.toml") == "nothing"); // there already
}

TEST_CASE("a project without a repository gets no .git placeholder", "[enforcer][guards]") {
    const Arena arena;
    const Scanned found = scan(arena, all, true);
    CHECK_FALSE(found.placed(arena.project(".git")));
    CHECK_FALSE(found.placed(arena.project(".git/hooks")));
}

TEST_CASE("denied paths are masked, existing ones by pattern and a missing one by placeholder",
          "[enforcer][guards]") {
    const Arena arena;
    arena.write("project/secret-1.txt", "x");
    arena.write("project/public.txt", "x");
    const std::string rules = all + "deny: [\"${project}/secret-*\", \"${project}/later\"]\n";
    const Scanned found = scan(arena, rules, true);
    REQUIRE(found.at(arena.project("secret-1.txt")) != nullptr);
    CHECK(found.at(arena.project("secret-1.txt"))->holding == GuardedPath::Holding::Mask);
    CHECK(found.at(arena.project("public.txt")) == nullptr);
    CHECK(found.placed(arena.project("later")));
}

TEST_CASE("a placeholder that another run is just making is one, a new directory of somebody's own is none", "[enforcer][guards]") {
    const Arena arena;
    const Placeholder placeholder{arena.project() + "/.helix", true, "guard: an editor", {}};
    REQUIRE(::mkdir(placeholder.path.c_str(), 0700) == 0);
    CHECK_FALSE(is_untouched_placeholder(placeholder));
    REQUIRE(::chmod(placeholder.path.c_str(), S_ISVTX | 0700) == 0); // as enforcer/outside.cpp makes it
    CHECK(is_untouched_placeholder(placeholder));
    const timespec mark{0x54524144, 0};
    const timespec times[] = {mark, mark};
    REQUIRE(::utimensat(AT_FDCWD, placeholder.path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
    REQUIRE(::chmod(placeholder.path.c_str(), 0700) == 0);
    CHECK(is_untouched_placeholder(placeholder));
    REQUIRE(::mkdir((placeholder.path + "/own").c_str(), 0700) == 0);
    CHECK_FALSE(is_untouched_placeholder(placeholder));
}

TEST_CASE("a tree too large to search is said, never passed over", "[enforcer][guards]") {
    const Arena arena;
    for (int i = 0; i < 20; ++i) {
        arena.write("project/f" + std::to_string(i), "");
    }
    CHECK(scan(arena, all, false).scan.unsearched.empty());
    const auto gaps = scan(arena, all, false, 10).scan.unsearched;
    REQUIRE_FALSE(gaps.empty());
    CHECK(gaps[0].find("was not searched for credentials") != std::string::npos);
}

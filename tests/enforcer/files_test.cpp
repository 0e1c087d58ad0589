// Files inside the sandbox: what rules reach and what nothing reaches, by every way a program may try.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

const std::string project_read = "files:\n  ${project}/**: r\n";
const std::string project_all = "files:\n  ${project}/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";

// The attempt by the same user without Treadline; the first proof that a test below proves anything.
Finished free(const std::vector<std::string>& argv) {
    return run(argv);
}

Held held(const Arena& arena, const std::string& rules, std::vector<std::string> attempt) {
    attempt.insert(attempt.begin(), hostile);
    return arena.run(rules, attempt);
}

} // namespace

TEST_CASE("a file that a rule names is read, its neighbour is not", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string named = arena.write("project/named", "content\n");
    const std::string other = arena.write("project/other", "content\n");
    REQUIRE(free({hostile, "read", other}).out == "content\nok\n");
    const std::string rules = "files:\n  ${project}/named: r\n";
    CHECK(held(arena, rules, {"read", named}).out == "content\nok\n");
    const Held refused = held(arena, rules, {"read", other});
    CHECK(refused.out == "EACCES\n");
    REQUIRE(refused.violations.size() == 1);
    CHECK(refused.violations[0].layer == "landlock");
    CHECK(refused.violations[0].operation == "read");
    CHECK(refused.violations[0].object == other);
    CHECK(refused.violations[0].exe == hostile);
    CHECK(refused.violations[0].argv == std::vector<std::string>{hostile, "read", other});
    CHECK(refused.violations[0].section == "files");
    CHECK(refused.violations[0].rule == "${project}/other: r");
}

TEST_CASE("a key in the home is not there, and the attempt is one violation", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    REQUIRE(free({hostile, "read", key}).out == "SECRET\nok\n");
    const Held refused = held(arena, project_read, {"read", key});
    CHECK(refused.out == "ENOENT\n");
    REQUIRE(refused.violations.size() == 1);
    CHECK(refused.violations[0].layer == "mount");
    CHECK(refused.violations[0].object == key);
    CHECK(refused.violations[0].rule == "${home}/.ssh/id_ed25519: r");
    CHECK_FALSE(refused.violations[0].risk.empty());
    // A person can open it by naming it.
    CHECK(held(arena, "files:\n  ${home}/.ssh/id_ed25519: r\n", {"read", key}).out == "SECRET\nok\n");
}

TEST_CASE("a key is reached by no detour through the project or /proc", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    REQUIRE(::symlink(key.c_str(), arena.project("link").c_str()) == 0);
    REQUIRE(::symlink("../.ssh", arena.project("directory").c_str()) == 0);
    for (const std::string& way :
         std::vector<std::string>{arena.project("link"), arena.project("directory/id_ed25519"),
                                  arena.project("../.ssh/id_ed25519"), "/proc/self/root" + key,
                                  "/proc/self/cwd/../.ssh/id_ed25519", "/proc/1/root" + key}) {
        INFO(way);
        if (way.find("/proc/1/") == std::string::npos) {
            REQUIRE(run({hostile, "read", way}, {arena.project(), {}, 60}).out == "SECRET\nok\n");
        }
        const Held refused = held(arena, project_read, {"read", way});
        CHECK(refused.out.find("SECRET") == std::string::npos);
        CHECK(refused.status == 1);
        if (way.find("/proc/1/") ==
            std::string::npos) { // pid 1 shows nobody its root: there is no name to report
            CHECK(refused.about(key).size() == 1);
        }
    }
}

TEST_CASE("a second name of a key inside the project is masked", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n", 0600);
    REQUIRE(::link(key.c_str(), arena.project("harmless").c_str()) == 0);
    REQUIRE(free({hostile, "read", arena.project("harmless")}).out == "SECRET\nok\n");
    CHECK(held(arena, project_read, {"read", arena.project("harmless")}).out == "EACCES\n");
}

TEST_CASE("a credential in a readable project is masked and a rule that names it opens it",
          "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string env = arena.write("project/.env", "TOKEN\n");
    const Held refused = held(arena, project_read, {"read", env});
    CHECK(refused.out == "EACCES\n");
    REQUIRE(refused.violations.size() == 1);
    CHECK(refused.violations[0].layer == "mount");
    CHECK(held(arena, project_read + "  ${project}/.env: r\n", {"read", env}).out == "TOKEN\nok\n");
    // The mask cannot be changed into something readable, nor taken off.
    CHECK(held(arena, project_all, {"chmod", env}).out == "EROFS\n");
    CHECK(held(arena, project_all, {"unlink", env}).out == "EBUSY\n");
    CHECK(held(arena, project_all, {"rename", env, arena.project("x")}).out == "EBUSY\n");
    CHECK(held(arena, project_all, {"umount", env}).out == "EPERM\n");
    CHECK(slurp(env) == "TOKEN\n");
}

TEST_CASE("`deny` takes back what a wider rule gives", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string denied = arena.write("project/private/data", "x\n");
    CHECK(held(arena, project_read, {"read", denied}).out == "x\nok\n");
    const Held refused = held(arena, project_read + "deny: [\"${project}/private/**\"]\n", {"read", denied});
    CHECK(refused.out == "EACCES\n");
    REQUIRE(refused.violations.size() == 1);
    CHECK(refused.violations[0].rule.empty()); // no rule can: the deny has to go first
}

TEST_CASE("what is only read is not written, truncated, chmodded, renamed or removed",
          "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string file = arena.write("project/file", "content\n");
    const std::string rules = project_read + "syscalls: [\"@base\", \"@file\"]\n";
    for (const std::vector<std::string>& attempt : {std::vector<std::string>{"append", file},
                                                    {"truncate", file},
                                                    {"chmod", file},
                                                    {"unlink", file},
                                                    {"rename", file, arena.project("x")},
                                                    {"create", arena.project("new")},
                                                    {"mkdir", arena.project("d")},
                                                    {"symlink", "x", arena.project("l")},
                                                    {"link", file, arena.project("h")}}) {
        INFO(attempt[0]);
        const Held refused = held(arena, rules, attempt);
        CHECK(refused.status == 1);
        CHECK(refused.violations.size() == (attempt[0] == "rename" ? 2 : 1)); // one name goes, another comes
        CHECK(held(arena, project_all, attempt).out == "ok\n");
        std::filesystem::remove_all(arena.project());
        arena.write("project/file", "content\n");
    }
}

TEST_CASE("protected files stay as they are inside a writable project", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string hook = arena.write("project/.git/hooks/pre-commit", "#!/bin/sh\n", 0755);
    const std::string config = arena.write("project/.git/config", "[core]\n");
    const std::string profile = arena.write("project/.treadline/profile.yaml", "treadline: 1\n");
    const std::string plain = arena.write("project/plain", "p");
    REQUIRE(free({hostile, "append", hook}).out == "ok\n");
    CHECK(held(arena, project_all, {"append", plain}).out == "ok\n");
    for (const std::vector<std::string>& attempt :
         {std::vector<std::string>{"append", hook},
          {"create", arena.project(".git/hooks/post-merge")},
          {"rename", plain, hook},
          {"exchange", plain, hook},
          {"rename", arena.project(".git/hooks"), arena.project("x")},
          {"rename", arena.project(".git"), arena.project("x")},
          {"append", config},
          {"rename", plain, config},
          {"unlink", config},
          {"append", profile},
          {"create", arena.project(".treadline/new")},
          {"rename", arena.project(".treadline"), arena.project("x")}}) {
        INFO(attempt[0] + " " + attempt[1]);
        const Held refused = held(arena, project_all, attempt);
        CHECK(refused.status == 1);
        CHECK_FALSE(refused.violations.empty());
    }
    CHECK(slurp(config) == "[core]\n");
    CHECK(std::filesystem::exists(hook));
    // Ordinary work in the repository goes on.
    CHECK(held(arena, project_all, {"create", arena.project(".git/index")}).out == "ok\n");
}

TEST_CASE("a protected name that does not exist cannot be made, and leaves nothing behind",
          "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/.git/HEAD", "ref\n");
    arena.write("project/file", "x\n");
    REQUIRE(free({hostile, "mkdir", arena.project(".vscode")}).out == "ok\n");
    REQUIRE(::rmdir(arena.project(".vscode").c_str()) == 0);
    CHECK(held(arena, project_all, {"mkdir", arena.project(".vscode")}).out == "EEXIST\n");
    CHECK(held(arena, project_all, {"create", arena.project(".vscode/tasks.json")}).status == 1);
    CHECK(held(arena, project_all, {"create", arena.project(".envrc")}).status == 1);
    CHECK(held(arena, project_all, {"rename", arena.project("file"), arena.project(".envrc")}).status == 1);
    CHECK(held(arena, project_all, {"create", arena.project(".git/hooks/pre-commit")}).status == 1);
    CHECK(held(arena, project_all, {"create", arena.project("ordinary")}).out == "ok\n");
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(arena.project())) {
        names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{".git", "file", "ordinary"});
    CHECK_FALSE(std::filesystem::exists(arena.project(".git/hooks")));
}

TEST_CASE("start-up files in a writable home stay as they are", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string bashrc = arena.write(".bashrc", "# mine\n");
    const std::string rules = "files:\n  ${home}/**: rwc\nsyscalls: [\"@base\", \"@file\"]\n";
    CHECK(held(arena, rules, {"append", bashrc}).status == 1);
    CHECK(held(arena, rules, {"create", arena.home(".zshrc")}).status == 1);
    CHECK(held(arena, rules, {"create", arena.home("notes")}).out == "ok\n");
    CHECK(slurp(bashrc) == "# mine\n");
    CHECK_FALSE(std::filesystem::exists(arena.home(".zshrc")));
}

TEST_CASE("a private directory is empty, writable, and gone afterwards", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string mine = arena.write("cache/mine", "x");
    const std::string rules = "private: [\"${home}/cache\"]\nfiles:\n  ${project}/**: r\n";
    CHECK(held(arena, rules, {"read", mine}).out == "ENOENT\n");
    CHECK(held(arena, rules, {"create", arena.home("cache/new")}).out == "ok\n");
    CHECK_FALSE(std::filesystem::exists(arena.home("cache/new")));
    CHECK(held(arena, project_read, {"create", arena.home("cache/new")}).status == 1);
}

TEST_CASE("device nodes are never made", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    CHECK(held(arena, project_all, {"mknod-disk", arena.project("disk")}).status == 1);
    CHECK(held(arena, project_all, {"read", "/dev/null"}).out == "ok\n");
    CHECK(held(arena, project_all, {"read", "/dev/kvm"}).out == "ENOENT\n");
}

TEST_CASE("an inherited descriptor is closed before the command starts", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string key = arena.write(".ssh/id_ed25519", "SECRET\n");
    const int fd = ::open(key.c_str(), O_RDONLY); // inheritable
    REQUIRE(fd >= 0);
    const std::string number = std::to_string(fd);
    REQUIRE(free({hostile, "read-fd", number}).out == "SECRET\nok\n");
    ::lseek(fd, 0, SEEK_SET);
    CHECK(held(arena, project_read, {"read-fd", number}).out == "EBADF\n");
    ::close(fd);
}

TEST_CASE("opening by O_PATH first reads nothing more", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string secret = arena.write("project/.env", "TOKEN\n");
    REQUIRE(free({hostile, "reopen", secret}).out == "TOKEN\nok\n");
    CHECK(held(arena, project_read, {"reopen", secret}).out == "EACCES\n");
    CHECK(held(arena, project_read, {"reopen", arena.write("project/plain", "p\n")}).out == "p\nok\n");
}

TEST_CASE("names that a program merely probes are no violations", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const Held probed = held(arena, project_read, {"read", "/etc/no-such-file-anywhere"});
    CHECK(probed.out == "ENOENT\n");
    CHECK(probed.violations.empty());
}

TEST_CASE("file names of any bytes are held and reported", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    const std::string odd = arena.write("project/out/a\n*\"\x1b[31m\xff", "x\n");
    CHECK(held(arena, project_read, {"read", odd}).out == "x\nok\n");
    const Held refused = held(arena, "files:\n  ${project}/named: r\n", {"read", odd});
    CHECK(refused.out == "EACCES\n");
    CHECK(refused.about(odd).size() == 1);
}

TEST_CASE("a link that an earlier run planted does not move a rule to where it leads", "[enforcer][sandbox][files]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("diary/today", "SECRET\n");
    arena.write("project/build/cache/x", "x\n");
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/build/**: rwc\n  ${project}/build/cache/**: rwc\n"
                              "  ${project}/build/out: rw\nsyscalls: [\"@base\", \"@file\"]\n";
    REQUIRE(arena.run(rules, {"sh", "-c", "echo y > build/cache/y"}).status == 0);
    // As the command could have left them.
    REQUIRE(run({"sh", "-c", "cd " + arena.project("build") + " && rm -r cache && ln -s ../../diary cache && ln -s ../../.bashrc out"}).status == 0);
    arena.write(".bashrc", "mine\n");
    CHECK(held(arena, rules, {"read", arena.home("diary/today")}).out.find("SECRET") == std::string::npos);
    CHECK(held(arena, rules, {"read", arena.project("build/cache/today")}).out.find("SECRET") == std::string::npos);
    CHECK(arena.run(rules, {"sh", "-c", "echo PWNED > build/out; echo PWNED > build/cache/new; echo PWNED > ~/.bashrc"}).status != 0);
    CHECK(slurp(arena.home(".bashrc")) == "mine\n");
    CHECK(slurp(arena.home("diary/new")).empty());
}

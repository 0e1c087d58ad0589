// Files that a program makes by opening them: with a name, and without one (O_TMPFILE). Denials are of mounts and Landlock, unless
// a test says otherwise.
#include <filesystem>

#include <catch2/catch_test_macros.hpp>

#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

const std::string calls = "syscalls: [\"@base\", \"@file\"]\n";

struct Denied {
    std::string rules;
    std::vector<std::string> argv;
    std::string object;
    std::string rule;
};

// A profile has one rule for a path: the new one takes the place of the old.
std::string with_rule(std::string rules, const std::string& rule) {
    const std::string path = "  " + rule.substr(0, rule.rfind(": ") + 2);
    if (const size_t at = rules.find(path); at != std::string::npos) {
        rules.erase(at, rules.find('\n', at) + 1 - at);
    }
    return rules + "  " + rule + "\n";
}

// The kernel refuses, and with the rule that the one report names it does not.
void check_denied(const Arena& arena, const Denied& denied) {
    const Held held = arena.run(denied.rules + calls, denied.argv);
    INFO(denied.rules << denied.argv[1] << " " << held.error << held.out);
    CHECK((held.out == "EACCES\n" || held.out == "EROFS\n"));
    REQUIRE(held.violations.size() == 1);
    CHECK(held.violations[0].object == arena.project(denied.object));
    CHECK(held.violations[0].layer == "landlock");
    CHECK(held.violations[0].rule == denied.rule);
    std::filesystem::remove(arena.project("out/x")); // a name that was made before its opening was refused
    const Held opened = arena.run(with_rule(denied.rules, denied.rule) + calls, denied.argv);
    CHECK(opened.out == "ok\n");
    CHECK(opened.violations.empty());
}

} // namespace

TEST_CASE("a file without a name is made where names may be made, and nowhere else", "[enforcer][sandbox][making]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/out/old", "");
    arena.write("project/src/main.c", "");
    for (const char* rule : {"${project}/out/: wc", "${project}/out/**: wc", "${project}/out/new: wc"}) {
        const std::string rules = "files:\n  ${project}/**: r\n  " + std::string(rule) + "\n";
        const Held held = arena.run(rules + calls, {hostile, "unnamed", "out"});
        INFO(rule << " " << held.error << held.out);
        CHECK(held.out == "ok\n");
        CHECK(held.violations.empty());
        check_denied(arena, {rules, {hostile, "unnamed", "src"}, "src", "${project}/src/: wc"});
    }
    check_denied(arena, {"files:\n  ${project}/: r\n  ${project}/out/: c\n", {hostile, "unnamed", "out"}, "out", "${project}/out/: wc"});
    check_denied(arena, {"files:\n  ${project}/: r\n  ${project}/out/: wc\n", {hostile, "unnamed-to-read", "out"}, "out", "${project}/out/: rwc"});
    const Held missing = arena.run("files:\n  ${project}/**: r\n" + calls, {hostile, "unnamed", "nowhere"});
    CHECK(missing.out == "ENOENT\n");
    CHECK(missing.violations.empty());
}

TEST_CASE("a file made without a name gets only names that rules let be made", "[enforcer][sandbox][making]") {
    REQUIRE_NAMESPACES();
    Arena arena;
    arena.answer_refusals = true; // the kernel holds a rule for one name wider
    arena.write("project/out/old", "");
    const std::string rules = "files:\n  ${project}/**: r\n  ${project}/out/new: wc\n" + calls;
    CHECK(arena.run(rules, {hostile, "link-unnamed-file", "out", "out/new"}).out == "ok\n");
    CHECK(std::filesystem::exists(arena.project("out/new")));
    const Held other = arena.run(rules, {hostile, "link-unnamed-file", "out", "out/other"});
    CHECK(other.out == "EACCES\n");
    REQUIRE(other.violations.size() == 1);
    CHECK(other.violations[0].rule == "${project}/out/other: c");
    CHECK_FALSE(std::filesystem::exists(arena.project("out/other")));
}

TEST_CASE("a rule that makes names opens what was made only for what it says besides", "[enforcer][sandbox][making]") {
    REQUIRE_NAMESPACES();
    const Arena arena;
    arena.write("project/out/old", "");
    check_denied(arena, {"files:\n  ${project}/out/: c\n", {hostile, "create", "out/x"}, "out/x", "${project}/out/x: wc"});
    std::filesystem::remove(arena.project("out/x"));
    check_denied(arena, {"files:\n  ${project}/out/: wc\n", {hostile, "create-to-read", "out/x"}, "out/x", "${project}/out/x: rwc"});
    std::filesystem::remove(arena.project("out/x"));
    const Held made = arena.run("files:\n  ${project}/out/: wc\n" + calls, {hostile, "create", "out/x"});
    CHECK(made.out == "ok\n");
    CHECK(made.violations.empty());
}

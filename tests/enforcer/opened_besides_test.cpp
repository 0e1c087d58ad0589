#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "enforcer/opened_besides.h"
#include "tests/enforcer/arena.h"

using namespace treadline;
using namespace treadline::test;

namespace {

// As denial.cpp fills one in from a decision.
Violation denied(const Policy& policy, Operation operation, const std::string& name, const std::string& object) {
    const Decision decision = policy.decide(operation, object);
    REQUIRE_FALSE(decision.allowed);
    Violation violation;
    violation.operation = name;
    violation.object = object;
    violation.section = decision.section;
    violation.rule = decision.remedy;
    violation.review = decision.review;
    return violation;
}

} // namespace

TEST_CASE("a rule for one file opens no other, and says where the file has other names", "[enforcer][violations]") {
    const Arena arena;
    const auto policy = arena.policy("");
    const std::string notes = arena.write("notes", "x");
    CHECK(opened_besides(*policy, denied(*policy, Operation::Read, "read", notes)) == "no other file");
    REQUIRE(::link(notes.c_str(), arena.home("copy").c_str()) == 0);
    CHECK(opened_besides(*policy, denied(*policy, Operation::Read, "read", notes)) ==
          "its content, which has 1 other name (hard links)");
}

TEST_CASE("a rule for a directory's names, or for making one, counts what is there", "[enforcer][violations]") {
    const Arena arena;
    const auto policy = arena.policy("");
    arena.write("project/papers/a", "");
    arena.write("project/papers/b", "");
    CHECK(opened_besides(*policy, denied(*policy, Operation::Read, "list", arena.project("papers"))) ==
          "the names of its 2 entries, nothing in them");
    CHECK(opened_besides(*policy, denied(*policy, Operation::Create, "create", arena.project("papers/c"))) ==
          "new names in its directory, which has 2 entries; no other existing file");
}

TEST_CASE("a rule that waits for review counts the files it reaches beside this one", "[enforcer][violations]") {
    const Arena arena;
    const std::string a = arena.write("papers/a", "");
    arena.write("papers/deep/b", "");
    arena.write("papers/deep/c", "");
    const auto policy = arena.policy("review:\n  files:\n    ${home}/papers/**: r\n");
    const Violation violation = denied(*policy, Operation::Read, "read", a);
    REQUIRE(violation.review == "${home}/papers/**: r");
    CHECK(opened_besides(*policy, violation) == "3 more existing files, and what comes to lie there"); // deep is one
}

TEST_CASE("a group of system calls names what else is in it, a dangerous call stands alone", "[enforcer][violations]") {
    const Arena arena;
    const auto policy = arena.policy("");
    const std::string text = opened_besides(*policy, denied(*policy, Operation::Syscall, "syscall", "msgget"));
    CHECK(text.find("more system calls: ") != std::string::npos);
    CHECK(text.find("msgget") == std::string::npos);
    CHECK(opened_besides(*policy, denied(*policy, Operation::Syscall, "syscall", "ptrace")) == "no other system call");
}

TEST_CASE("where no rule would allow it nothing would be opened", "[enforcer][violations]") {
    const Arena arena;
    const auto policy = arena.policy("deny: [\"${project}/x\"]\n");
    CHECK(opened_besides(*policy, denied(*policy, Operation::Read, "read", arena.project("x"))).empty());
}

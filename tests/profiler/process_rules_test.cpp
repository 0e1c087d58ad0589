#include "profiler/process_rules.h"

#include <algorithm>

#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {
using Lines = std::vector<std::string>;
const std::string start =
    "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/make\nprocess 2 1 /usr/bin/cc\n";
} // namespace

TEST_CASE("one member of a group opens the group, the base stays unsaid", "[profiler][syscalls]") {
    const Proposal proposal = test::reduced(start + "syscall 1 openat read mmap rename\nsyscall 2 unlink");
    CHECK(test::lines_of(proposal, Section::Syscalls) == Lines{"@file"});
    const auto rule =
        std::find_if(proposal.rules.begin(), proposal.rules.end(),
                     [](const ProposedRule& each) { return each.section == Section::Syscalls; });
    CHECK(rule->evidence.programs == Lines{"cc", "make"});
}

TEST_CASE("a dangerous call is named, withheld, and says why", "[profiler][syscalls]") {
    const Proposal proposal = test::reduced(start + "syscall 1 ptrace\nsyscall 2 io_uring_setup");
    CHECK(test::lines_of(proposal, Section::Syscalls) == Lines{"# io_uring_setup", "# ptrace"});
    for (const ProposedRule& rule : proposal.rules) {
        if (rule.text == "io_uring_setup") {
            CHECK(rule.withheld.find("libuv") != std::string::npos);
        }
    }
}

TEST_CASE("a call without a name stays refused and is said", "[profiler][syscalls]") {
    const Proposal proposal = test::reduced(start + "syscall 1 #999");
    CHECK(test::lines_of(proposal, Section::Syscalls).empty());
    REQUIRE(proposal.warnings.size() == 1);
    CHECK(proposal.warnings[0].find("#999") != std::string::npos);
}

TEST_CASE("the environment is the names the command started with, without secrets and the session",
          "[profiler][environment]") {
    const Proposal proposal = test::reduced(
        start +
        "environment 1 PATH LC_ALL NODE_ENV GITHUB_TOKEN AWS_SECRET_ACCESS_KEY SSH_AUTH_SOCK DISPLAY SHLVL _ "
        "DBUS_SESSION_BUS_ADDRESS HISTFILE PS1 TMUX\nenvironment 2 MADE_LATER");
    CHECK(test::lines_of(proposal, Section::Environment) ==
          Lines{"# AWS_SECRET_ACCESS_KEY", "# GITHUB_TOKEN", "NODE_ENV"});
}

TEST_CASE("a variable of the session is told from one that only begins alike", "[profiler][environment]") {
    for (const char* name : {"SSH_CONNECTION", "XDG_SESSION_ID", "DISPLAY", "SUDO_USER", "LS_COLORS", "_"}) {
        CHECK(is_session_variable(name));
    }
    for (const char* name : {"SSHD", "DISPLAY_NAME", "MAILTO", "PATH", "_X", "XDG_CACHE_HOME", "PS10"}) {
        CHECK_FALSE(is_session_variable(name));
    }
}

TEST_CASE("a name no profile can hold is left out and said", "[profiler][environment]") {
    const Proposal proposal = test::reduced(start + "environment 1 A\\nB GOOD");
    CHECK(test::lines_of(proposal, Section::Environment) == Lines{"GOOD"});
    REQUIRE(proposal.warnings.size() == 1);
}

#include <algorithm>

#include "profiles/shipped.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {
using Lines = std::vector<std::string>;
const std::string start = "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/tool\n";
Lines includes(const std::string& rest) {
    return test::lines_of(test::reduced(start + rest), Section::Include);
}
} // namespace

TEST_CASE("base is always included, and what it allows needs no rule", "[profiler][include]") {
    CHECK(includes("") == Lines{"base"});
    CHECK(test::lines_of(
              test::reduced(start + "file 1 read /usr/lib/a/b.so /usr/share/x\nfile 1 write /dev/null"),
              Section::Files)
              .empty());
}

TEST_CASE("an abstraction is included when it replaces several rules, not for one", "[profiler][include]") {
    CHECK(includes("file 1 execute /usr/bin/git") == Lines{"base"});
    CHECK(includes("file 1 execute /usr/bin/git\nfile 1 read {home}/.gitconfig") == Lines{"base", "git"});
}

TEST_CASE("an abstraction about programs is not included for files alone", "[profiler][include]") {
    CHECK(includes("file 1 read {home}/.gitconfig {home}/.config/git/config /etc/gitconfig") ==
          Lines{"base"});
}

TEST_CASE("the abstraction that replaces most comes first", "[profiler][include]") {
    CHECK(
        includes("file 1 execute /usr/bin/git /usr/lib/git-core/git /usr/bin/dash /usr/bin/cat /usr/bin/sort "
                 "/usr/bin/sed") == Lines{"base", "shell", "git"});
}

TEST_CASE("an abstraction that cannot be read is an error, not a profile without it", "[profiler][include]") {
    const auto fixture = test::read_fixture(start);
    ReduceInput input = fixture.input();
    input.shipped_abstractions.emplace_back("no-such-thing");
    CHECK_FALSE(reduce(input).has_value());
}

TEST_CASE("the shipped abstractions cover the programs they are named for", "[profiler][include]") {
    const auto fixture = test::read_fixture(
        start + "file 1 execute /usr/bin/dash /usr/bin/cat /usr/bin/git /usr/lib/git-core/git\n"
                "file 1 read /usr/lib/x86_64-linux-gnu/libc.so.6 /etc/ld.so.cache /etc/nsswitch.conf "
                "{home}/.gitconfig\n"
                "syscall 1 openat read write close mmap clone execve wait4 exit_group");
    ReduceInput input = fixture.input();
    input.abstractions = abstraction_loader("");
    input.shipped_abstractions = shipped_abstractions();
    const auto proposal = reduce(input);
    REQUIRE(proposal.has_value());
    const Lines chosen = test::lines_of(*proposal, Section::Include);
    CHECK(std::find(chosen.begin(), chosen.end(), "git") != chosen.end());
    CHECK(test::lines_of(*proposal, Section::Files).empty());
    CHECK(test::lines_of(*proposal, Section::Syscalls).empty());
}

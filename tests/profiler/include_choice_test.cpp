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
// With the abstractions that ship.
Lines chosen(const std::string& rest, const std::string& disk = "",
             std::vector<std::string> shipped = learned_abstractions(), int64_t tightness = 1000) {
    const auto fixture = test::read_fixture(start + rest + "\n" + disk);
    ReduceInput input = fixture.input();
    input.abstractions = abstraction_loader("");
    input.shipped_abstractions = std::move(shipped);
    input.costs.tightness = tightness;
    const auto proposal = reduce(input);
    REQUIRE(proposal.has_value());
    return test::lines_of(*proposal, Section::Include);
}

// As many programs of `shell` and `coreutils` as an ordinary system has.
std::string usual_programs() {
    std::string line = "disk /usr/bin";
    for (const char* abstraction : {"shell", "coreutils"}) {
        const Profile profile = shipped_abstraction(abstraction).value();
        for (const FileRule& rule : profile.files) {
            if (rule.path.rfind("/usr/bin/", 0) == 0) {
                line += " " + rule.path.substr(9);
            }
        }
    }
    return line;
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
                "file 1 read /usr/lib/x86_64-linux-gnu/libc.so.6 /etc/ld.so.cache /etc/nsswitch.conf /etc/passwd "
                "{home}/.gitconfig\n"
                "syscall 1 openat read write close mmap clone execve wait4 exit_group");
    ReduceInput input = fixture.input();
    input.abstractions = abstraction_loader("");
    input.shipped_abstractions = learned_abstractions();
    const auto proposal = reduce(input);
    REQUIRE(proposal.has_value());
    const Lines chosen = test::lines_of(*proposal, Section::Include);
    CHECK(std::find(chosen.begin(), chosen.end(), "git") != chosen.end());
    CHECK(test::lines_of(*proposal, Section::Files).empty());
    CHECK(test::lines_of(*proposal, Section::Syscalls).empty());
}

TEST_CASE("an abstraction that opens more than it saves is not included", "[profiler][include]") {
    const std::string two = "file 1 execute /usr/bin/dash /usr/bin/sed";
    const std::string four = two + " /usr/bin/cat /usr/bin/sort";
    CHECK(chosen(two, usual_programs()) == Lines{"runtime"});
    CHECK(chosen(four, usual_programs()) == Lines{"runtime", "shell"});
    // What is not on the disk is not opened; what is weighs as much as was asked for.
    CHECK(chosen(two) == Lines{"runtime", "shell"});
    CHECK(chosen(four, usual_programs(), learned_abstractions(), 3000) == Lines{"runtime"});
}

TEST_CASE("of two that cover the same the one that opens less is included", "[profiler][include]") {
    const std::string programs = "file 1 execute /usr/bin/env /usr/bin/nice /usr/bin/sort /usr/bin/timeout";
    CHECK(chosen(programs, usual_programs(), {"runtime", "shell", "coreutils"}) == Lines{"runtime", "coreutils"});
    CHECK(chosen(programs + " /usr/bin/dash /usr/bin/sed", usual_programs(),
                 {"runtime", "coreutils", "shell"}) == Lines{"runtime", "shell"});
}

TEST_CASE("an abstraction is included for its own programs, not for those it brings along",
          "[profiler][include]") {
    const std::string shell = "file 1 execute /usr/bin/dash /usr/bin/cat /usr/bin/sed /usr/bin/sort";
    // A file that git reads was read by another program.
    CHECK(chosen(shell + "\nfile 1 read {home}/.gitconfig {home}/.config/git/config", usual_programs()) ==
          Lines{"runtime", "shell"});
    // pip asks a rustc that is there for its version.
    CHECK(chosen(shell + " /usr/bin/rustc", usual_programs()) == Lines{"runtime", "shell"});
    CHECK(chosen(shell + " /usr/bin/rustc /usr/bin/cargo", usual_programs()) == Lines{"runtime", "rust"});
}

TEST_CASE("an abstraction that comes with another one is not listed beside it", "[profiler][include]") {
    CHECK(chosen("file 1 execute /usr/bin/dash /usr/bin/cat /usr/bin/sed /usr/bin/sort /usr/bin/git "
                 "/usr/lib/git-core/git-remote-https",
                 usual_programs()) == Lines{"runtime", "git"});
}

TEST_CASE("a file of somebody's that an abstraction would open for nothing is dearer than the lines it saves",
          "[profiler][include]") {
    const std::string programs = "file 1 execute /usr/bin/cmake /usr/bin/ctest";
    CHECK(chosen(programs) == Lines{"runtime", "cmake"});
    CHECK(chosen(programs, "disk {home}/.cmake/packages Somebodys-package") == Lines{"runtime"});
}

TEST_CASE("variables count as lines, secret ones and those that runtime passes do not", "[profiler][include]") {
    CHECK(chosen("environment 1 GITHUB_ACTIONS GITHUB_SHA RUNNER_OS") == Lines{"runtime", "ci-runner"});
    CHECK(chosen("environment 1 GITHUB_SHA GITHUB_TOKEN ACTIONS_RUNTIME_TOKEN CI LANG TERM") ==
          Lines{"runtime"});
}

TEST_CASE("what an abstraction grants in part only is no line saved", "[profiler][include]") {
    // The cache is for reading, and a rule for writing there has to be written in any case.
    const std::string python = "file 1 execute /usr/bin/python3.11\nfile 1 ";
    CHECK(chosen(python + "read {home}/.cache/pip/a/x") == Lines{"runtime", "python"});
    CHECK(chosen(python + "write {home}/.cache/pip/a/x") == Lines{"runtime"});
}

TEST_CASE("what a machine's people and names are is opened where it was asked for, piece by piece",
          "[profiler][include]") {
    const std::string disk = "disk /etc passwd group nsswitch.conf hosts host.conf resolv.conf hostname machine-id "
                             "timezone profile bash.bashrc inputrc shells environment";
    CHECK(chosen("file 1 read /etc/ld.so.cache /usr/lib/libx.so", disk) == Lines{"runtime"});
    CHECK(chosen("file 1 read /etc/nsswitch.conf /etc/passwd", disk) == Lines{"runtime", "users"});
    CHECK(chosen("file 1 read /etc/nsswitch.conf /etc/resolv.conf /etc/hosts", disk) == Lines{"runtime", "dns"});
    CHECK(chosen("file 1 read /etc/hostname /etc/machine-id", disk) == Lines{"runtime", "host"});
    CHECK(chosen("file 1 read /etc/profile /etc/profile.d/a.sh", disk) == Lines{"runtime", "interactive"});
    // One file is one line, whichever way, and as a rule of its own it opens nothing else.
    CHECK(chosen("file 1 read /etc/hostname", disk) == Lines{"runtime"});
    CHECK(chosen("file 1 read /etc/passwd", disk) == Lines{"runtime"});
}

TEST_CASE("learning proposes the pieces, never the abstraction that is several of them", "[profiler][include]") {
    const std::string all = "file 1 read /etc/nsswitch.conf /etc/passwd /etc/group /etc/hosts /etc/resolv.conf "
                            "/etc/hostname /etc/machine-id /etc/ssl/certs/a.pem /etc/ssl/openssl.cnf "
                            "/etc/ld.so.conf /etc/ld.so.conf.d/a.conf /usr/local/share/a /usr/local/lib/a/b";
    const Lines names = chosen(all);
    CHECK(std::find(names.begin(), names.end(), "base") == names.end());
    for (const char* piece : {"users", "dns", "host", "tls-trust"}) {
        INFO(piece);
        CHECK(std::find(names.begin(), names.end(), piece) != names.end());
    }
}

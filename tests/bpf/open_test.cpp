#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

using Kinds = std::vector<std::string>;

TEST_CASE("an open is recorded as what the descriptor may do", "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string there = directory.write("there", "text");
    const std::string fresh = directory / "fresh";
    const auto kinds_after = [&](const std::string& mode, const std::string& path) {
        const Traced run = traced({program("opens"), mode, path});
        CHECK(run.status == 0);
        CHECK(run.summary.complete);
        return kinds(run.trace, path);
    };
    CHECK(kinds_after("read", there) == Kinds{"read"});
    CHECK(kinds_after("write", there) == Kinds{"write"});
    CHECK(kinds_after("both", there) == Kinds{"read", "write"});
    CHECK(kinds_after("openat2", there) == Kinds{"read"});
    CHECK(kinds_after("create", fresh) == Kinds{"write", "create"});
    CHECK(kinds_after("create", fresh) == Kinds{"write"}); // by now it exists
    CHECK(kinds_after("creat", directory / "other") == Kinds{"write", "create"});
    CHECK(kinds_after("list", directory.path()) == Kinds{"list"});
    CHECK(kinds_after("path", there) == Kinds{"stat"}); // O_PATH gives no access to what is in the file
}

TEST_CASE("every field of an open is stored", "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string there = directory.write("there", "text");
    const Traced run = traced({program("opens"), "read", there});
    const auto access = file(run.trace, there, AccessKind::Read);
    REQUIRE(access);
    REQUIRE(process(run.trace, program("opens")));
    CHECK(access->process == process(run.trace, program("opens"))->id);
    CHECK(access->count == 1);
    CHECK(access->first_ns > 0);
    CHECK(access->last_ns >= access->first_ns);
    CHECK_FALSE(access->directory);
    CHECK_FALSE(access->created_by_run);
    CHECK_FALSE(access->gone_at_end);
    CHECK(access->requested.empty());
    CHECK(file(run.trace, directory / "there", AccessKind::Write) == std::nullopt);
}

TEST_CASE("a file is named by where it lies, whatever was renamed above it meanwhile", "[bpf][open]") {
    const TemporaryDirectory directory;
    directory.write("a/b/file", "text");
    TraceOptions inside;
    inside.directory = directory.path();
    // One process image throughout. The second way consists of the same names as the first.
    const Traced run = traced({"/bin/sh", "-c",
                               ": < a/b/file; mv a/b .; mv a b/; mv b/file b/a/; : < b/a/file; : < b/a/file; "
                               "mv b c; : < c/a/file; mv c/a/file c/a/other; : < c/a/other"},
                              inside);
    CHECK(run.status == 0);
    CHECK(run.summary.complete);
    for (const std::string name : {"a/b/file", "b/a/file", "c/a/file", "c/a/other"}) {
        CAPTURE(name);
        const auto access = file(run.trace, directory / name, AccessKind::Read);
        REQUIRE(access);
        CHECK(access->count == (name == "b/a/file" ? 2 : 1));
    }
    size_t read = 0;
    for (const FileAccess& access : run.trace.files) {
        read += access.access == AccessKind::Read && access.path.find(directory.path()) == 0 ? 1 : 0;
    }
    CHECK(read == 4);
}

TEST_CASE("to ask about a descriptor is no access, to ask about a name with the same call is one", "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string there = directory.write("there", "text");
    const Traced run = traced({program("opens"), "ask", there});
    CHECK(run.status == 0);
    CHECK(run.summary.complete);
    CHECK(kinds(run.trace, there) == Kinds{"stat"});
    CHECK(kinds(run.trace, "/dev/null") == Kinds{"read"});
    REQUIRE(process(run.trace, program("opens")));
    CHECK(called(run.trace, process(run.trace, program("opens"))->id, "newfstatat"));
}

TEST_CASE("roots of mounts are named, and what lies in them", "[bpf][open]") {
    for (const std::string path : {"/", "/proc", "/proc/self/fd/..", "/dev"}) {
        CAPTURE(path);
        const Traced run = traced({program("opens"), "list", path});
        CHECK(run.status == 0);
        CHECK(run.summary.complete);
        if (path.find("self") == std::string::npos) {
            CHECK(kinds(run.trace, path) == Kinds{"list"});
        }
    }
    const Traced version = traced({program("opens"), "read", "/proc/version"});
    CHECK(kinds(version.trace, "/proc/version") == Kinds{"read"});
}

TEST_CASE("repeats are counted, not reported again", "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string there = directory.write("there", "text");
    const Traced run = traced({program("opens"), "many", there});
    const auto access = file(run.trace, there, AccessKind::Read);
    REQUIRE(access);
    CHECK(access->count == 1000);
    CHECK(access->last_ns >= access->first_ns); // both to a tick of the kernel's timer
}

TEST_CASE("a refused open is recorded with its errno and not as a success", "[bpf][open]") {
    const TemporaryDirectory directory;
    const Traced run = traced({program("opens"), "read", directory / "missing"});
    CHECK(run.status == ENOENT);
    CHECK(file(run.trace, directory / "missing", AccessKind::Read, ENOENT));
    CHECK_FALSE(file(run.trace, directory / "missing", AccessKind::Read));

    REQUIRE(::symlink("there", (directory / "link").c_str()) == 0);
    const Traced link = traced({program("opens"), "nofollow", directory / "link"});
    CHECK(link.status == ELOOP);
    CHECK(file(link.trace, directory / "link", AccessKind::Read, ELOOP));
}

TEST_CASE("an open through links is recorded at the object, with what was asked for beside it",
          "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string there = directory.write("real/there", "text");
    REQUIRE(::symlink("real", (directory / "alias").c_str()) == 0);
    const Traced run = traced({program("opens"), "read", directory / "alias/../alias/there"});
    const auto access = file(run.trace, there, AccessKind::Read);
    REQUIRE(access);
    CHECK(access->requested == directory / "alias/there");
    CHECK(kinds(run.trace, directory / "alias/there").empty());
}

TEST_CASE("paths relative to a directory descriptor or the working directory are whole paths",
          "[bpf][open]") {
    const TemporaryDirectory directory;
    directory.write("file", "text");
    const Traced at = traced({program("opens"), "at", directory.path()});
    CHECK(at.status == 0);
    CHECK(file(at.trace, directory / "file", AccessKind::Read));

    TraceOptions inside;
    inside.directory = directory.path();
    const Traced relative = traced({program("opens"), "read", "file"}, inside);
    CHECK(file(relative.trace, directory / "file", AccessKind::Read));
    const Traced missing =
        traced({program("opens"), "read", "../" + directory.path().substr(5) + "/none"}, inside);
    CHECK(file(missing.trace, directory / "none", AccessKind::Read, ENOENT));
}

TEST_CASE("a file that lost its name, or never had one, is no access by name", "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string path = directory / "short-lived";
    const Traced unlinked = traced({program("opens"), "unlinked", path});
    CHECK(unlinked.status == 0);
    CHECK(kinds(unlinked.trace, path) == Kinds{"read", "write", "create", "delete"});
    CHECK(file(unlinked.trace, path, AccessKind::Create)->gone_at_end);
    CHECK(file(unlinked.trace, path, AccessKind::Create)->created_by_run);
    const Traced memory = traced({program("opens"), "memfd", "x"});
    CHECK(memory.status == 0);
    for (const Traced* run : {&unlinked, &memory}) {
        CHECK(run->summary.complete);
        for (const FileAccess& access : run->trace.files) {
            CAPTURE(access.path);
            CHECK(access.path.find("deleted") == std::string::npos);
            CHECK(access.path.find("nothing") == std::string::npos);
        }
    }
    const Traced nameless = traced({program("opens"), "tmpfile", directory.path()});
    CHECK(nameless.status == 0);
    const auto access = file(nameless.trace, directory.path(), AccessKind::Create);
    REQUIRE(access);
    CHECK(access->directory);
    CHECK_FALSE(access->created_by_run); // the directory was there
    CHECK(file(nameless.trace, directory.path(), AccessKind::Write)); // what is done with such a file takes as much as with others
    CHECK(file(nameless.trace, directory.path(), AccessKind::Read));
}

TEST_CASE("a name may hold any byte", "[bpf][open]") {
    const TemporaryDirectory directory;
    const std::string name = "new\nline \x1b[31m\xff\xfe * \"quoted\"";
    const std::string path = directory.write(name, "text");
    const Traced run = traced({program("opens"), "read", path});
    CHECK(run.status == 0);
    CHECK(file(run.trace, path, AccessKind::Read));
    const Traced refused = traced({program("opens"), "read", path + "\n"});
    CHECK(file(refused.trace, path + "\n", AccessKind::Read, ENOENT));
}

TEST_CASE("a path longer than PATH_MAX is recorded whole", "[bpf][open]") {
    const TemporaryDirectory directory;
    const Traced run = traced({program("opens"), "deep", directory.path()});
    REQUIRE(run.status == 0);
    CHECK(run.summary.complete);
    std::string deep = directory.path();
    for (int i = 0; i < 20; ++i) {
        deep += "/" + std::string(250, 'd');
    }
    CHECK(file(run.trace, deep + "/bottom", AccessKind::Create));
}

TEST_CASE("an argument of as many names as fit is recorded whole", "[bpf][open]") {
    const TemporaryDirectory directory;
    TraceOptions inside;
    inside.directory = directory.path();
    const Traced run = traced({program("opens"), "many-names", "x"}, inside);
    CHECK(run.status == ENOENT);
    CHECK(run.summary.complete);
    bool found = false;
    for (const FileAccess& access : run.trace.files) {
        found =
            found || (access.result == ENOENT && access.path.size() == directory.path().size() + 1 + 4093 &&
                      access.path.substr(0, directory.path().size()) == directory.path());
    }
    CHECK(found);
}

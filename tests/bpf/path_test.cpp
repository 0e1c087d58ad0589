#include <cerrno>
#include <csignal>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

using Kinds = std::vector<std::string>;

Traced on_paths(const TemporaryDirectory& directory, const std::string& operation, const std::string& a,
                const std::string& b = "") {
    std::vector<std::string> argv = {program("paths"), operation, a};
    if (!b.empty()) {
        argv.push_back(b);
    }
    TraceOptions inside;
    inside.directory = directory.path();
    Traced run = traced(argv, inside);
    CAPTURE(operation);
    CHECK(run.summary.complete);
    return run;
}

} // namespace

TEST_CASE("removing is recorded as delete, relative names included", "[bpf][path]") {
    const TemporaryDirectory directory;
    for (const std::string operation : {"unlink", "unlinkat"}) {
        directory.write("victim", "x");
        const Traced run = on_paths(directory, operation, "victim");
        CHECK(run.status == 0);
        CHECK(kinds(run.trace, directory / "victim") == Kinds{"delete"});
        const auto access = file(run.trace, directory / "victim", AccessKind::Delete);
        REQUIRE(access);
        CHECK(access->gone_at_end);
        CHECK_FALSE(access->created_by_run);
        CHECK_FALSE(access->directory);
    }
    for (const std::string operation : {"rmdir", "rmdirat"}) {
        REQUIRE(::mkdir((directory / "empty").c_str(), 0700) == 0);
        const Traced run = on_paths(directory, operation, "./empty");
        CHECK(run.status == 0);
        const auto access = file(run.trace, directory / "empty", AccessKind::Delete);
        REQUIRE(access);
        CHECK(access->directory);
    }
    const Traced refused = on_paths(directory, "unlink", "absent");
    CHECK(refused.status == ENOENT);
    CHECK(file(refused.trace, directory / "absent", AccessKind::Delete, ENOENT));
    CHECK_FALSE(file(refused.trace, directory / "absent", AccessKind::Delete));
}

TEST_CASE("making something is recorded as create and as made by the run", "[bpf][path]") {
    const TemporaryDirectory directory;
    directory.write("old", "x");
    const auto made = [&](const Traced& run, const std::string& name) {
        CHECK(run.status == 0);
        const auto access = file(run.trace, directory / name, AccessKind::Create);
        REQUIRE(access);
        CHECK(access->created_by_run);
        CHECK_FALSE(access->gone_at_end);
        return *access;
    };
    CHECK(made(on_paths(directory, "mkdir", "one"), "one").directory);
    CHECK(made(on_paths(directory, "mkdirat", "two/"), "two").directory);
    CHECK_FALSE(made(on_paths(directory, "mknod", "fifo"), "fifo").directory);
    made(on_paths(directory, "symlink", "/nowhere", "dangling"), "dangling");
    const Traced linked = on_paths(directory, "link", "old", "new");
    made(linked, "new");
    CHECK(kinds(linked.trace, directory / "old") == Kinds{"read"});
    const Traced refused = on_paths(directory, "mkdir", "one");
    CHECK(refused.status == EEXIST);
    CHECK_FALSE(file(refused.trace, directory / "one", AccessKind::Create));
    CHECK_FALSE(file(refused.trace, directory / "one", AccessKind::Create, EEXIST)->created_by_run);
}

TEST_CASE("both ends of a rename are recorded", "[bpf][path]") {
    const TemporaryDirectory directory;
    directory.write("a", "x");
    const Traced renamed = on_paths(directory, "rename", "a", "b");
    CHECK(kinds(renamed.trace, directory / "a") == Kinds{"delete"});
    CHECK(kinds(renamed.trace, directory / "b") == Kinds{"create"});
    CHECK_FALSE(file(renamed.trace, directory / "b", AccessKind::Create)->created_by_run); // it was a
    directory.write("a", "x");
    const Traced exchanged = on_paths(directory, "exchange", "a", "b");
    CHECK(exchanged.status == 0);
    CHECK(kinds(exchanged.trace, directory / "a") == Kinds{"create", "delete"});
    CHECK(kinds(exchanged.trace, directory / "b") == Kinds{"create", "delete"});
}

TEST_CASE("every way to change a file's content or attributes is a write", "[bpf][path]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "x");
    for (const std::string operation : {"truncate", "ftruncate", "chmod", "fchmod", "fchmodat", "chown",
                                        "lchown", "utimensat", "futimens", "utime"}) {
        CAPTURE(operation);
        const Traced run = on_paths(directory, operation, "file");
        CHECK(run.status == 0);
        CHECK(file(run.trace, path, AccessKind::Write));
    }
    // These may be missing in the kernel or the file system; then the refusal is what is recorded.
    for (const std::string operation : {"fchmodat2", "setxattr"}) {
        CAPTURE(operation);
        const Traced run = on_paths(directory, operation, "file");
        CHECK(file(run.trace, path, AccessKind::Write, run.status));
    }
}

TEST_CASE("a call that follows links is recorded at the link's target, one that does not at the link",
          "[bpf][path]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "x");
    REQUIRE(::symlink("file", (directory / "link").c_str()) == 0);
    CHECK(kinds(on_paths(directory, "chmod", "link").trace, path) == Kinds{"write"});
    CHECK(kinds(on_paths(directory, "lchown", "link").trace, path).empty());
    CHECK(kinds(on_paths(directory, "lchown", "link").trace, directory / "link") == Kinds{"write"});
    CHECK(kinds(on_paths(directory, "unlink", "link").trace, directory / "link") == Kinds{"delete"});
}

TEST_CASE("what lies behind a link into /proc is recorded by its own name or makes the run partial",
          "[bpf][path]") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("file", "x");
    REQUIRE(::symlink("/proc/self/cwd", (directory / "way").c_str()) == 0);
    TraceOptions inside;
    inside.directory = directory.path();
    const auto deletions = [](const Trace& trace) {
        std::vector<std::string> paths;
        for (const FileAccess& access : trace.files) {
            if (access.access == AccessKind::Delete && access.result == 0) {
                paths.push_back(access.path);
            }
        }
        return paths;
    };
    const Traced run = traced({program("paths"), "unlink", "way/file"}, inside);
    CHECK(run.status == 0);
    if (run.trace.run.probes == "lsm") {
        CHECK(run.summary.complete);
        CHECK(deletions(run.trace) == std::vector{path});
    } else {
        CHECK_FALSE(run.summary.complete);
        CHECK(run.summary.lost.at("path that only its process saw") == 1);
        CHECK(deletions(run.trace).empty());
    }
    const Traced refused = on_paths(directory, "unlink", "way/none");
    CHECK(refused.status == ENOENT);
    CHECK(deletions(refused.trace).empty());

    directory.write("file", "x");
    const Traced direct = on_paths(directory, "unlink", "/proc/self/cwd/file");
    CHECK(deletions(direct.trace) == std::vector{path});
}

TEST_CASE("a path is recorded as the mount namespace of its process has it, or makes the run partial",
          "[bpf][path]") {
    REQUIRE_CAPABILITY(run({"unshare", "-Urm", "true"}).status == 0, "user and mount namespaces");
    const TemporaryDirectory directory;
    const std::string outside = directory.write("outside", "x");
    directory.write("real/file", "x");
    directory.write("bound/.keep", "");
    REQUIRE(::symlink("file", (directory / "real/link").c_str()) == 0);
    REQUIRE(::symlink("../outside", (directory / "bound/link").c_str()) == 0); // what the collector sees
    TraceOptions options;
    options.directory = directory.path();
    const auto truncated = [&] {
        return traced({"unshare", "-Urm", "sh", "-c",
                       "mount --bind real bound && exec " + program("paths") + " truncate bound/link"},
                      options);
    };
    const Traced brief = truncated(); // the last to see the mount waits for the collector
    CHECK(brief.status == 0);
    CHECK(brief.summary.complete);
    CHECK(file(brief.trace, directory / "bound/file", AccessKind::Write));
    CHECK_FALSE(file(brief.trace, outside, AccessKind::Write));

    // But not for one that sleeps until nobody is left who sees it.
    options.meanwhile = [](pid_t collector, pid_t command) {
        siginfo_t ended{};
        REQUIRE(::kill(collector, SIGSTOP) == 0);
        CHECK(::waitid(P_PID, static_cast<id_t>(command), &ended, WEXITED | WNOWAIT) == 0);
        REQUIRE(::kill(collector, SIGCONT) == 0);
    };
    const Traced gone = truncated();
    CHECK(gone.status == 0);
    CHECK_FALSE(file(gone.trace, outside, AccessKind::Write));
    if (gone.trace.run.probes != "lsm") { // whose hook was shown the file
        CHECK_FALSE(gone.summary.complete);
        CHECK(gone.summary.lost.count("path that only its process saw") == 1);
    } else {
        CHECK(file(gone.trace, directory / "bound/file", AccessKind::Write));
    }
}

TEST_CASE("a change of directory is recorded where it leads", "[bpf][path]") {
    const TemporaryDirectory directory;
    directory.write("real/file", "x");
    REQUIRE(::symlink("real", (directory / "alias").c_str()) == 0);
    const Traced run = on_paths(directory, "chdir", "alias");
    CHECK(run.status == 0);
    CHECK(kinds(run.trace, directory / "real") == Kinds{"list"});
    const Traced refused = on_paths(directory, "chdir", "none");
    CHECK(file(refused.trace, directory / "none", AccessKind::List, ENOENT));
}

TEST_CASE("a refused execution is recorded with its errno", "[bpf][path]") {
    const TemporaryDirectory directory;
    directory.write("not-executable", "x", 0644);
    const Traced run = on_paths(directory, "execute", "./not-executable");
    CHECK(run.status == EACCES);
    CHECK(file(run.trace, directory / "not-executable", AccessKind::Execute, EACCES));
    CHECK_FALSE(file(run.trace, directory / "not-executable", AccessKind::Execute));
}

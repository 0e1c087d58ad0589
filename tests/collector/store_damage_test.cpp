// Stores that are broken, locked, not what they should be, or have no room: one sentence that says what to
// do, and nothing is lost that was committed before.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sched.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "collector/trace_reader.h"
#include "tests/collector/store_fixture.h"

using namespace treadline;
using namespace treadline::test;
using Catch::Matchers::ContainsSubstring;
using std::chrono::milliseconds;

namespace {

std::string refusal(const std::string& path) {
    const auto reader = TraceReader::open(path, milliseconds(50));
    return reader ? "" : reader.error().message();
}

std::string writer_refusal(const std::string& path) {
    const auto writer = TraceWriter::open(path, {milliseconds(10), milliseconds(50)});
    return writer ? "" : writer.error().message();
}

std::string whole_store(const TemporaryDirectory& directory) {
    const std::string store = directory / "trace.db";
    auto writer = TraceWriter::open(store).value();
    const int64_t run = writer.begin_run(sample_run()).value();
    fill(writer, numbered_paths(500));
    RunInfo end = sample_run();
    end.id = run;
    REQUIRE(writer.finish_run(end));
    return store;
}

// Holds a lock until it ends.
class Lock {
public:
    Lock(const std::string& store, const char* statements) {
        REQUIRE(sqlite3_open(store.c_str(), &database_) == SQLITE_OK);
        REQUIRE(sqlite3_exec(database_, statements, nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    ~Lock() { sqlite3_close(database_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    sqlite3* database_ = nullptr;
};

// Adds accesses and commits, again and again, until the store says why it takes no more.
// "COMMITTED accesses were committed; SENTENCE"
std::string write_until_refused(const std::string& store) {
    auto writer = TraceWriter::open(store);
    if (!writer) {
        return "0 were committed; " + writer.error().message();
    }
    if (const auto run = writer->begin_run(sample_run()); !run) {
        return "0 were committed; " + run.error().message();
    }
    const int64_t process = writer->add_process({}).value();
    for (int committed = 0; committed < 1'000'000; committed += 100) {
        for (int i = 0; i < 100; ++i) {
            FileAccess access;
            access.process = process;
            const auto path = writer->path_id("/path/" + std::to_string(committed + i));
            (void)writer->add_file(access, *path, 0);
        }
        if (const auto done = writer->commit(); !done) {
            return std::to_string(committed) + " were committed; " + done.error().message();
        }
    }
    return "it never ended";
}

} // namespace

TEST_CASE("a store cut off anywhere is an error or the whole run, never part of it",
          "[collector][store][damage]") {
    const TemporaryDirectory directory;
    std::string store;
    SECTION("of this version") {
        store = whole_store(directory);
    }
    SECTION("of version 1") {
        store = copy_of_fixture("store-v1.db", directory);
    }
    const Trace whole = TraceReader::open(store).value().read(1).value();
    const std::string bytes = slurp(store);
    REQUIRE(bytes.size() > 20'000);
    int errors = 0;
    for (size_t size = 1; size < bytes.size(); size += 509) { // a prime: pages, sectors and what lies between
        CAPTURE(size);
        const std::string cut = directory.write("cut.db", bytes.substr(0, size), 0600);
        const auto reader = TraceReader::open(cut);
        const auto trace = reader ? reader->read(1) : result<Trace>(failure(reader.error()));
        errors += trace ? 0 : 1;
        if (trace) {
            CHECK(*trace == whole);
        } else {
            CHECK_THAT(trace.error().message(),
                       ContainsSubstring("is damaged; move it away and run `treadline learn` again") ||
                           ContainsSubstring("not a trace store"));
        }
        CHECK_FALSE(std::filesystem::exists(cut + "-journal"));
        std::filesystem::remove(cut + "-wal");
        std::filesystem::remove(cut + "-shm");
    }
    CHECK(errors > 100);
}

// Some damaged schemas cost whole connections inside libsqlite3 3.40; all that is ours is closed.
// NOLINTNEXTLINE(bugprone-reserved-identifier): LeakSanitizer looks for this name
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libsqlite3\nleak:sqlite3Mem"; // the shared library, and the archive
}

TEST_CASE("a store with changed bytes is an error or a trace, never a crash", "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string store =
        GENERATE(true, false) ? whole_store(directory) : copy_of_fixture("store-v1.db", directory);
    const std::string bytes = slurp(store);
    std::mt19937 random(11);
    int errors = 0;
    for (int round = 0; round < 300; ++round) {
        std::string changed = bytes;
        for (auto left = 1 + random() % 40; left > 0; --left) {
            changed[random() % changed.size()] = static_cast<char>(random());
        }
        const std::string path = directory.write("changed.db", changed, 0600);
        const auto reader = TraceReader::open(path);
        const auto trace = reader ? reader->read(1) : result<Trace>(failure(reader.error()));
        errors += trace ? 0 : 1;
        CHECK((trace || !trace.error().message().empty()));
        const auto writer = TraceWriter::open(path);
        CHECK((writer || !writer.error().message().empty()));
        std::filesystem::remove(path + "-wal");
        std::filesystem::remove(path + "-shm");
    }
    CHECK(errors > 0);
}

TEST_CASE("what is no regular file is refused, and nobody waits for it", "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string folder = directory / "folder";
    const std::string pipe = directory / "pipe";
    std::filesystem::create_directory(folder);
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    for (const std::string& path : {folder, pipe, std::string("/dev/null")}) {
        CAPTURE(path);
        CHECK_THAT(refusal(path), ContainsSubstring("is not a regular file; name another one with --store"));
        CHECK_THAT(writer_refusal(path),
                   ContainsSubstring("is not a regular file; name another one with --store"));
    }
}

TEST_CASE("a store that may not be read or written says so", "[collector][store][damage]") {
    REQUIRE_CAPABILITY(::geteuid() != 0, "root may read and write everything");
    const TemporaryDirectory directory;
    const std::string store = whole_store(directory);
    const Trace whole = TraceReader::open(store).value().read(1).value();
    REQUIRE(::chmod(store.c_str(), 0) == 0);
    CHECK_THAT(refusal(store),
               ContainsSubstring("cannot read the trace store '" + store + "': Permission denied"));
    REQUIRE(::chmod(store.c_str(), 0400) == 0);
    CHECK(TraceReader::open(store).value().read(1).value() == whole);
    CHECK_THAT(writer_refusal(store), ContainsSubstring("is read-only; name another file with --store"));
}

TEST_CASE("a store in a read-only directory is read, unless changes wait in its WAL",
          "[collector][store][damage]") {
    REQUIRE_CAPABILITY(::geteuid() != 0, "root may write everywhere");
    const TemporaryDirectory directory;
    const std::string odd = directory / "a dir?with#odd%20name";
    std::filesystem::create_directory(odd);
    const std::string store = odd + "/trace.db";
    std::filesystem::copy_file(whole_store(directory), store);
    const Trace whole = TraceReader::open(directory / "trace.db").value().read(1).value();
    std::string waiting;
    SECTION("closed in order") {
        REQUIRE(::chmod(odd.c_str(), 0500) == 0);
        CHECK(TraceReader::open(store).value().read(1).value() == whole);
    }
    SECTION("its writers were killed") {
        directory.write("a dir?with#odd%20name/trace.db-wal", "x");
        REQUIRE(::chmod(odd.c_str(), 0500) == 0);
        CHECK_THAT(refusal(store),
                   ContainsSubstring("it was not closed in order, and its directory is read-only; copy it"));
    }
    REQUIRE(::chmod(odd.c_str(), 0700) == 0);
}

TEST_CASE("a store that somebody locked for good is named", "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string store = whole_store(directory);
    {
        const Lock lock(
            store, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; UPDATE run SET user = user; COMMIT;");
        CHECK_THAT(refusal(store),
                   ContainsSubstring("another program keeps it locked; end that program and try again"));
        CHECK_THAT(writer_refusal(store),
                   ContainsSubstring("another program keeps it locked; end that program and try again"));
    }
    CHECK(refusal(store).empty());
    CHECK(writer_refusal(store).empty());
}

TEST_CASE("while somebody holds the lock, a run waits in memory and is stored afterwards",
          "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    auto writer = TraceWriter::open(store, {milliseconds(5), milliseconds(60'000)}).value();
    const int64_t run = writer.begin_run(sample_run()).value();
    {
        const Lock lock(store, "BEGIN IMMEDIATE");
        for (int i = 0; i < 10; ++i) {
            fill(writer, {"/a/" + std::to_string(i)});
            REQUIRE(writer.commit());
            CHECK(writer.uncommitted());
        }
        CHECK(TraceReader::open(store).value().read(run).value().files.empty());
    }
    REQUIRE(writer.commit());
    CHECK_FALSE(writer.uncommitted());
    CHECK(TraceReader::open(store).value().read(run).value().files.size() == 10);
}

TEST_CASE("a lock that outlasts all patience ends the run with a sentence, and keeps what was committed",
          "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    auto writer = TraceWriter::open(store, {milliseconds(5), milliseconds(40)}).value();
    const int64_t run = writer.begin_run(sample_run()).value();
    fill(writer, {"/kept"});
    REQUIRE(writer.commit());
    result<ok> last = ok{};
    {
        const Lock lock(store, "BEGIN IMMEDIATE");
        fill(writer, {"/waits"});
        for (int i = 0; i < 1000 && last; ++i) {
            last = writer.commit();
        }
        CHECK_FALSE(writer.finish_run(sample_run()));
    }
    REQUIRE_FALSE(last);
    CHECK_THAT(last.error().message(), ContainsSubstring("another program keeps it locked"));
    const Trace trace = TraceReader::open(store).value().read(run).value();
    REQUIRE(trace.files.size() == 1);
    CHECK(trace.files[0].path == "/kept");
    CHECK_FALSE(trace.run.complete);
}

TEST_CASE("a store that may not grow any more keeps every committed access", "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string store = whole_store(directory);
    const Trace whole = TraceReader::open(store).value().read(1).value();
    const std::string said = in_child([&]() -> std::string {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{400'000, 400'000};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        return write_until_refused(store);
    });
    CHECK_THAT(said, ContainsSubstring(
                         "its disk is full, or its size has reached a limit; make room and learn again"));
    const auto committed = std::stoul(said);
    CHECK(committed > 100);
    const auto reader = TraceReader::open(store).value();
    CHECK(reader.read(2).value().files.size() == committed);
    CHECK_FALSE(reader.read(2).value().run.complete);
    CHECK(reader.read(1).value() == whole);
}

// Not under the thread sanitizer: it keeps a thread of its own, and only a process with one may enter a user namespace.
#ifndef __SANITIZE_THREAD__
TEST_CASE("a full disk keeps every committed access, and takes a run again once there is room",
          "[collector][store][damage]") {
    const TemporaryDirectory directory;
    const std::string disk = directory.path();
    const std::string store = disk + "/trace.db";
    const std::string said = in_child([&]() -> std::string {
        const uid_t user = ::geteuid();
        const gid_t group = ::getegid();
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
            return "no namespaces";
        }
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
        std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
        if (::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
            return "no tmpfs";
        }
        std::ofstream(disk + "/other") << std::string(200'000, 'x');
        const std::string refused = write_until_refused(store);
        if (refused.find("its disk is full") == std::string::npos) {
            return "not refused: " + refused;
        }
        const auto reader = TraceReader::open(store);
        if (!reader) {
            return "not readable: " + reader.error().message();
        }
        const size_t kept = reader->read(1).value().files.size();
        if (kept != std::stoul(refused) || kept == 0) {
            return "kept " + std::to_string(kept) + ", but " + refused;
        }
        std::filesystem::remove(disk + "/other");
        auto writer = TraceWriter::open(store);
        const bool again = writer && writer->begin_run(sample_run()) && writer->finish_run(sample_run());
        return again && TraceReader::open(store)->runs().value().size() == 2 ? "kept" : "not taken again";
    });
    REQUIRE_CAPABILITY(said != "no namespaces" && said != "no tmpfs", said + " for an ordinary user here");
    CHECK(said == "kept");
}
#endif

TEST_CASE("rows that do not fit together are damage, however the run is read", "[collector][store]") {
    const TemporaryDirectory directory;
    const std::string store = whole_store(directory);
    const auto& [change, told] = GENERATE(table<const char*, const char*>(
        {{"DELETE FROM path WHERE id & 0xffffffff = 3", "a path lacks its directory"},
         {"UPDATE path SET parent = 400 WHERE id & 0xffffffff = 3", "a path lacks its directory"},
         {"UPDATE path SET parent = -1 WHERE id & 0xffffffff = 3", "a path lacks its directory"},
         {"INSERT INTO path VALUES ((1 << 32) + 0xffffffff, 0, x'61')", "a path lacks its directory"},
         {"UPDATE file_access SET path = 99999", "an access to no path"},
         {"UPDATE file_access SET access = 42", "unknown access 42"}}));
    { const Lock changed(store, change); }
    INFO(change);
    for (const auto form : {TraceReader::Files::AsTexts, TraceReader::Files::AsRows}) {
        const auto trace = TraceReader::open(store).value().read(1, form);
        REQUIRE_FALSE(trace.has_value());
        CHECK_THAT(trace.error().message(), ContainsSubstring("is damaged: ") && ContainsSubstring(told));
    }
}

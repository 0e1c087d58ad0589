// Stores that earlier versions wrote. fixtures/store-v1.db holds two runs of 0.1.0: a shell script with odd
// names, every kind of access and a loss, and a `cat`. fixtures/store-v1-killed.db is one whose writers were
// killed: all is in its WAL. fixtures/store-v2.db holds a shell script with odd names, sockets and a failed lookup, and a `cat`.
// fixtures/store-v3.db holds a shell script behind the egress gateway.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <tuple>

#include <catch2/matchers/catch_matchers_string.hpp>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/captured_rows.h"
#include "collector/trace_reader.h"
#include "tests/collector/store_fixture.h"

using namespace treadline;
using namespace treadline::test;
using Catch::Matchers::ContainsSubstring;

namespace {

Trace read_run(const std::string& store, int64_t run) {
    auto reader = TraceReader::open(store);
    if (!reader) {
        FAIL(reader.error().message());
    }
    auto trace = reader->read(run);
    if (!trace) {
        FAIL(trace.error().message());
    }
    return std::move(*trace);
}

// The file accesses as version 1 stored them, by its own tables, with processes numbered within the run.
std::vector<FileAccess> v1_files(const std::string& store, int64_t run) {
    sqlite3* database = nullptr;
    sqlite3_stmt* rows = nullptr;
    REQUIRE(sqlite3_open_v2(store.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
    const std::string query =
        "SELECT f.process - (SELECT min(id) FROM process WHERE run = f.run) + 1, p.path, f.access, f.result, "
        "f.count, "
        "f.first_ns, f.last_ns, f.directory, f.created_by_run, f.gone_at_end, coalesce(r.path, x'') "
        "FROM file_access f JOIN path p ON p.id = f.path LEFT JOIN path r ON r.id = f.requested WHERE f.run "
        "= " +
        std::to_string(run) + " ORDER BY f.process, p.path, f.access, f.result";
    REQUIRE(sqlite3_prepare_v2(database, query.c_str(), -1, &rows, nullptr) == SQLITE_OK);
    const auto bytes = [&](int at) {
        const void* data = sqlite3_column_blob(rows, at);
        return data == nullptr ? std::string()
                               : std::string(static_cast<const char*>(data),
                                             static_cast<size_t>(sqlite3_column_bytes(rows, at)));
    };
    std::vector<FileAccess> files;
    while (sqlite3_step(rows) == SQLITE_ROW) {
        FileAccess access;
        access.process = sqlite3_column_int64(rows, 0);
        access.path = bytes(1);
        access.access = static_cast<AccessKind>(sqlite3_column_int(rows, 2));
        access.result = sqlite3_column_int(rows, 3);
        access.count = static_cast<uint64_t>(sqlite3_column_int64(rows, 4));
        access.first_ns = sqlite3_column_int64(rows, 5);
        access.last_ns = sqlite3_column_int64(rows, 6);
        access.directory = sqlite3_column_int(rows, 7) != 0;
        access.created_by_run = sqlite3_column_int(rows, 8) != 0;
        access.gone_at_end = sqlite3_column_int(rows, 9) != 0;
        access.requested = bytes(10);
        files.push_back(std::move(access));
    }
    sqlite3_finalize(rows);
    sqlite3_close(database);
    return files;
}

const FileAccess* find(const Trace& trace, const std::string& path, AccessKind kind) {
    const auto found = std::find_if(trace.files.begin(), trace.files.end(), [&](const FileAccess& access) {
        return access.path == path && access.access == kind && access.result == 0;
    });
    return found == trace.files.end() ? nullptr : &*found;
}

void check_first_run(const Trace& trace) {
    CHECK(trace.run.command == std::vector<std::string>{"sh", "work.sh"});
    CHECK(trace.run.exit_status == 4);
    CHECK_FALSE(trace.run.complete);
    CHECK(trace.run.lost == std::map<std::string, uint64_t>{{"io_uring", 1}});
    CHECK(trace.run.processes == 15);
    CHECK(trace.run.accesses == 389);
    REQUIRE(trace.processes.size() == 15);
    CHECK(trace.processes[0].id == 1);
    CHECK(trace.processes[0].parent == 0);
    CHECK(trace.processes[14].parent == 14);
    CHECK(trace.processes[14].exe == "/usr/bin/sleep");
    CHECK(trace.processes[14].exit_status == 0);
    const std::string out = "/tmp/fixture/shop/out";
    for (const std::string name : {"/new\nline",
                                   "/\xff"
                                   "bytes",
                                   "/st*r", "/\"quote"}) {
        REQUIRE(find(trace, out + name, AccessKind::Create) != nullptr);
        CHECK(find(trace, out + name, AccessKind::Create)->created_by_run);
        CHECK_FALSE(find(trace, out + name, AccessKind::Create)->gone_at_end);
    }
    CHECK(find(trace, out + "/gone", AccessKind::Delete)->gone_at_end);
    CHECK(find(trace, out + "/to", AccessKind::Read)->requested == out + "/link");
    REQUIRE(trace.sockets.size() == 7);
    CHECK(trace.sockets[3].address == "@no\xff"
                                      "body");
    CHECK(trace.sockets[3].result == ECONNREFUSED);
    CHECK(std::any_of(trace.syscalls.begin(), trace.syscalls.end(), [](const SyscallUse& use) {
        return use.process == 12 && use.name == "io_uring_setup" && use.number == 425;
    }));
    CHECK(trace.environment.size() == 5);
    CHECK(trace.facts == std::vector<Fact>{{13, "executed without a path", "", "memfd:in memory"}});
}

} // namespace

TEST_CASE("a store of version 1 is read whole, and not written", "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v1.db", directory);
    const std::string before = slurp(store);
    check_first_run(read_run(store, 1));
    CHECK(read_run(store, 1).files == v1_files(store, 1));
    CHECK(read_run(store, 2).files == v1_files(store, 2));
    CHECK(read_run(store, 2).processes.at(0).id == 1);
    CHECK(TraceReader::open(store).value().runs().value().size() == 2);
    CHECK_FALSE(TraceReader::open(store).value().read(3));
    CHECK(slurp(store) == before);
    CHECK(sql_number(store, "PRAGMA user_version") == 1);
}

TEST_CASE("a store of version 1 is brought up to date when a run is added, and loses nothing",
          "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v1.db", directory);
    const Trace first = read_run(store, 1);
    const Trace second = read_run(store, 2);
    {
        auto writer = TraceWriter::open(store).value();
        CHECK(writer.begin_run(sample_run()).value() == 3);
        fill(writer, {"/a"});
        REQUIRE(writer.commit());
    }
    CHECK(sql_number(store, "PRAGMA user_version") == 4);
    CHECK(sql_number(store, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'old%'") == 0);
    CHECK(read_run(store, 1) == first);
    CHECK(read_run(store, 2) == second);
    CHECK(read_run(store, 3).files.size() == 1);
    CHECK(TraceWriter::open(store)); // a second time there is nothing to do
    CHECK(read_run(store, 1) == first);
}

TEST_CASE("a store of version 1 whose writers were killed is read and migrated with what is in its WAL",
          "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v1-killed.db", directory);
    const Trace before = read_run(store, 1);
    CHECK(before.files.size() == 36);
    CHECK_FALSE(before.run.complete);
    CHECK(before.run.incomplete_because == std::vector<std::string>{"the collector did not finish"});
    CHECK(before.run.accesses == 36);
    { REQUIRE(TraceWriter::open(store)); }
    CHECK(read_run(store, 1) == before);
}

TEST_CASE("a store of version 1 on read-only media is read", "[collector][store][migration]") {
    REQUIRE_CAPABILITY(::geteuid() != 0, "root may write everywhere");
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v1.db", directory);
    const Trace before = read_run(store, 1);
    std::filesystem::remove(store + "-wal");
    std::filesystem::remove(store + "-shm");
    REQUIRE(::chmod(store.c_str(), 0400) == 0);
    REQUIRE(::chmod(directory.path().c_str(), 0500) == 0);
    const Trace after = read_run(store, 1);
    const auto refused = TraceWriter::open(store);
    REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
    CHECK(after == before);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message(), ContainsSubstring("read-only"));
}

TEST_CASE("a migration that has no room leaves the store as it was", "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v1.db", directory);
    const std::string before = slurp(store);
    const Trace first = read_run(store, 1);
    for (const rlim_t room : {8'000, 50'000, 100'000}) {
        CAPTURE(room);
        const std::string refusal = in_child([&]() -> std::string {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{room, room}; // of the WAL, which takes the changes
            ::setrlimit(RLIMIT_FSIZE, &limit);
            const auto writer = TraceWriter::open(store);
            return writer ? "migrated" : writer.error().message();
        });
        CHECK_THAT(refusal,
                   ContainsSubstring("its disk is full, or its size has reached a limit; make room"));
        CHECK(slurp(store) == before);
        CHECK(sql_number(store, "PRAGMA user_version") == 1);
        CHECK(read_run(store, 1) == first);
    }
}

TEST_CASE("processes that migrate one store at once all find it migrated", "[collector][store][migration]") {
    for (int round = 0; round < 5; ++round) {
        const TemporaryDirectory directory;
        const std::string store = copy_of_fixture("store-v1.db", directory);
        const Trace first = read_run(store, 1);
        std::vector<pid_t> children;
        for (int i = 0; i < 4; ++i) {
            children.push_back(::fork());
            REQUIRE(children.back() >= 0);
            if (children.back() == 0) {
                auto writer = TraceWriter::open(store);
                ::_exit(writer && writer->begin_run(sample_run()) ? 0 : 1);
            }
        }
        for (const pid_t child : children) {
            int status = 0;
            REQUIRE(::waitpid(child, &status, 0) == child);
            CHECK(status == 0);
        }
        CHECK(TraceReader::open(store).value().runs().value().size() == 6);
        CHECK(read_run(store, 1) == first);
    }
}

TEST_CASE("a migration that is killed at any moment has happened or has not",
          "[collector][store][migration]") {
    int old = 0;
    for (int round = 0; round < 30; ++round) {
        const TemporaryDirectory directory;
        const std::string store = copy_of_fixture("store-v1.db", directory);
        const Trace first = read_run(store, 1);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const auto writer = TraceWriter::open(store);
            ::_exit(0);
        }
        ::usleep(static_cast<useconds_t>(round) * 700);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        const int64_t version = sql_number(store, "PRAGMA user_version");
        old += version == 1 ? 1 : 0;
        CHECK((version == 1 || version == 4));
        CHECK(read_run(store, 1) == first);
        CHECK(TraceWriter::open(store));
        CHECK(read_run(store, 1) == first);
    }
    CHECK(old > 0); // the first was killed before it could begin
}

TEST_CASE("a store of version 2 is read whole, and brought up to date with nothing lost when a run is added", "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v2.db", directory);
    const std::string bytes = slurp(store);
    const Trace first = read_run(store, 1);
    const Trace second = read_run(store, 2);
    CHECK(first.run.network == "host");
    CHECK(first.run.exit_status == 4);
    CHECK(first.run.accesses == 342);
    CHECK(first.processes.size() == 9);
    CHECK(first.files.size() == 522);
    CHECK(first.sockets.size() == 6);
    CHECK(first.names.at(0).name == "no.such.example");
    CHECK(first.exchanges.empty());
    CHECK(find(first, "/tmp/fixture/shop/out/new\nline", AccessKind::Create)->created_by_run);
    CHECK(second.run.complete);
    CHECK(slurp(store) == bytes);
    {
        auto writer = TraceWriter::open(store).value();
        CHECK(writer.begin_run(sample_run()).value() == 3);
        fill(writer, {"/a"});
        REQUIRE(writer.commit());
    }
    CHECK(sql_number(store, "PRAGMA user_version") == 4);
    CHECK(read_run(store, 1) == first);
    CHECK(read_run(store, 2) == second);
    CHECK(read_run(store, 3).files.size() == 1);
}

TEST_CASE("a store of version 3 is read whole, and brought up to date with nothing lost when exchanges are captured", "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string store = copy_of_fixture("store-v3.db", directory);
    const std::string bytes = slurp(store);
    const Trace first = read_run(store, 1);
    CHECK(first.run.network == "gateway");
    CHECK(first.run.exit_status == 4);
    CHECK(first.run.complete);
    CHECK(first.processes.size() == 4);
    REQUIRE(first.exchanges.size() == 4);
    CHECK(first.exchanges[0].result == ECONNREFUSED);
    CHECK(std::any_of(first.exchanges.begin(), first.exchanges.end(), [](const Exchange& one) { return one.path == "/work.sh" && one.method == "GET"; }));
    const auto none = read_captured(store, 1);
    REQUIRE_FALSE(none);
    CHECK_THAT(none.error().message(), ContainsSubstring("no exchanges were captured in run 1"));
    CHECK(slurp(store) == bytes);
    CHECK(store_captured(store, sample_run(), {CapturedExchange()}).value() == 2);
    CHECK(sql_number(store, "PRAGMA user_version") == 4);
    CHECK(read_run(store, 1) == first);
    CHECK(read_captured(store, 2).value().exchanges.size() == 1);
}

TEST_CASE("what was captured is read as it was stored, by its run alone, and is a run of which nothing was traced", "[collector][store]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    CapturedExchange one;
    one.host = "api.test";
    one.port = 443;
    one.secure = true;
    one.method = "POST";
    one.target = "/a?x=\xff";
    one.conditions = "range: bytes=0-1\n";
    one.accept = "*/*";
    one.body_digest = std::string(64, 'a');
    one.status = 206;
    one.reason = "caf\xe9";
    one.fields = "X: y\n";
    one.body = std::string("\0\r\n\xff", 4);
    CapturedExchange two;
    two.host = "other.test";
    two.unusable = "its answer was broken off";
    RunInfo about = sample_run();
    about.exit_status = 7;
    about.duration_ms = 1500;
    const int64_t first = store_captured(store, about, {one, two}).value();
    const int64_t second = store_captured(store, about, {two}).value();
    const CapturedRun captured = read_captured(store, first).value();
    CHECK(captured.exchanges == std::vector<CapturedExchange>{one, two});
    CHECK(read_captured(store, second).value().exchanges == std::vector<CapturedExchange>{two});
    CHECK(captured.run.probes == nothing_traced);
    CHECK(captured.run.exit_status == 7);
    CHECK(captured.run.duration_ms == 1500);
    CHECK(captured.run.complete);
    CHECK(captured.run.accesses == 0);
    CHECK(read_run(store, first).files.empty());
    CHECK_FALSE(read_captured(store, second + 1));
}

TEST_CASE("a store that was migrated has the tables of a new one", "[collector][store][migration]") {
    const TemporaryDirectory directory;
    const std::string fresh = directory / "new.db";
    { REQUIRE(TraceWriter::open(fresh)); }
    const auto columns = [](const std::string& store) {
        return sql_text(store, "SELECT group_concat(t || c, ' ') FROM (SELECT m.name AS t, '.' || p.name || p.type || p.\"notnull\" || "
                               "coalesce(p.dflt_value, '') || p.pk AS c FROM sqlite_schema m, pragma_table_info(m.name) p "
                               "WHERE m.type = 'table' ORDER BY m.name, p.cid)");
    };
    for (const char* fixture : {"store-v1.db", "store-v2.db", "store-v3.db"}) {
        const std::string old = copy_of_fixture(fixture, directory);
        { REQUIRE(TraceWriter::open(old)); }
        CHECK(columns(old) == columns(fresh));
    }
}

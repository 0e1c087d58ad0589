#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <sqlite3.h>

#include "collector/trace_reader.h"
#include "collector/trace_writer.h"
#include "tests/support/support.h"

using namespace treadline;
using namespace treadline::test;

namespace {

RunInfo sample_run() {
    RunInfo run;
    run.started_unix_ms = 1'700'000'000'000;
    run.command = {"npm", "test", "bad \xff byte"};
    run.cwd = "/home/u/p";
    run.project = "/home/u/p";
    run.home = "/home/u";
    run.user = "u";
    run.uid = 1000;
    run.hostname = "host";
    run.kernel = "6.1.0";
    run.landlock_abi = 2;
    run.probes = "tracepoint";
    return run;
}

void fill(TraceWriter& writer, const std::vector<std::string>& paths) {
    ProcessImage process;
    process.pid = 42;
    process.exe = "/usr/bin/node\n\xff";
    process.argv = {"node", ""};
    process.started_ns = 5;
    const int64_t id = writer.add_process(process).value();
    for (const std::string& path : paths) {
        FileAccess access;
        access.process = id;
        access.access = AccessKind::Write;
        access.first_ns = access.last_ns = 9;
        const int64_t path_id = writer.path_id(path).value();
        REQUIRE(writer.add_file(access, path_id, writer.path_id("/link").value()));
    }
    SocketAccess socket;
    socket.process = id;
    socket.operation = "connect";
    socket.protocol = "unix";
    socket.address = std::string("@a\0b", 4);
    REQUIRE(writer.add_socket(socket));
    REQUIRE(writer.add_syscall({id, 257, "openat"}));
    REQUIRE(writer.add_environment({id, "PATH"}));
    REQUIRE(writer.end_process(id, 77, 3));
}

void sql(const std::string& path, const std::string& text) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

std::string refusal(const std::string& path) {
    const auto reader = TraceReader::open(path);
    REQUIRE_FALSE(reader);
    return reader.error().message();
}

} // namespace

TEST_CASE("what is written is read back, field by field", "[collector][store]") {
    const TemporaryDirectory directory;
    auto writer = TraceWriter::open(directory / "trace.db").value();
    RunInfo run = sample_run();
    run.id = writer.begin_run(run).value();
    fill(writer, {"/tmp/a", "/tmp/b\xfe"});
    run.duration_ms = 1234;
    run.exit_status = 3;
    run.incomplete_because = {"a reason"};
    run.lost = {{"ring full", 2}};
    run.certificate = "{}";
    REQUIRE(writer.finish_run(run));

    const Trace trace = TraceReader::open(directory / "trace.db").value().read(run.id).value();
    CHECK(trace.run.command == std::vector<std::string>{"npm", "test", "bad \xef\xbf\xbd byte"});
    CHECK(trace.run.started_unix_ms == run.started_unix_ms);
    CHECK(trace.run.duration_ms == 1234);
    CHECK(trace.run.cwd == run.cwd);
    CHECK(trace.run.home == run.home);
    CHECK(trace.run.user == "u");
    CHECK(trace.run.uid == 1000);
    CHECK(trace.run.hostname == "host");
    CHECK(trace.run.kernel == "6.1.0");
    CHECK(trace.run.landlock_abi == 2);
    CHECK(trace.run.exit_status == 3);
    CHECK_FALSE(trace.run.complete);
    CHECK(trace.run.incomplete_because == run.incomplete_because);
    CHECK(trace.run.lost == run.lost);
    CHECK(trace.run.certificate == "{}");
    CHECK(trace.run.processes == 1);
    CHECK(trace.run.accesses == 3);
    REQUIRE(trace.processes.size() == 1);
    CHECK(trace.processes[0].exe == "/usr/bin/node\n\xff");
    CHECK(trace.processes[0].argv == std::vector<std::string>{"node", ""});
    CHECK(trace.processes[0].ended_ns == 77);
    CHECK(trace.processes[0].exit_status == 3);
    REQUIRE(trace.files.size() == 2);
    CHECK(trace.files[1].path == "/tmp/b\xfe");
    CHECK(trace.files[1].access == AccessKind::Write);
    CHECK(trace.files[1].requested == "/link");
    REQUIRE(trace.sockets.size() == 1);
    CHECK(trace.sockets[0].address == std::string("@a\0b", 4));
    CHECK(trace.syscalls.at(0).name == "openat");
    CHECK(trace.environment.at(0).name == "PATH");
}

TEST_CASE("a repeated access adds its count and widens its times", "[collector][store]") {
    const TemporaryDirectory directory;
    auto writer = TraceWriter::open(directory / "trace.db").value();
    const int64_t run = writer.begin_run(sample_run()).value();
    const int64_t process = writer.add_process({}).value();
    const int64_t path = writer.path_id("/a").value();
    FileAccess access;
    access.process = process;
    access.count = 2;
    access.first_ns = access.last_ns = 10;
    REQUIRE(writer.add_file(access, path, 0));
    access.count = 5;
    access.first_ns = access.last_ns = 20;
    REQUIRE(writer.add_file(access, path, 0));
    REQUIRE(writer.commit());
    const Trace trace = TraceReader::open(directory / "trace.db").value().read(run).value();
    REQUIRE(trace.files.size() == 1);
    CHECK(trace.files[0].count == 7);
    CHECK(trace.files[0].first_ns == 10);
    CHECK(trace.files[0].last_ns == 20);
}

TEST_CASE("the order of reading does not depend on the order of writing", "[collector][store]") {
    const TemporaryDirectory directory;
    for (const auto& [name, paths] : {std::pair("1.db", std::vector<std::string>{"/b", "/a", "/c"}),
                                      std::pair("2.db", std::vector<std::string>{"/c", "/b", "/a"})}) {
        auto writer = TraceWriter::open(directory / name).value();
        const int64_t run = writer.begin_run(sample_run()).value();
        fill(writer, paths);
        REQUIRE(writer.commit());
        const Trace trace = TraceReader::open(directory / name).value().read(run).value();
        REQUIRE(trace.files.size() == 3);
        CHECK(trace.files[0].path == "/a");
        CHECK(trace.files[1].path == "/b");
        CHECK(trace.files[2].path == "/c");
    }
}

TEST_CASE("a run that was never finished is partial and says so", "[collector][store]") {
    const TemporaryDirectory directory;
    {
        auto writer = TraceWriter::open(directory / "trace.db").value();
        REQUIRE(writer.begin_run(sample_run()));
    }
    const auto runs = TraceReader::open(directory / "trace.db").value().runs().value();
    REQUIRE(runs.size() == 1);
    CHECK_FALSE(runs[0].complete);
    CHECK(runs[0].duration_ms == std::nullopt);
    CHECK(runs[0].incomplete_because == std::vector<std::string>{"the collector did not finish"});

    REQUIRE(TraceWriter::abandon_run(directory / "trace.db", runs[0].id, 50, 9, "the collector died"));
    const auto after = TraceReader::open(directory / "trace.db").value().runs().value();
    CHECK_FALSE(after[0].complete);
    CHECK(after[0].duration_ms == 50);
    CHECK(after[0].exit_status == 9);
    CHECK(after[0].incomplete_because == std::vector<std::string>{"the collector died"});
}

TEST_CASE("two writers share a store", "[collector][store]") {
    const TemporaryDirectory directory;
    auto first = TraceWriter::open(directory / "trace.db").value();
    auto second = TraceWriter::open(directory / "trace.db").value();
    const int64_t one = first.begin_run(sample_run()).value();
    const int64_t two = second.begin_run(sample_run()).value();
    CHECK(one != two);
    fill(first, {"/a"});
    REQUIRE(first.commit());
    fill(second, {"/a"});
    REQUIRE(second.commit());
    const auto reader = TraceReader::open(directory / "trace.db").value();
    CHECK(reader.read(one).value().files.size() == 1);
    CHECK(reader.read(two).value().files.size() == 1);
    CHECK_FALSE(reader.read(two + 1));
}

TEST_CASE("a file that is no store of this version is refused with what to do", "[collector][store]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    CHECK(refusal(store).find("there is no trace store") == 0);

    { auto writer = TraceWriter::open(store).value(); }
    sql(store, "PRAGMA user_version = 2");
    CHECK(refusal(store).find("was written by a newer Treadline (store version 2, this one knows 1)") !=
          std::string::npos);
    CHECK_FALSE(TraceWriter::open(store));
    sql(store, "PRAGMA user_version = 0");
    CHECK(refusal(store).find("is of an unknown version 0") != std::string::npos);

    const std::string text = directory.write("notes.txt", std::string(5000, 'x'));
    CHECK(refusal(text).find("is not a trace store (not a database)") != std::string::npos);
    CHECK_FALSE(TraceWriter::open(text));
    CHECK(slurp(text) == std::string(5000, 'x')); // untouched

    sql(directory / "other.db", "CREATE TABLE t (x); PRAGMA application_id = 7;");
    CHECK(refusal(directory / "other.db").find("is a database, but no trace store") != std::string::npos);
    CHECK_FALSE(TraceWriter::open(directory / "other.db"));

    directory.write("empty.db", "");
    CHECK(refusal(directory / "empty.db").find("is empty, not a trace store") != std::string::npos);
}

TEST_CASE("a truncated store is an error wherever it was cut, never a crash", "[collector][store]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    {
        auto writer = TraceWriter::open(store).value();
        REQUIRE(writer.begin_run(sample_run()));
        std::vector<std::string> paths;
        for (int i = 0; i < 500; ++i) {
            paths.push_back("/some/long/path/" + std::to_string(i));
        }
        fill(writer, paths);
        REQUIRE(writer.commit());
    } // the last close folds the WAL in
    const auto whole = std::filesystem::file_size(store);
    REQUIRE(whole > 20'000);
    for (const double share : {0.01, 0.1, 0.5, 0.9}) {
        const std::string cut = directory / "cut.db";
        std::filesystem::copy_file(store, cut, std::filesystem::copy_options::overwrite_existing);
        std::filesystem::resize_file(cut, static_cast<uintmax_t>(static_cast<double>(whole) * share));
        CAPTURE(share);
        const auto reader = TraceReader::open(cut);
        CHECK((!reader || !reader->read(1)));
    }
}

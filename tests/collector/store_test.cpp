#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

#include "collector/trace_reader.h"
#include "collector/trace_writer.h"
#include "tests/collector/store_fixture.h"

using namespace treadline;
using namespace treadline::test;

namespace {

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

TEST_CASE("read as rows, accesses name the same paths", "[collector][store]") {
    const TemporaryDirectory directory;
    auto writer = TraceWriter::open(directory / "trace.db").value();
    const RunInfo run = sample_run();
    const int64_t id = writer.begin_run(run).value();
    fill(writer, {"/tmp/a", "/tmp/b\xfe", "/", "/tmp", "memfd:x", "/tmp/c/d/e"});
    REQUIRE(writer.commit());

    const TraceReader reader = TraceReader::open(directory / "trace.db").value();
    const Trace texts = reader.read(id).value();
    Trace rows = reader.read(id, TraceReader::Files::AsRows).value();
    CHECK(rows.files.empty());
    CHECK(texts.rows.empty());
    REQUIRE(rows.rows.size() == texts.files.size());
    for (const AccessRow& row : rows.rows) {
        const std::string path = rows.paths.text(row.path);
        const auto same =
            std::count_if(texts.files.begin(), texts.files.end(), [&](const FileAccess& access) {
                return access.path == path && access.access == row.access && access.process == row.process &&
                       access.count == row.count && access.result == row.result &&
                       access.would_create == row.would_create && access.exclusive == row.exclusive &&
                       access.through_made_link == row.through_made_link;
            });
        INFO(path);
        CHECK(same == 1);
    }
    rows.files = texts.files;
    rows.rows.clear();
    rows.paths = {};
    CHECK(rows == texts);
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

TEST_CASE("what a name fits, what was looked at and what else is known are read back", "[collector][store]") {
    const TemporaryDirectory directory;
    auto writer = TraceWriter::open(directory / "trace.db").value();
    const int64_t run = writer.begin_run(sample_run()).value();
    const int64_t process = writer.add_process({}).value();
    FileAccess access;
    access.process = process;
    access.access = AccessKind::Stat;
    access.result = ENOENT;
    REQUIRE(writer.add_file(access, writer.path_id("/none").value(), 0));
    access.access = AccessKind::Write;
    access.result = 0;
    access.would_create = access.exclusive = access.through_made_link = true;
    REQUIRE(writer.add_file(access, writer.path_id("/there").value(), 0));
    access.would_create = access.exclusive = access.through_made_link = false; // once is enough
    REQUIRE(writer.add_file(access, writer.path_id("/there").value(), 0));
    SocketAccess socket;
    socket.process = process;
    socket.operation = "connect";
    socket.protocol = "tcp";
    socket.address = "192.0.2.1";
    socket.port = 443;
    socket.candidates = {"a.example.org", "b.example.org"};
    REQUIRE(writer.add_socket(socket));
    socket.candidates.clear(); // a repeat, which knows nothing new
    REQUIRE(writer.add_socket(socket));
    REQUIRE(writer.add_environment({process, "READ", true}));
    REQUIRE(writer.add_environment({process, "READ", false}));
    REQUIRE(writer.add_environment({process, "PRESENT", false}));
    REQUIRE(writer.add_name_lookup(process, "a.example.org", "192.0.2.1"));
    REQUIRE(writer.add_name_lookup(process, "a.example.org", "192.0.2.1"));
    REQUIRE(writer.add_name_lookup(process, "a.example.org", "192.0.2.2"));
    REQUIRE(writer.add_name_lookup(process, "none.example.org", ""));
    REQUIRE(writer.add_fact(process, "written then executed", writer.path_id("/there").value(), "x"));
    REQUIRE(writer.add_fact(0, "of the whole run", 0, ""));
    REQUIRE(writer.commit());

    const Trace trace = TraceReader::open(directory / "trace.db").value().read(run).value();
    REQUIRE(trace.files.size() == 2);
    CHECK(trace.files[0].access == AccessKind::Stat);
    CHECK(trace.files[0].result == ENOENT);
    CHECK_FALSE(trace.files[0].would_create);
    CHECK_FALSE(trace.files[0].exclusive);
    CHECK_FALSE(trace.files[0].through_made_link);
    CHECK(trace.files[1].would_create);
    CHECK(trace.files[1].exclusive);
    CHECK(trace.files[1].through_made_link);
    REQUIRE(trace.sockets.size() == 1);
    CHECK(trace.sockets[0].host.empty());
    CHECK(trace.sockets[0].count == 2);
    CHECK(trace.sockets[0].candidates == std::vector<std::string>{"a.example.org", "b.example.org"});
    REQUIRE(trace.environment.size() == 2);
    CHECK(trace.environment[0].name == "PRESENT");
    CHECK_FALSE(trace.environment[0].read);
    CHECK(trace.environment[1].read);
    REQUIRE(trace.names.size() == 2);
    CHECK(trace.names[0].name == "a.example.org");
    CHECK(trace.names[0].addresses == std::vector<std::string>{"192.0.2.1", "192.0.2.2"});
    CHECK(trace.names[1].name == "none.example.org");
    CHECK(trace.names[1].addresses.empty());
    REQUIRE(trace.facts.size() == 2);
    CHECK(trace.facts[0].process == 0);
    CHECK(trace.facts[0].kind == "of the whole run");
    CHECK(trace.facts[1].process == process);
    CHECK(trace.facts[1].path == "/there");
    CHECK(trace.facts[1].value == "x");
    CHECK(trace.run.accesses == 2); // the one that was only looked at is apart
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

TEST_CASE("processes that make one store and write to it at once lose nothing", "[collector][store]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
        children.push_back(::fork());
        REQUIRE(children.back() >= 0);
        if (children.back() == 0) {
            auto writer = TraceWriter::open(store);
            if (!writer) {
                std::fprintf(stderr, "%s\n", writer.error().message().c_str());
            }
            bool good = writer && writer->begin_run(sample_run());
            for (int commit = 0; good && commit < 20; ++commit) {
                for (int file = 0; file < 100; ++file) {
                    FileAccess access;
                    access.process = 1;
                    const auto path = writer->path_id("/d/" + std::to_string(i) + "/" +
                                                      std::to_string(commit * 100 + file));
                    good = good && writer->add_file(access, *path, 0);
                }
                good = good && writer->commit();
            }
            good = good && writer->finish_run(sample_run());
            ::_exit(good ? 0 : 1);
        }
    }
    for (const pid_t child : children) {
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    const auto reader = TraceReader::open(store).value();
    REQUIRE(reader.runs().value().size() == 4);
    std::set<std::string> paths;
    for (int run = 1; run <= 4; ++run) {
        const Trace trace = reader.read(run).value();
        for (const FileAccess& access : trace.files) {
            paths.insert(access.path);
        }
        CHECK(trace.run.accesses == 2000);
    }
    CHECK(paths.size() == 8000);
}

TEST_CASE("what is gone is marked for every process that used it, and nothing else is",
          "[collector][store]") {
    const TemporaryDirectory directory;
    auto writer = TraceWriter::open(directory / "trace.db").value();
    const int64_t run = writer.begin_run(sample_run()).value();
    const auto add = [&](int64_t process, const char* path, AccessKind kind, int result) {
        FileAccess access;
        access.process = process;
        access.access = kind;
        access.result = result;
        REQUIRE(writer.add_file(access, writer.path_id(path).value(), 0));
    };
    add(1, "/gone", AccessKind::Create, 0);
    add(2, "/gone", AccessKind::Read, 0);
    add(2, "/gone", AccessKind::Write, EACCES);
    add(1, "/there", AccessKind::Read, 0);
    REQUIRE(writer.commit()); // some are stored already
    add(3, "/gone", AccessKind::Delete, 0);
    add(1, "/never-there", AccessKind::Read, ENOENT);
    add(1, "/looked-at", AccessKind::Stat, 0);
    add(1, "/proc/1", AccessKind::Read, 0);
    std::vector<std::string> asked;
    const auto is_gone = [&](const std::string& path) -> std::optional<bool> {
        asked.push_back(path);
        return path == "/proc/1" ? std::nullopt : std::optional(path == "/gone");
    };
    CHECK(writer.mark_gone(is_gone, 100).value() == 0);
    CHECK(asked == std::vector<std::string>{"/gone", "/there", "/proc/1"});
    REQUIRE(writer.commit());
    const Trace trace = TraceReader::open(directory / "trace.db").value().read(run).value();
    for (const FileAccess& access : trace.files) {
        CAPTURE(access.path, access.process, access.result);
        CHECK(access.gone_at_end == (access.path == "/gone" && access.result == 0));
    }
    asked.clear();
    CHECK(writer.mark_gone(is_gone, 1).value() == 2); // no more than one answer
    CHECK(asked.size() == 1);
}

TEST_CASE("a file that is no store of this version is refused with what to do", "[collector][store]") {
    const TemporaryDirectory directory;
    const std::string store = directory / "trace.db";
    CHECK(refusal(store).find("there is no trace store") == 0);

    { auto writer = TraceWriter::open(store).value(); }
    sql(store, "PRAGMA user_version = 5");
    CHECK(refusal(store).find("was written by a newer Treadline (store version 5, this one knows 4)") !=
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

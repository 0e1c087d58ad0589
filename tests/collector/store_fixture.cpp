#include "tests/collector/store_fixture.h"

#include <array>
#include <filesystem>

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

namespace treadline::test {

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

std::vector<std::string> numbered_paths(int count) {
    std::vector<std::string> paths;
    for (int i = 0; i < count; ++i) {
        paths.push_back("/some/long/path/" + std::to_string(i));
    }
    return paths;
}

std::string copy_of_fixture(const std::string& name, const TemporaryDirectory& directory) {
    namespace fs = std::filesystem;
    const fs::path from = fs::path(TREADLINE_FIXTURES) / name;
    const std::string to = directory / "trace.db";
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
    fs::permissions(to, fs::perms::owner_read | fs::perms::owner_write);
    if (fs::exists(from.string() + "-wal")) {
        fs::copy_file(from.string() + "-wal", to + "-wal", fs::copy_options::overwrite_existing);
        fs::permissions(to + "-wal", fs::perms::owner_read | fs::perms::owner_write);
    }
    return to;
}

void sql(const std::string& path, const std::string& text) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

std::string sql_text(const std::string& path, const std::string& query) {
    sqlite3* database = nullptr;
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_prepare_v2(database, query.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    const std::string text(reinterpret_cast<const char*>(sqlite3_column_text(statement, 0)));
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return text;
}

int64_t sql_number(const std::string& path, const std::string& query) {
    return std::stoll(sql_text(path, query));
}

std::string in_child(const std::function<std::string()>& work) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const std::string text = work();
        const bool written = ::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
        ::_exit(written ? 0 : 1);
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
        text.append(buffer.data(), static_cast<size_t>(got));
    }
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    return text;
}

} // namespace treadline::test

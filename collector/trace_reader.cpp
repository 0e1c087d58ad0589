#include "collector/trace_reader.h"

#include <nlohmann/json.hpp>
#include <sqlite3.h>
#include <unistd.h>

#include "collector/sqlite_statement.h"
#include "collector/store_schema.h"

namespace treadline {
namespace {

using sqlite::Statement;

result<std::vector<std::string>> string_array(const std::string& text) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    std::vector<std::string> texts;
    if (!json.is_array()) {
        return fail("the trace store is damaged: a list is not one");
    }
    for (const auto& item : json) {
        if (!item.is_string()) {
            return fail("the trace store is damaged: a list holds something else than texts");
        }
        texts.push_back(item.get<std::string>());
    }
    return texts;
}

constexpr const char* run_columns =
    "SELECT id, started_unix_ms, duration_ms, command, cwd, project, home, user, uid, hostname, kernel, "
    "landlock_abi, "
    "probes, exit_status, complete, incomplete_because, coalesce(certificate, ''), "
    "(SELECT count(*) FROM process WHERE run = run.id), "
    "(SELECT count(*) FROM file_access WHERE run = run.id) + (SELECT count(*) FROM socket_access WHERE run = "
    "run.id) "
    "FROM run";

result<RunInfo> run_from(const Statement& row, Statement& losses) {
    RunInfo run;
    run.id = row.column_integer(0);
    run.started_unix_ms = row.column_integer(1);
    if (!row.column_null(2)) {
        run.duration_ms = row.column_integer(2);
    }
    run.command = TRY(string_array(row.column_bytes(3)));
    run.cwd = row.column_bytes(4);
    run.project = row.column_bytes(5);
    run.home = row.column_bytes(6);
    run.user = row.column_bytes(7);
    run.uid = static_cast<uint32_t>(row.column_integer(8));
    run.hostname = row.column_bytes(9);
    run.kernel = row.column_bytes(10);
    run.landlock_abi = static_cast<int>(row.column_integer(11));
    run.probes = row.column_bytes(12);
    if (!row.column_null(13)) {
        run.exit_status = static_cast<int32_t>(row.column_integer(13));
    }
    run.complete = row.column_integer(14) != 0;
    run.incomplete_because = TRY(string_array(row.column_bytes(15)));
    run.certificate = row.column_bytes(16);
    run.processes = static_cast<uint64_t>(row.column_integer(17));
    run.accesses = static_cast<uint64_t>(row.column_integer(18));
    losses.integer(1, run.id);
    while (TRY(losses.step())) {
        run.lost[losses.column_bytes(0)] = static_cast<uint64_t>(losses.column_integer(1));
    }
    losses.reset();
    return run;
}

result<Statement> prepare_losses(sqlite3* database) {
    return Statement::prepare(database, "SELECT cause, count FROM loss WHERE run = ?1 ORDER BY cause");
}

result<ok> read_processes(sqlite3* database, Trace& trace) {
    auto rows =
        TRY(Statement::prepare(database, "SELECT id, coalesce(parent, 0), pid, exe, argv, started_ns, "
                                         "ended_ns, exit_status FROM process WHERE run = ?1 ORDER BY id"));
    rows.integer(1, trace.run.id);
    while (TRY(rows.step())) {
        ProcessImage process;
        process.id = rows.column_integer(0);
        process.parent = rows.column_integer(1);
        process.pid = static_cast<int32_t>(rows.column_integer(2));
        process.exe = rows.column_bytes(3);
        process.argv = TRY(string_array(rows.column_bytes(4)));
        process.started_ns = rows.column_integer(5);
        if (!rows.column_null(6)) {
            process.ended_ns = rows.column_integer(6);
        }
        if (!rows.column_null(7)) {
            process.exit_status = static_cast<int32_t>(rows.column_integer(7));
        }
        trace.processes.push_back(std::move(process));
    }
    return ok{};
}

result<ok> read_files(sqlite3* database, Trace& trace) {
    // By path text, not by path id: the order must not depend on which run met a path first.
    auto rows = TRY(Statement::prepare(
        database,
        "SELECT f.process, p.path, f.access, f.result, f.count, f.first_ns, f.last_ns, f.directory, "
        "f.created_by_run, f.gone_at_end, coalesce(r.path, x'') FROM file_access f "
        "JOIN path p ON p.id = f.path LEFT JOIN path r ON r.id = f.requested WHERE f.run = ?1 "
        "ORDER BY f.process, p.path, f.access, f.result"));
    rows.integer(1, trace.run.id);
    while (TRY(rows.step())) {
        FileAccess access;
        access.process = rows.column_integer(0);
        access.path = rows.column_bytes(1);
        const int64_t kind = rows.column_integer(2);
        if (kind < 0 || kind > static_cast<int64_t>(AccessKind::Connect)) {
            return fail("the trace store is damaged: unknown access " + std::to_string(kind));
        }
        access.access = static_cast<AccessKind>(kind);
        access.result = static_cast<int32_t>(rows.column_integer(3));
        access.count = static_cast<uint64_t>(rows.column_integer(4));
        access.first_ns = rows.column_integer(5);
        access.last_ns = rows.column_integer(6);
        access.directory = rows.column_integer(7) != 0;
        access.created_by_run = rows.column_integer(8) != 0;
        access.gone_at_end = rows.column_integer(9) != 0;
        access.requested = rows.column_bytes(10);
        trace.files.push_back(std::move(access));
    }
    return ok{};
}

result<ok> read_sockets(sqlite3* database, Trace& trace) {
    auto rows = TRY(Statement::prepare(
        database,
        "SELECT process, operation, protocol, address, port, host, result, count, first_ns, last_ns "
        "FROM socket_access WHERE run = ?1 ORDER BY process, operation, protocol, address, port, host, "
        "result"));
    rows.integer(1, trace.run.id);
    while (TRY(rows.step())) {
        trace.sockets.push_back({rows.column_integer(0), rows.column_bytes(1), rows.column_bytes(2),
                                 rows.column_bytes(3), static_cast<uint16_t>(rows.column_integer(4)),
                                 rows.column_bytes(5), static_cast<int32_t>(rows.column_integer(6)),
                                 static_cast<uint64_t>(rows.column_integer(7)), rows.column_integer(8),
                                 rows.column_integer(9)});
    }
    return ok{};
}

result<ok> read_names(sqlite3* database, Trace& trace) {
    auto calls = TRY(Statement::prepare(
        database, "SELECT process, number, name FROM syscall_use WHERE run = ?1 ORDER BY process, number"));
    calls.integer(1, trace.run.id);
    while (TRY(calls.step())) {
        trace.syscalls.push_back(
            {calls.column_integer(0), static_cast<int32_t>(calls.column_integer(1)), calls.column_bytes(2)});
    }
    auto variables = TRY(Statement::prepare(
        database, "SELECT process, name FROM environment_name WHERE run = ?1 ORDER BY process, name"));
    variables.integer(1, trace.run.id);
    while (TRY(variables.step())) {
        trace.environment.push_back({variables.column_integer(0), variables.column_bytes(1)});
    }
    auto lookups = TRY(Statement::prepare(
        database,
        "SELECT process, name, address FROM name_lookup WHERE run = ?1 ORDER BY process, name, address"));
    lookups.integer(1, trace.run.id);
    while (TRY(lookups.step())) {
        const int64_t process = lookups.column_integer(0);
        std::string name = lookups.column_bytes(1);
        if (trace.names.empty() || trace.names.back().process != process || trace.names.back().name != name) {
            trace.names.push_back({process, std::move(name), {}});
        }
        if (std::string address = lookups.column_bytes(2); !address.empty()) {
            trace.names.back().addresses.push_back(std::move(address));
        }
    }
    return ok{};
}

} // namespace

void TraceReader::Close::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

TraceReader::TraceReader(std::unique_ptr<sqlite3, Close> database) : database_(std::move(database)) {}
TraceReader::TraceReader(TraceReader&&) noexcept = default;
TraceReader& TraceReader::operator=(TraceReader&&) noexcept = default;
TraceReader::~TraceReader() = default;

result<TraceReader> TraceReader::open(const std::string& path) {
    if (::access(path.c_str(), R_OK) != 0) {
        if (errno == ENOENT) {
            return fail_errno("there is no trace store '" + path + "' yet (`treadline learn` makes it)");
        }
        return fail_errno("cannot read the trace store '" + path + "'");
    }
    auto database = TRY(sqlite::open_database(path, SQLITE_OPEN_READONLY));
    if (!TRY(check_store(database.get(), path))) {
        return fail("'" + path + "' is empty, not a trace store; run `treadline learn` first");
    }
    return TraceReader(std::unique_ptr<sqlite3, Close>(database.release()));
}

result<std::vector<RunInfo>> TraceReader::runs() const {
    auto rows = TRY(Statement::prepare(database_.get(), std::string(run_columns) + " ORDER BY id"));
    auto losses = TRY(prepare_losses(database_.get()));
    std::vector<RunInfo> runs;
    while (TRY(rows.step())) {
        runs.push_back(TRY(run_from(rows, losses)));
    }
    return runs;
}

result<Trace> TraceReader::read(int64_t run) const {
    sqlite3* database = database_.get();
    // One view of the store, also beside a collector that goes on writing.
    TRY(sqlite::execute(database, "BEGIN"));
    const auto read_all = [&]() -> result<Trace> {
        auto rows = TRY(Statement::prepare(database, std::string(run_columns) + " WHERE id = ?1"));
        auto losses = TRY(prepare_losses(database));
        rows.integer(1, run);
        if (!TRY(rows.step())) {
            return fail("there is no run " + std::to_string(run) +
                        " in the trace store; `treadline runs` lists them");
        }
        Trace trace;
        trace.run = TRY(run_from(rows, losses));
        rows.reset();
        TRY(read_processes(database, trace));
        TRY(read_files(database, trace));
        TRY(read_sockets(database, trace));
        TRY(read_names(database, trace));
        return trace;
    };
    auto trace = read_all();
    sqlite3_exec(database, "COMMIT", nullptr, nullptr, nullptr);
    return trace;
}

} // namespace treadline

#include "collector/trace_reader.h"

#include <algorithm>
#include <tuple>

#include <nlohmann/json.hpp>
#include <sqlite3.h>

#include "collector/file_rows.h"
#include "collector/gateway_rows.h"
#include "collector/sqlite_statement.h"
#include "collector/store_open.h"
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

// Of a run that is not at its end the rows are counted now.
constexpr const char* run_columns =
    "SELECT id, started_unix_ms, duration_ms, command, cwd, project, home, user, uid, hostname, kernel, "
    "landlock_abi, probes, exit_status, complete, incomplete_because, coalesce(certificate, ''), "
    "coalesce(processes, (SELECT count(*) FROM process WHERE id BETWEEN run.id << 32 AND (run.id << 32) + "
    "0xffffffff)), "
    "coalesce(accesses, (SELECT count(*) FROM file_access WHERE id BETWEEN run.id << 32 AND (run.id << 32) + "
    "0xffffffff AND access <> 7) + (SELECT count(*) FROM socket_access s WHERE s.run = run.id)), "
    "network FROM run";

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
    run.network = row.column_bytes(19);
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

// The rows of a run in a table whose keys carry the run (schema.sql).
result<Statement> rows_of_run(sqlite3* database, const std::string& select, int64_t run) {
    auto rows = TRY(Statement::prepare(database, select + " WHERE id BETWEEN ?1 AND ?2 ORDER BY id"));
    rows.integer(1, store_key(run, 0)).integer(2, store_key(run, UINT32_MAX));
    return rows;
}

result<ok> read_processes(sqlite3* database, Trace& trace) {
    auto rows = TRY(rows_of_run(database,
                                "SELECT id & 0xffffffff, coalesce(parent, 0), pid, exe, argv, started_ns, "
                                "ended_ns, exit_status FROM process",
                                trace.run.id));
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

// The highest number in a table whose keys carry the run; 0 if there is none.
result<uint32_t> last_number(sqlite3* database, const char* table, int64_t run) {
    auto rows = TRY(rows_of_run(database, std::string("SELECT max(id) & 0xffffffff FROM ") + table, run));
    TRY(rows.step());
    return static_cast<uint32_t>(rows.column_integer(0));
}

// Room is made beforehand for no more than these: a damaged key may say anything.
constexpr uint32_t most_rows_expected = 4'000'000;

// Numbered from 1 without a gap.
result<PathRows> read_paths(sqlite3* database, int64_t run) {
    const uint32_t last = TRY(last_number(database, "path", run));
    PathRows paths;
    paths.expect(std::min(last, most_rows_expected));
    const auto add = [&](const sqlite::RowValues& row) -> result<ok> {
        const int64_t parent = row.integer(0);
        if (parent < 0 || parent > int64_t{paths.size()} || paths.size() == last) {
            return fail("the trace store is damaged: a path lacks its directory");
        }
        paths.add(static_cast<uint32_t>(parent), row.view(1));
        return ok{};
    };
    TRY(sqlite::visit_rows(database, "path", "parent, name", store_key(run, 0), store_key(run, UINT32_MAX),
                           add));
    if (paths.size() != last) {
        return fail("the trace store is damaged: a path lacks its directory");
    }
    return paths;
}

// 0 is "no path".
result<uint32_t> path_number(const PathRows& paths, int64_t number) {
    if (number < 0 || number > int64_t{paths.size()}) {
        return fail("the trace store is damaged: an access to no path");
    }
    return static_cast<uint32_t>(number);
}

result<std::string> path_text(const PathRows& paths, int64_t number) {
    return paths.text(TRY(path_number(paths, number)));
}

result<AccessKind> access_kind(int64_t kind) {
    if (kind < 0 || kind >= access_kinds) {
        return fail("the trace store is damaged: unknown access " + std::to_string(kind));
    }
    return static_cast<AccessKind>(kind);
}

// Anything that has the flags.
template <class Access>
void set_flags(Access& access, int64_t flags) {
    access.directory = (flags & FileDirectory) != 0;
    access.created_by_run = (flags & FileCreatedByRun) != 0;
    access.gone_at_end = (flags & FileGoneAtEnd) != 0;
    access.would_create = (flags & FileWouldCreate) != 0;
    access.exclusive = (flags & FileExclusive) != 0;
    access.through_made_link = (flags & FileThroughMadeLink) != 0;
}

result<ok> read_files(sqlite3* database, const PathRows& paths, Trace& trace) {
    auto rows = TRY(rows_of_run(database,
                                "SELECT process, path, access, result, count, first_ns, lasted_ns, flags, "
                                "coalesce(requested, 0) FROM file_access",
                                trace.run.id));
    while (TRY(rows.step())) {
        FileAccess access;
        access.process = rows.column_integer(0);
        access.path = TRY(path_text(paths, rows.column_integer(1)));
        access.access = TRY(access_kind(rows.column_integer(2)));
        access.result = static_cast<int32_t>(rows.column_integer(3));
        access.count = static_cast<uint64_t>(rows.column_integer(4));
        access.first_ns = rows.column_integer(5);
        access.last_ns = access.first_ns + rows.column_integer(6);
        set_flags(access, rows.column_integer(7));
        access.requested = TRY(path_text(paths, rows.column_integer(8)));
        trace.files.push_back(std::move(access));
    }
    std::sort(trace.files.begin(), trace.files.end(), [](const FileAccess& a, const FileAccess& b) {
        return std::tie(a.process, a.path, a.access, a.result) <
               std::tie(b.process, b.path, b.access, b.result);
    });
    return ok{};
}

result<ok> read_access_rows(sqlite3* database, Trace& trace) {
    const int64_t run = trace.run.id;
    trace.rows.reserve(std::min(TRY(last_number(database, "file_access", run)), most_rows_expected));
    const auto add = [&](const sqlite::RowValues& row) -> result<ok> {
        AccessRow access;
        access.process = static_cast<uint32_t>(row.integer(0));
        access.path = TRY(path_number(trace.paths, row.integer(1)));
        access.access = TRY(access_kind(row.integer(2)));
        access.result = static_cast<int32_t>(row.integer(3));
        access.count = static_cast<uint64_t>(row.integer(4));
        set_flags(access, row.integer(5));
        trace.rows.push_back(access);
        return ok{};
    };
    return sqlite::visit_rows(database, "file_access", "process, path, access, result, count, flags",
                              store_key(run, 0), store_key(run, UINT32_MAX), add);
}

result<ok> read_sockets(sqlite3* database, Trace& trace) {
    auto rows = TRY(Statement::prepare(
        database,
        "SELECT process, operation, protocol, address, port, host, result, count, first_ns, last_ns, "
        "candidates "
        "FROM socket_access WHERE run = ?1 ORDER BY process, operation, protocol, address, port, host, "
        "result"));
    rows.integer(1, trace.run.id);
    while (TRY(rows.step())) {
        trace.sockets.push_back({rows.column_integer(0), rows.column_bytes(1), rows.column_bytes(2),
                                 rows.column_bytes(3), static_cast<uint16_t>(rows.column_integer(4)),
                                 rows.column_bytes(5), static_cast<int32_t>(rows.column_integer(6)),
                                 static_cast<uint64_t>(rows.column_integer(7)), rows.column_integer(8),
                                 rows.column_integer(9), TRY(string_array(rows.column_bytes(10)))});
    }
    return ok{};
}

result<ok> read_names(sqlite3* database, Trace& trace) {
    auto calls = TRY(Statement::prepare(
        database,
        "SELECT u.process, u.number, n.name FROM syscall_use u JOIN syscall_name n ON n.run = ?1 AND "
        "n.number = u.number WHERE u.id BETWEEN ?1 << 32 AND (?1 << 32) + 0xffffffff "
        "ORDER BY u.process, u.number"));
    calls.integer(1, trace.run.id);
    while (TRY(calls.step())) {
        trace.syscalls.push_back(
            {calls.column_integer(0), static_cast<int32_t>(calls.column_integer(1)), calls.column_bytes(2)});
    }
    auto variables = TRY(Statement::prepare(
        database, "SELECT process, name, read FROM environment_name WHERE run = ?1 ORDER BY process, name"));
    variables.integer(1, trace.run.id);
    while (TRY(variables.step())) {
        trace.environment.push_back(
            {variables.column_integer(0), variables.column_bytes(1), variables.column_integer(2) != 0});
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

result<ok> read_facts(sqlite3* database, const PathRows& paths, Trace& trace) {
    auto rows = TRY(rows_of_run(
        database, "SELECT coalesce(process, 0), kind, coalesce(path, 0), value FROM fact", trace.run.id));
    while (TRY(rows.step())) {
        trace.facts.push_back({rows.column_integer(0), rows.column_bytes(1),
                               TRY(path_text(paths, rows.column_integer(2))), rows.column_bytes(3)});
    }
    std::sort(trace.facts.begin(), trace.facts.end(), [](const Fact& a, const Fact& b) {
        return std::tie(a.process, a.kind, a.path, a.value) < std::tie(b.process, b.kind, b.path, b.value);
    });
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

result<TraceReader> TraceReader::open(const std::string& path, std::chrono::milliseconds patience) {
    auto database = TRY(open_store_to_read(path, patience));
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

result<Trace> TraceReader::read(int64_t run, Files form) const {
    sqlite3* database = database_.get();
    // One view of the store, also beside a collector that goes on writing.
    const auto view = TRY(sqlite::Transaction::begin(database, "BEGIN"));
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
    PathRows paths = TRY(read_paths(database, run));
    TRY(read_processes(database, trace));
    TRY(read_sockets(database, trace));
    TRY(read_names(database, trace));
    TRY(read_gateway_rows(database, trace));
    TRY(read_facts(database, paths, trace));
    if (form == Files::AsTexts) {
        TRY(read_files(database, paths, trace));
    } else {
        trace.paths = std::move(paths);
        TRY(read_access_rows(database, trace));
    }
    return trace;
}

} // namespace treadline

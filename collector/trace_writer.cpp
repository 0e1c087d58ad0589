#include "collector/trace_writer.h"

#include <unordered_map>

#include <nlohmann/json.hpp>

#include "collector/sqlite_statement.h"
#include "collector/store_schema.h"

namespace treadline {
namespace {

using sqlite::Statement;

// Bytes that are no UTF-8 become U+FFFD: the column is TEXT.
std::string json_array(const std::vector<std::string>& texts) {
    return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// A TEXT column holds no NUL and no broken UTF-8.
std::string as_text(const std::string& text) {
    const std::string quoted =
        nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return nlohmann::json::parse(quoted).get<std::string>();
}

} // namespace

struct TraceWriter::Statements {
    sqlite::Database database;
    Statement begin;
    Statement commit;
    Statement process;
    Statement process_end;
    Statement path;
    Statement path_lookup;
    Statement file;
    Statement socket;
    Statement syscall;
    Statement environment;
    Statement fact;
    Statement gone;
    std::unordered_map<std::string, int64_t> paths;
};

TraceWriter::TraceWriter(std::unique_ptr<Statements> statements) : all_(std::move(statements)) {}
TraceWriter::TraceWriter(TraceWriter&&) noexcept = default;
TraceWriter& TraceWriter::operator=(TraceWriter&&) noexcept = default;
TraceWriter::~TraceWriter() = default;

result<TraceWriter> TraceWriter::open(const std::string& path) {
    auto database = TRY(sqlite::open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    sqlite3* handle = database.get();
    if (!TRY(check_store(handle, path))) {
        TRY(sqlite::execute(handle, "PRAGMA journal_mode = WAL"));
        TRY(sqlite::execute(handle, "BEGIN IMMEDIATE"));
        // Another collector may have made it between the check and the lock.
        if (!TRY(check_store(handle, path))) {
            TRY(sqlite::execute(handle, store_schema));
            TRY(sqlite::execute(handle, ("PRAGMA user_version = " + std::to_string(store_version)).c_str()));
        }
        TRY(sqlite::execute(handle, "COMMIT"));
    }
    // WAL with NORMAL: a power cut may lose the last commits, never the store.
    TRY(sqlite::execute(handle, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF;"));
    const auto prepare = [&](std::string_view sql) { return Statement::prepare(handle, sql); };
    auto begin = TRY(prepare("BEGIN IMMEDIATE"));
    auto commit = TRY(prepare("COMMIT"));
    auto process =
        TRY(prepare("INSERT INTO process (run, parent, pid, exe, argv, started_ns, ended_ns, exit_status) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"));
    auto process_end = TRY(
        prepare("UPDATE process SET ended_ns = ?2, exit_status = coalesce(?3, exit_status) WHERE id = ?1"));
    auto add_path = TRY(prepare("INSERT INTO path (path) VALUES (?1) ON CONFLICT DO NOTHING"));
    auto path_lookup = TRY(prepare("SELECT id FROM path WHERE path = ?1"));
    auto file = TRY(prepare(
        "INSERT INTO file_access (run, process, path, access, result, count, first_ns, last_ns, directory, "
        "created_by_run, gone_at_end, requested) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
        "ON CONFLICT DO UPDATE SET count = count + excluded.count, first_ns = min(first_ns, "
        "excluded.first_ns), "
        "last_ns = max(last_ns, excluded.last_ns), directory = max(directory, excluded.directory), "
        "created_by_run = max(created_by_run, excluded.created_by_run), "
        "requested = coalesce(requested, excluded.requested)"));
    auto socket = TRY(prepare("INSERT INTO socket_access (run, process, operation, protocol, address, port, "
                              "host, result, count, first_ns, "
                              "last_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
                              "ON CONFLICT DO UPDATE SET count = count + excluded.count, first_ns = "
                              "min(first_ns, excluded.first_ns), "
                              "last_ns = max(last_ns, excluded.last_ns)"));
    auto syscall = TRY(prepare("INSERT INTO syscall_use (run, process, number, name) VALUES (?1, ?2, ?3, ?4) "
                               "ON CONFLICT DO NOTHING"));
    auto environment = TRY(prepare("INSERT INTO environment_name (run, process, name) VALUES (?1, ?2, ?3) "
                                   "ON CONFLICT DO NOTHING"));
    auto fact =
        TRY(prepare("INSERT INTO fact (run, process, kind, path, value) VALUES (?1, ?2, ?3, ?4, ?5)"));
    auto gone = TRY(prepare("UPDATE file_access SET gone_at_end = 1 WHERE run = ?1 AND process = ?2 "
                            "AND path = ?3 AND result = 0"));
    return TraceWriter(std::make_unique<Statements>(Statements{std::move(database),
                                                               std::move(begin),
                                                               std::move(commit),
                                                               std::move(process),
                                                               std::move(process_end),
                                                               std::move(add_path),
                                                               std::move(path_lookup),
                                                               std::move(file),
                                                               std::move(socket),
                                                               std::move(syscall),
                                                               std::move(environment),
                                                               std::move(fact),
                                                               std::move(gone),
                                                               {}}));
}

result<ok> TraceWriter::begin() {
    if (!open_) {
        TRY(all_->begin.run());
        open_ = true;
    }
    return ok{};
}

result<ok> TraceWriter::commit() {
    if (open_) {
        TRY(all_->commit.run());
        open_ = false;
    }
    return ok{};
}

bool TraceWriter::uncommitted() const {
    return open_;
}

result<int64_t> TraceWriter::begin_run(const RunInfo& run) {
    TRY(begin());
    auto insert = TRY(
        Statement::prepare(all_->database.get(),
                           "INSERT INTO run (started_unix_ms, command, cwd, project, home, user, uid, "
                           "hostname, kernel, landlock_abi, "
                           "treadline, probes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"));
    insert.integer(1, run.started_unix_ms)
        .text(2, json_array(run.command))
        .text(3, as_text(run.cwd))
        .text(4, as_text(run.project))
        .text(5, as_text(run.home))
        .text(6, as_text(run.user))
        .integer(7, run.uid)
        .text(8, as_text(run.hostname))
        .text(9, as_text(run.kernel))
        .integer(10, run.landlock_abi)
        .text(11, TREADLINE_VERSION)
        .text(12, as_text(run.probes));
    TRY(insert.run());
    run_ = sqlite3_last_insert_rowid(all_->database.get());
    TRY(commit());
    return run_;
}

result<int64_t> TraceWriter::add_process(const ProcessImage& process) {
    TRY(begin());
    Statement& insert = all_->process;
    insert.integer(1, run_)
        .integer(3, process.pid)
        .blob(4, process.exe)
        .text(5, json_array(process.argv))
        .integer(6, process.started_ns);
    process.parent != 0 ? insert.integer(2, process.parent) : insert.null(2);
    process.ended_ns ? insert.integer(7, *process.ended_ns) : insert.null(7);
    process.exit_status ? insert.integer(8, *process.exit_status) : insert.null(8);
    TRY(insert.run());
    return sqlite3_last_insert_rowid(all_->database.get());
}

result<ok> TraceWriter::end_process(int64_t process, int64_t ended_ns, std::optional<int32_t> exit_status) {
    TRY(begin());
    Statement& update = all_->process_end;
    update.integer(1, process).integer(2, ended_ns);
    exit_status ? update.integer(3, *exit_status) : update.null(3);
    return update.run();
}

result<int64_t> TraceWriter::path_id(std::string_view path) {
    std::string key(path);
    if (const auto known = all_->paths.find(key); known != all_->paths.end()) {
        return known->second;
    }
    TRY(begin());
    TRY(all_->path.blob(1, path).run());
    all_->path_lookup.blob(1, path);
    TRY(all_->path_lookup.step());
    const int64_t id = all_->path_lookup.column_integer(0);
    all_->path_lookup.reset();
    all_->paths.emplace(std::move(key), id);
    return id;
}

result<ok> TraceWriter::add_file(const FileAccess& access, int64_t path, int64_t requested) {
    TRY(begin());
    Statement& insert = all_->file;
    insert.integer(1, run_)
        .integer(2, access.process)
        .integer(3, path)
        .integer(4, static_cast<int64_t>(access.access))
        .integer(5, access.result)
        .integer(6, static_cast<int64_t>(access.count))
        .integer(7, access.first_ns)
        .integer(8, access.last_ns)
        .integer(9, access.directory ? 1 : 0)
        .integer(10, access.created_by_run ? 1 : 0)
        .integer(11, access.gone_at_end ? 1 : 0);
    requested != 0 ? insert.integer(12, requested) : insert.null(12);
    return insert.run();
}

result<ok> TraceWriter::add_socket(const SocketAccess& access) {
    TRY(begin());
    all_->socket.integer(1, run_)
        .integer(2, access.process)
        .text(3, access.operation)
        .text(4, access.protocol)
        .blob(5, access.address)
        .integer(6, access.port)
        .text(7, access.host)
        .integer(8, access.result)
        .integer(9, static_cast<int64_t>(access.count))
        .integer(10, access.first_ns)
        .integer(11, access.last_ns);
    return all_->socket.run();
}

result<ok> TraceWriter::add_syscall(const SyscallUse& use) {
    TRY(begin());
    return all_->syscall.integer(1, run_)
        .integer(2, use.process)
        .integer(3, use.number)
        .text(4, use.name)
        .run();
}

result<ok> TraceWriter::add_environment(const EnvironmentName& name) {
    TRY(begin());
    return all_->environment.integer(1, run_).integer(2, name.process).text(3, as_text(name.name)).run();
}

result<ok> TraceWriter::add_fact(int64_t process, std::string_view kind, int64_t path,
                                 std::string_view value) {
    TRY(begin());
    Statement& insert = all_->fact;
    insert.integer(1, run_).text(3, kind).text(5, value);
    process != 0 ? insert.integer(2, process) : insert.null(2);
    path != 0 ? insert.integer(4, path) : insert.null(4);
    return insert.run();
}

result<ok> TraceWriter::mark_gone(int64_t process, int64_t path) {
    TRY(begin());
    return all_->gone.integer(1, run_).integer(2, process).integer(3, path).run();
}

result<ok> TraceWriter::finish_run(const RunInfo& run) {
    TRY(begin());
    sqlite3* database = all_->database.get();
    for (const auto& [cause, count] : run.lost) {
        auto insert =
            TRY(Statement::prepare(database, "INSERT INTO loss (run, cause, count) VALUES (?1, ?2, ?3) "
                                             "ON CONFLICT DO UPDATE SET count = excluded.count"));
        TRY(insert.integer(1, run_).text(2, cause).integer(3, static_cast<int64_t>(count)).run());
    }
    auto update =
        TRY(Statement::prepare(database, "UPDATE run SET duration_ms = ?2, exit_status = ?3, complete = ?4, "
                                         "incomplete_because = ?5, certificate = ?6 WHERE id = ?1"));
    update.integer(1, run_)
        .integer(4, run.complete ? 1 : 0)
        .text(5, json_array(run.incomplete_because))
        .text(6, run.certificate);
    run.duration_ms ? update.integer(2, *run.duration_ms) : update.null(2);
    run.exit_status ? update.integer(3, *run.exit_status) : update.null(3);
    TRY(update.run());
    return commit();
}

result<ok> TraceWriter::abandon_run(const std::string& path, int64_t run, int64_t duration_ms,
                                    int exit_status, const std::string& because) {
    auto database = TRY(sqlite::open_database(path, SQLITE_OPEN_READWRITE));
    TRY(check_store(database.get(), path));
    auto update = TRY(Statement::prepare(database.get(),
                                         "UPDATE run SET duration_ms = coalesce(duration_ms, ?2), "
                                         "exit_status = coalesce(exit_status, ?3), incomplete_because = ?4 "
                                         "WHERE id = ?1 AND complete = 0"));
    return update.integer(1, run)
        .integer(2, duration_ms)
        .integer(3, exit_status)
        .text(4, json_array({because}))
        .run();
}

result<std::pair<uint64_t, uint64_t>> TraceWriter::count_rows() {
    auto statement = TRY(Statement::prepare(all_->database.get(),
                                            "SELECT (SELECT count(*) FROM file_access WHERE run = ?1) + "
                                            "(SELECT count(*) FROM socket_access WHERE run = ?1), "
                                            "(SELECT count(*) FROM process WHERE run = ?1)"));
    statement.integer(1, run_);
    TRY(statement.step());
    return std::pair(static_cast<uint64_t>(statement.column_integer(0)),
                     static_cast<uint64_t>(statement.column_integer(1)));
}

} // namespace treadline

#include "collector/trace_writer.h"

#include <limits>

#include "collector/run_inserts.h"
#include "collector/store_open.h"

namespace treadline {
namespace {

using sqlite::Statement;
using std::chrono::steady_clock;

} // namespace

struct TraceWriter::State {
    sqlite::Database database;
    RunInserts inserts;
    StorePatience patience;
    int64_t run = 0;

    PathTable paths;
    uint32_t paths_stored = 0;
    FileRows files;
    PendingRows pending;
    uint32_t processes = 0;
    uint32_t facts_stored = 0;
    // Each (process, number) once: a fork without a row of its own shares its parent's.
    std::vector<PendingRows::Syscall> syscalls;
    HashIndex syscall_index;
    std::vector<bool> syscall_named; // by number
    std::optional<steady_clock::time_point> locked_since;

    [[nodiscard]] bool stored() const {
        return paths_stored == paths.size() && files.stored() && pending.empty();
    }
    result<ok> store();
    result<ok> insert_all(); // in a transaction that is open
    void set_stored();       // once that is committed
};

result<ok> TraceWriter::State::insert_all() {
    TRY(inserts.paths(run, paths, paths_stored + 1));
    TRY(inserts.files(run, files));
    return inserts.others(run, pending, static_cast<uint32_t>(syscalls.size() - pending.syscalls.size() + 1),
                          facts_stored + 1);
}

void TraceWriter::State::set_stored() {
    paths_stored = paths.size();
    files.set_stored();
    facts_stored += static_cast<uint32_t>(pending.facts.size());
    pending.clear();
}

result<ok> TraceWriter::State::store() {
    if (stored()) {
        return ok{};
    }
    auto transaction = sqlite::Transaction::begin(database.get());
    if (transaction) {
        locked_since.reset();
        TRY(insert_all());
        TRY(transaction->commit());
        set_stored();
        return ok{};
    }
    const auto now = steady_clock::now();
    locked_since = locked_since.value_or(now);
    if (sqlite::is_busy(database.get()) && now - *locked_since < patience.whole) {
        return ok{};
    }
    return failure(transaction.error());
}

TraceWriter::TraceWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TraceWriter::TraceWriter(TraceWriter&&) noexcept = default;
TraceWriter& TraceWriter::operator=(TraceWriter&&) noexcept = default;
TraceWriter::~TraceWriter() = default;

result<TraceWriter> TraceWriter::open(const std::string& path, StorePatience patience) {
    auto database = TRY(open_store_to_write(path, patience.whole));
    // WAL with NORMAL: a power cut may lose the last commits, never the store.
    TRY(sqlite::execute(database.get(), "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF;"));
    auto inserts = TRY(RunInserts::prepare(database.get()));
    return TraceWriter(std::unique_ptr<State>(new State{
        std::move(database), std::move(inserts), patience, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}));
}

result<ok> TraceWriter::commit() {
    return state_->store();
}

bool TraceWriter::uncommitted() const {
    return !state_->stored();
}

result<int64_t> TraceWriter::begin_run(const RunInfo& run) {
    sqlite3* database = state_->database.get();
    auto insert = TRY(Statement::prepare(
        database, "INSERT INTO run (started_unix_ms, command, cwd, project, home, user, uid, "
                  "hostname, kernel, landlock_abi, treadline, probes, network) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"));
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
        .text(12, as_text(run.probes))
        .text(13, as_text(run.network));
    TRY(insert.run());
    state_->run = sqlite3_last_insert_rowid(database);
    sqlite::set_patience(database, state_->patience.commit);
    return state_->run;
}

result<int64_t> TraceWriter::add_process(const ProcessImage& process) {
    state_->pending.processes.push_back(process);
    return state_->pending.processes.back().id = ++state_->processes;
}

result<ok> TraceWriter::end_process(int64_t process, int64_t ended_ns, std::optional<int32_t> exit_status) {
    state_->pending.ends.push_back({process, ended_ns, exit_status});
    return ok{};
}

result<int64_t> TraceWriter::path_id(std::string_view path) {
    return state_->paths.id_of(path);
}

result<int64_t> TraceWriter::path_id(uint32_t directory, std::string_view name) {
    return state_->paths.id_below(directory, name);
}

const PathTable& TraceWriter::paths() const {
    return state_->paths;
}

result<ok> TraceWriter::add_file(const FileAccess& access, int64_t path, int64_t requested) {
    FileRow row;
    row.process = static_cast<uint32_t>(access.process);
    row.path = static_cast<uint32_t>(path);
    row.requested = static_cast<uint32_t>(requested);
    row.result = access.result;
    row.access = access.access;
    row.flags = static_cast<uint8_t>(
        (access.directory ? FileDirectory : 0) | (access.created_by_run ? FileCreatedByRun : 0) |
        (access.gone_at_end ? FileGoneAtEnd : 0) | (access.would_create ? FileWouldCreate : 0) |
        (access.exclusive ? FileExclusive : 0) | (access.through_made_link ? FileThroughMadeLink : 0));
    row.count = access.count;
    row.first_ns = access.first_ns;
    row.last_ns = access.last_ns;
    state_->files.add(row);
    return ok{};
}

result<ok> TraceWriter::add_socket(const SocketAccess& access) {
    state_->pending.sockets.push_back(access);
    return ok{};
}

result<ok> TraceWriter::add_syscall(const SyscallUse& use) {
    State& state = *state_;
    const auto process = static_cast<uint32_t>(use.process);
    const uint32_t hash = mixed(static_cast<uint64_t>(process) << 32 | static_cast<uint32_t>(use.number));
    const auto same = [&](uint32_t number) {
        const PendingRows::Syscall& known = state.syscalls[number - 1];
        return known.process == process && known.number == use.number;
    };
    if (state.syscall_index.find(hash, same) != 0) {
        return ok{};
    }
    state.syscalls.push_back({process, use.number});
    state.syscall_index.insert(hash, static_cast<uint32_t>(state.syscalls.size()));
    state.pending.syscalls.push_back(state.syscalls.back());
    const auto number = static_cast<size_t>(use.number < 0 ? 0 : use.number);
    if (number >= state.syscall_named.size()) {
        state.syscall_named.resize(number + 1);
    }
    if (!state.syscall_named[number]) {
        state.syscall_named[number] = true;
        state.pending.syscall_names.emplace_back(use.number, use.name);
    }
    return ok{};
}

result<ok> TraceWriter::add_environment(const EnvironmentName& name) {
    state_->pending.environment.push_back(name);
    return ok{};
}

result<ok> TraceWriter::add_name_lookup(int64_t process, std::string_view name, std::string_view address) {
    state_->pending.lookups.push_back({process, std::string(name), std::string(address)});
    return ok{};
}

result<ok> TraceWriter::add_fact(int64_t process, std::string_view kind, int64_t path,
                                 std::string_view value) {
    state_->pending.facts.push_back({process, path, std::string(kind), std::string(value)});
    return ok{};
}

result<size_t>
TraceWriter::mark_gone(const std::function<std::optional<bool>(const std::string& path)>& is_gone,
                       size_t limit) {
    const PathTable& paths = state_->paths;
    const std::vector<bool> used = state_->files.used(paths.size());
    std::vector<bool> gone(used.size());
    size_t not_asked = 0;
    std::string text;
    for (uint32_t path = 1; path < used.size(); ++path) {
        if (!used[path]) {
            continue;
        }
        if (limit == 0) {
            ++not_asked;
            continue;
        }
        paths.read_text(path, text);
        if (const std::optional<bool> answer = is_gone(text); answer) {
            --limit;
            gone[path] = *answer;
        }
    }
    state_->files.mark_gone(gone);
    return not_asked;
}

result<ok> TraceWriter::finish_run(const RunInfo& run) {
    sqlite3* database = state_->database.get();
    state_->locked_since.reset();
    sqlite::set_patience(database, state_->patience.whole);
    auto transaction = TRY(sqlite::Transaction::begin(database));
    TRY(state_->insert_all());
    for (const auto& [cause, count] : run.lost) {
        auto insert =
            TRY(Statement::prepare(database, "INSERT INTO loss (run, cause, count) VALUES (?1, ?2, ?3) "
                                             "ON CONFLICT DO UPDATE SET count = excluded.count"));
        TRY(insert.integer(1, state_->run).text(2, cause).integer(3, static_cast<int64_t>(count)).run());
    }
    auto update = TRY(Statement::prepare(
        database,
        "UPDATE run SET duration_ms = ?2, exit_status = ?3, complete = ?4, incomplete_because = ?5, "
        "certificate = ?6, processes = ?7, accesses = ?8 + "
        "(SELECT count(*) FROM socket_access WHERE run = ?1) WHERE id = ?1"));
    update.integer(1, state_->run)
        .integer(4, run.complete ? 1 : 0)
        .text(5, json_array(run.incomplete_because))
        .text(6, run.certificate)
        .integer(7, state_->processes)
        .integer(8, static_cast<int64_t>(state_->files.accesses()));
    run.duration_ms ? update.integer(2, *run.duration_ms) : update.null(2);
    run.exit_status ? update.integer(3, *run.exit_status) : update.null(3);
    TRY(update.run());
    TRY(transaction.commit());
    state_->set_stored();
    return ok{};
}

result<ok> TraceWriter::abandon_run(const std::string& path, int64_t run, int64_t duration_ms,
                                    int exit_status, const std::string& because) {
    auto database = TRY(open_store_to_write(path, StorePatience{}.whole));
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
    TRY(commit());
    auto sockets =
        TRY(Statement::prepare(state_->database.get(), "SELECT count(*) FROM socket_access WHERE run = ?1"));
    TRY(sockets.integer(1, state_->run).step());
    return std::pair(state_->files.accesses() + static_cast<uint64_t>(sockets.column_integer(0)),
                     static_cast<uint64_t>(state_->processes));
}

} // namespace treadline

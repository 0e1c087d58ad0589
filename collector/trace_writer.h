// Writes runs into a trace store. All SQL that writes rows of a run is here.
//
// Rows wait in memory until the caller commits them (commit()), at least every 100 ms; killed at any moment,
// the store stays valid and the run in it stays partial. The store is locked while a commit lasts, not
// between them, so collectors of one store do not wait for each other's runs. Not for more than one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "collector/path_table.h"
#include "collector/trace.h"

namespace treadline {

// How long to wait for somebody else's lock on the store.
struct StorePatience {
    std::chrono::milliseconds commit{100}; // in one commit(): what is not stored then waits for the next one
    std::chrono::milliseconds whole{30'000}; // until the store counts as lost; and when opening and finishing
};

class TraceWriter {
public:
    // Makes the schema in an empty or missing file, brings one of an earlier version up to this one. A file
    // that is no trace store is refused, not touched.
    static result<TraceWriter> open(const std::string& path, StorePatience patience = {});
    TraceWriter(TraceWriter&&) noexcept;
    TraceWriter& operator=(TraceWriter&&) noexcept;
    ~TraceWriter(); // what was not committed is dropped

    // The run row, not complete yet, is committed at once; later calls are about this run.
    result<int64_t> begin_run(const RunInfo& run);

    // `id` is ignored; returns the new row's. Processes and paths are numbered from 1 within the run.
    result<int64_t> add_process(const ProcessImage& process);
    result<ok> end_process(int64_t process, int64_t ended_ns, std::optional<int32_t> exit_status);
    result<int64_t> path_id(std::string_view path);
    result<int64_t> path_id(uint32_t directory, std::string_view name); // of what lies in a directory
    [[nodiscard]] const PathTable& paths() const;
    // A repeated access adds its count. `path` and `requested` (0: none) are path ids; the texts in `access`
    // are not looked at.
    result<ok> add_file(const FileAccess& access, int64_t path, int64_t requested);
    result<ok> add_socket(const SocketAccess& access);
    result<ok> add_syscall(const SyscallUse& use);
    result<ok> add_environment(const EnvironmentName& name); // once read stays read
    // `address` "": the lookup failed.
    result<ok> add_name_lookup(int64_t process, std::string_view name, std::string_view address);
    result<ok> add_fact(int64_t process, std::string_view kind, int64_t path, std::string_view value);
    // Asks about each path that was used with success, not merely looked at, and marks what is gone. At most
    // `limit` answers are waited for; returns how many paths were not asked about. `is_gone`: none, when it
    // makes no difference.
    result<size_t> mark_gone(const std::function<std::optional<bool>(const std::string& path)>& is_gone,
                             size_t limit);

    // Everything up to here becomes durable against the death of this process. When somebody else has locked
    // the store it stays uncommitted, for the next time, until patience ends.
    result<ok> commit();
    [[nodiscard]] bool uncommitted() const;

    // The end of the run: of `run` the fields duration_ms, exit_status, complete, incomplete_because, lost,
    // certificate. Committed.
    result<ok> finish_run(const RunInfo& run);

    // From the other side, when the collector died: fills in what the run row lacks.
    static result<ok> abandon_run(const std::string& path, int64_t run, int64_t duration_ms, int exit_status,
                                  const std::string& because);
    // Accesses and processes of the run, for the summary.
    result<std::pair<uint64_t, uint64_t>> count_rows();

private:
    struct State;
    explicit TraceWriter(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace treadline

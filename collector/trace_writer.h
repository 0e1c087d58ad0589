// Writes runs into a trace store. All SQL that writes is here.
//
// Rows are batched in a transaction that the caller commits (commit()), at least every 100 ms; killed at any
// moment, the store stays valid and the run in it stays partial. Not for more than one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "collector/trace.h"

namespace treadline {

class TraceWriter {
public:
    // Makes the schema in an empty or missing file. A file that is no trace store is refused, not touched.
    static result<TraceWriter> open(const std::string& path);
    TraceWriter(TraceWriter&&) noexcept;
    TraceWriter& operator=(TraceWriter&&) noexcept;
    ~TraceWriter(); // what was not committed is dropped

    // The run row, not complete yet, is committed at once; later calls are about this run.
    result<int64_t> begin_run(const RunInfo& run);

    // `id` is ignored; returns the new row's.
    result<int64_t> add_process(const ProcessImage& process);
    result<ok> end_process(int64_t process, int64_t ended_ns, std::optional<int32_t> exit_status);
    result<int64_t> path_id(std::string_view path);
    // A repeated access adds its count. `path` and `requested` (0: none) are path ids; access.path is not
    // looked at.
    result<ok> add_file(const FileAccess& access, int64_t path, int64_t requested);
    result<ok> add_socket(const SocketAccess& access);
    result<ok> add_syscall(const SyscallUse& use);
    result<ok> add_environment(const EnvironmentName& name);
    result<ok> add_fact(int64_t process, std::string_view kind, int64_t path, std::string_view value);
    result<ok> mark_gone(int64_t process, int64_t path);

    // Everything up to here becomes durable against the death of this process.
    result<ok> commit();
    [[nodiscard]] bool uncommitted() const;

    // The end of the run: of `run` the fields duration_ms, exit_status, complete, incomplete_because, lost,
    // certificate. Committed.
    result<ok> finish_run(const RunInfo& run);

    // From the other side, when the collector died: fills in what the run row lacks.
    static result<ok> abandon_run(const std::string& path, int64_t run, int64_t duration_ms, int exit_status,
                                  const std::string& because);
    // Counted: accesses and processes of a run, for the summary.
    result<std::pair<uint64_t, uint64_t>> count_rows();

private:
    struct Statements;
    explicit TraceWriter(std::unique_ptr<Statements> statements);
    result<ok> begin();
    std::unique_ptr<Statements> all_;
    int64_t run_ = 0;
    bool open_ = false; // a transaction
};

} // namespace treadline

// From records to rows: keeps the process tree and turns every record into rows of the trace store.
//
// Records of the collector's own check (TL_IMAGE_CANARY) are noted, never stored.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "collector/event_view.h"
#include "collector/origins.h"
#include "collector/trace_writer.h"

namespace treadline {

class RunRecorder {
public:
    // `start_ns`: CLOCK_MONOTONIC at the run's start; the writer has a run begun.
    RunRecorder(TraceWriter& writer, uint64_t start_ns) : writer_(writer), start_ns_(start_ns) {}

    // An error is the store's. A record that cannot be read is a loss, not an error.
    result<ok> on_record(std::string_view bytes);
    // Repeats that the kernel counted after the first report.
    result<ok> add_repeats(const tl_seen_key& key, const tl_seen& seen);
    // Which objects are no longer there; at most so many are looked at.
    result<ok> mark_gone(size_t limit);

    // A row for each process that still lives, even if it did nothing worth one.
    result<ok> store_living();

    [[nodiscard]] const std::set<std::string>& canaries() const { return canaries_; }
    void forget_canaries() { canaries_.clear(); }
    [[nodiscard]] std::vector<std::string> still_running() const; // "sleep (123)"
    [[nodiscard]] const std::map<std::string, uint64_t>& lost() const { return lost_; }

private:
    struct Image {
        int64_t row = 0; // 0: not stored yet; a fork that at once executes something never is
        uint64_t parent = 0;
        int32_t pid = 0;
        bool ended = false;
        int64_t started_ns = 0;
        std::string exe;
        std::shared_ptr<const std::vector<std::string>> argv;
        std::array<uint64_t, TL_SYSCALL_WORDS> calls{};
    };
    struct Sighting { // what a key of the kernel's seen map became
        int64_t process = 0;
        int64_t path = 0;    // 0: none
        int64_t socket = -1; // index into sockets_
        uint8_t kinds = 0;   // bit n: AccessKind n
        bool created = false;
    };
    struct KeyHash {
        size_t operator()(const tl_seen_key& key) const;
    };
    struct KeyEqual {
        bool operator()(const tl_seen_key& a, const tl_seen_key& b) const;
    };

    result<ok> on(const ForkEvent& event);
    result<ok> on(const ExecEvent& event);
    result<ok> on(const ExitEvent& event);
    result<ok> on(const PathEvent& event);
    result<ok> on(const SocketEvent& event);
    result<ok> on(const SyscallsEvent& event);
    result<ok> on(const EnvironmentEvent& event);
    void note_canary(const Event& event);

    int64_t since_start(uint64_t time_ns) const;
    Image& image(const tl_header& header);
    result<int64_t> row_of(uint64_t number);    // stores the process if it is not yet
    int64_t nearest_row(uint64_t number) const; // its own, or that of the closest ancestor which has one
    result<ok> add_path_row(int64_t process, const std::string& path, AccessKind kind, int32_t result,
                            uint64_t time_ns, bool directory, bool created, const std::string& requested);
    result<ok> add_executed(int64_t process, const ExecEvent& event, const std::string& exe);
    void note_origin(const PathEvent& event, const std::string& path, bool creates);

    TraceWriter& writer_;
    uint64_t start_ns_;
    std::unordered_map<uint64_t, Image> images_;
    std::unordered_map<tl_seen_key, Sighting, KeyHash, KeyEqual> sightings_;
    std::vector<SocketAccess> sockets_;
    std::unordered_map<uint32_t, std::string> renaming_; // by thread: the old name of its last rename
    struct Used {
        int64_t path = 0;
        std::vector<int64_t> processes;
    };
    std::unordered_map<std::string, Used> used_; // with success; looked at again when the run has ended
    std::set<std::string> canaries_;
    std::map<std::string, uint64_t> lost_;
    Origins origins_;
};

} // namespace treadline

// From records to rows: what the processes of the tree did, as rows of the trace store.
//
// Records of the collector's own check (TL_IMAGE_CANARY) are noted, never stored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "collector/accesses.h"
#include "collector/event_view.h"
#include "collector/host_names.h"
#include "collector/made_links.h"
#include "collector/mount_views.h"
#include "collector/named_objects.h"
#include "collector/origins.h"
#include "collector/path_resolver.h"
#include "collector/process_tree.h"
#include "collector/sightings.h"
#include "collector/trace_writer.h"
#include "collector/written.h"

namespace treadline {

class RunRecorder {
public:
    // `start_ns`: CLOCK_MONOTONIC at the run's start; the writer has a run begun.
    RunRecorder(TraceWriter& writer, uint64_t start_ns)
        : writer_(writer), tree_(writer, start_ns), origins_(writer.paths()), hosts_(writer) {}

    // An error is the store's. A record that cannot be read is a loss, not an error.
    result<ok> on_record(std::string_view bytes);
    // Repeats that the kernel counted after the first report.
    result<ok> add_repeats(uint64_t of_access, const tl_repeat_count& count);
    // Which objects are no longer there; at most so many are looked at.
    result<ok> mark_gone(size_t limit);

    // A row for each name that gave its process no address.
    result<ok> store_failed_lookups() { return hosts_.store_failed(); }

    // The processes of the run.
    [[nodiscard]] ProcessTree& tree() { return tree_; }

    [[nodiscard]] const std::set<std::string>& canaries() const { return canaries_; }
    void forget_canaries() { canaries_.clear(); }
    [[nodiscard]] const std::map<std::string, uint64_t>& lost() const { return lost_; }
    // Records that arrived, by the processor that sent them.
    [[nodiscard]] const std::vector<uint64_t>& arrived() const { return arrived_; }

private:
    result<ok> on(const NameEvent& event);
    result<ok> on(const OtherTaskEvent& event);
    result<ok> on(const ForkEvent& event);
    result<ok> on(const ExecEvent& event);
    result<ok> on(const ExitEvent& event) { return tree_.exit(event.fixed); }
    result<ok> on(const PathEvent& event);
    result<ok> on(const SocketEvent& event);
    result<ok> on(const SyscallsEvent& event) { return tree_.add_calls(event.fixed); }
    result<ok> on(const EnvironmentEvent& event);
    result<ok> on(const GetenvEvent& event);
    result<ok> on(const RepeatsEvent& event) { return add_repeats(event.fixed.access, event.fixed.count); }
    result<ok> on(const AnswerEvent& event);

    // The path a hash stands for, as a number of the writer's; 0 for 0. A hash whose name never came is
    // counted as a loss: then none.
    std::optional<uint32_t> path_of(uint64_t object);
    // Its text, "" for 0; until the next call with the same buffer.
    const std::string& text_of(uint32_t path, std::string& buffer) const;
    // What a text of this task is relative to. `view` is lent to it.
    Start start_of(uint32_t base, uint32_t root, const tl_header& header,
                   const std::optional<MountView>& view) const;
    // The root of a task in a mount namespace of its own as it sees it, if that can be had; none: it has the
    // run's.
    std::optional<MountView> view_of(uint32_t mounts, uint32_t root, const tl_header& header);
    // `access` without its texts and result.
    result<ok> add_path_row(FileAccess& access, uint32_t path, uint64_t time_ns,
                            std::string_view requested = {});
    result<ok> add_executed(int64_t process, const ExecEvent& event, const std::string& exe,
                            const Start& start);
    result<ok> add_inherited(const PathEvent& event, const std::string& path);
    // What was written by the run is now code: told once a file.
    result<ok> add_written(int64_t process, const std::string& path, const char* kind);
    // What a name was of can be seen, where no hook told it, when the new one is resolved: adds to the old
    // one's row.
    result<ok> mark_renamed_directory(const PathEvent& event, int64_t process);
    void note_origin(const PathEvent& event, uint32_t path, bool creates);

    TraceWriter& writer_;
    ProcessTree tree_;
    NamedObjects objects_;
    // Texts of the record at hand: their memory is used again for the next one.
    std::string object_text_;
    std::string base_text_;
    std::string root_text_;
    Sightings sightings_;
    std::vector<SocketAccess> sockets_;
    std::unordered_map<uint32_t, uint32_t> renaming_; // by thread: the old path of its last rename
    std::set<std::string> canaries_;
    std::vector<uint64_t> arrived_;
    std::map<std::string, uint64_t> lost_;
    MountViews views_;
    Origins origins_;
    Written written_;
    MadeLinks links_;
    std::set<std::pair<std::string_view, std::string>> ran_; // kind and path of the facts told
    std::unordered_set<std::string> variables_; // names in the environment the command was started with
    HostNames hosts_;
};

} // namespace treadline

// How much the stored runs took, and limits that would have held them with room to spare: a suggestion in
// `review`, never written into a profile, where a limit that is too low ends work half-done.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collector/trace.h"
#include "profiles/profile.h"

namespace treadline {

struct Peaks {                            // over all runs
    std::optional<uint64_t> memory_bytes; // none where no run recorded it
    std::optional<uint64_t> cpu_percent; // of one processor: what processes alive at one time used on average
    uint64_t processes = 0;              // that lived at one time
    uint64_t milliseconds = 0;           // of the longest run
};

// None without runs.
std::optional<Peaks> peaks_of(const std::vector<Trace>& traces);

// Twice the peaks, four times the duration, rounded up to amounts a person would write; never less than one
// processor.
Resources with_headroom(const Peaks& peaks);

} // namespace treadline

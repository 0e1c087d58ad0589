#include "profiler/resource_peaks.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <map>

namespace treadline {
namespace {

constexpr uint64_t megabyte = 1024 * 1024;
constexpr uint64_t least_memory = 64 * megabyte; // less is nothing to save
constexpr uint64_t one_processor = 100;          // percent
constexpr uint64_t least_processes = 16;
constexpr uint64_t least_seconds = 60;

uint64_t rounded_up(uint64_t amount, uint64_t step) {
    return (amount + step - 1) / step * step;
}

// Images of one process follow each other: only where another process id comes in is one more alive.
uint64_t most_alive(const Trace& trace) {
    std::map<std::pair<int64_t, int>, int> changes; // (when, ends first) -> by how many
    std::map<int64_t, const ProcessImage*> by_id;
    for (const ProcessImage& image : trace.processes) {
        by_id[image.id] = &image;
    }
    for (const ProcessImage& image : trace.processes) {
        const auto parent = by_id.find(image.parent);
        const bool goes_on = parent != by_id.end() && parent->second->pid == image.pid;
        if (!goes_on) {
            ++changes[{image.started_ns, 1}];
        }
        if (image.exit_status && image.ended_ns) { // an image that was replaced has none
            --changes[{*image.ended_ns, 0}];
        }
    }
    int alive = 0;
    int most = 0;
    for (const auto& [when, by] : changes) {
        alive += by;
        most = std::max(most, alive);
    }
    return static_cast<uint64_t>(most);
}

} // namespace

std::optional<Peaks> peaks_of(const std::vector<Trace>& traces) {
    if (traces.empty()) {
        return std::nullopt;
    }
    Peaks peaks;
    for (const Trace& trace : traces) {
        for (const Fact& fact : trace.facts) {
            std::optional<uint64_t>* peak = fact.kind == "peak memory"       ? &peaks.memory_bytes
                                            : fact.kind == "peak processors" ? &peaks.cpu_percent
                                                                             : nullptr;
            uint64_t amount = 0;
            const char* end = fact.value.data() + fact.value.size();
            if (peak != nullptr && std::from_chars(fact.value.data(), end, amount).ptr == end) {
                *peak = std::max(peak->value_or(0), amount);
            }
        }
        peaks.processes = std::max(peaks.processes, most_alive(trace));
        peaks.milliseconds =
            std::max(peaks.milliseconds,
                     static_cast<uint64_t>(std::max<int64_t>(trace.run.duration_ms.value_or(0), 0)));
    }
    return peaks;
}

Resources with_headroom(const Peaks& peaks) {
    Resources limits;
    if (peaks.memory_bytes) {
        limits.memory_bytes = std::max(least_memory, std::bit_ceil(*peaks.memory_bytes * 2));
    }
    if (peaks.cpu_percent) {
        limits.cpu_percent =
            static_cast<uint32_t>(std::max(one_processor, rounded_up(*peaks.cpu_percent * 2, one_processor)));
    }
    limits.processes = std::max(least_processes, rounded_up(peaks.processes * 2, 8));
    limits.time_seconds = std::max(least_seconds, rounded_up(peaks.milliseconds * 4 / 1000, 60));
    return limits;
}

} // namespace treadline

#include "profiler/resource_peaks.h"

#include "tests/support/support.h"

using namespace treadline;

namespace {

ProcessImage image(int64_t id, int64_t parent, int32_t pid, int64_t from, std::optional<int64_t> to,
                   bool exits) {
    ProcessImage made;
    made.id = id;
    made.parent = parent;
    made.pid = pid;
    made.started_ns = from;
    made.ended_ns = to;
    made.exit_status = exits ? std::optional<int32_t>(0) : std::nullopt;
    return made;
}

} // namespace

TEST_CASE("the most processes alive at one time are counted, not those that came one after another",
          "[profiler][resources]") {
    Trace trace;
    trace.processes = {
        image(1, 0, 100, 0, 10, false), image(2, 1, 100, 10, 100, true), // one that executed something
        image(3, 2, 101, 20, 30, true), image(4, 2, 102, 30, 40, true), image(5, 2, 103, 35, 60, true)};
    CHECK(peaks_of({trace})->processes == 3);
    CHECK_FALSE(peaks_of({}).has_value());
}

TEST_CASE("the peaks of several runs are the highest of each", "[profiler][resources]") {
    Trace small;
    small.run.duration_ms = 90000;
    small.facts = {{0, "peak memory", "", "1000000"}, {0, "peak memory", "", "none"}, {0, "other", "", "9"}};
    Trace large;
    large.run.duration_ms = 1000;
    large.facts = {{0, "peak memory", "", "300000000"}, {0, "peak processors", "", "370"}};
    const Peaks peaks = peaks_of({small, large}).value();
    CHECK(peaks.memory_bytes == 300000000U);
    CHECK(peaks.cpu_percent == 370U);
    CHECK(peaks.milliseconds == 90000);
    CHECK_FALSE(peaks_of({Trace{}})->memory_bytes.has_value());
    CHECK_FALSE(peaks_of({Trace{}})->cpu_percent.has_value());
}

TEST_CASE("suggested limits leave room and are amounts a person would write", "[profiler][resources]") {
    const Resources limits = with_headroom({300000000, 170, 41, 90000});
    CHECK(limits.memory_bytes == uint64_t{1} << 30);
    CHECK(limits.processes == 88U);
    CHECK(limits.time_seconds == 360U);
    CHECK(limits.cpu_percent == 400U);
    const Resources least = with_headroom({1, 1, 1, 1});
    CHECK(least.cpu_percent == 100U);
    CHECK(least.memory_bytes == uint64_t{64} << 20);
    CHECK(least.processes == 16U);
    CHECK(least.time_seconds == 60U);
    CHECK_FALSE(with_headroom({{}, {}, 1, 1}).memory_bytes.has_value());
    CHECK_FALSE(with_headroom({{}, {}, 1, 1}).cpu_percent.has_value());
}

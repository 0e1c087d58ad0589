// From stored runs to the profile file: what `learn` and `profile` share, and what `review` needs of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "collector/trace_reader.h"
#include "profiler/reduce.h"
#include "tools/treadline/context.h"

namespace treadline {

// Stored runs, oldest first; those `wanted` says yes to. AsRows is enough for write_profile_from().
result<std::vector<Trace>> read_traces(const Context& context, const std::function<bool(const RunInfo&)>& wanted,
                                       TraceReader::Files form = TraceReader::Files::AsTexts);

// Without the runs that were cut short, where there is a whole one: what a partial run saw is not wrong, but its gaps
// would mark the profile as incomplete for good. `always` is a run to keep all the same (0: none).
std::vector<Trace> whole_runs(std::vector<Trace> traces, int64_t always);

// What reduce() needs, on this machine. Holds the disk it looks at.
class Reduction {
public:
    Reduction(const Context& context, std::vector<Trace> traces, const Costs& costs = {});
    ReduceInput input;

private:
    std::unique_ptr<DiskView> disk_;
};

// --tightness, alike in `learn` and `profile`.
void add_tightness_option(CLI::App* command, Costs& costs);

// Makes the profile, or adds to it what the traces need and it does not allow yet; says on stderr what it did.
result<ok> write_profile_from(const Context& context, std::vector<Trace> traces, const Costs& costs);

} // namespace treadline

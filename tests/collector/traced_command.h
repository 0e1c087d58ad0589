// Runs a command under the real collector, from a held child to the stored trace: what `learn` does, without
// a sandbox.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/session.h"
#include "collector/trace.h"

namespace treadline::test {

struct TraceOptions {
    std::string store;     // "" : one that is removed afterwards
    std::string directory; // "" stays here
    std::string out;       // file for the command's stdout and stderr; "" stays
    // Called while the command runs, with the collector's pid.
    std::function<void(pid_t collector, pid_t command)> meanwhile;
};

struct Traced {
    int status = 0; // as a shell says it
    CollectorSummary summary;
    Trace trace;
};

result<Traced> trace_command(const std::vector<std::string>& argv, const TraceOptions& options = {});

// Whether the collector can get its privilege here; the sentence why not.
std::string tracing_problem();

} // namespace treadline::test

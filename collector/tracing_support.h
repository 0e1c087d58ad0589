// What tracing needs of this machine, and the sentence about what is missing.
#pragma once

#include <string>

#include "base/result.h"

namespace treadline {

// Gathered first, so that the sentences can be tested.
struct TracingSupport {
    bool privileged = false;   // this process has CAP_BPF and CAP_PERFMON
    bool kernel_types = false; // /sys/kernel/btf/vmlinux
    std::string kernel;        // uname -r
    std::string program;       // path of the collector, for the remedy
};
TracingSupport inspect_tracing();

// The error is one sentence that says what to do; success: worth trying.
result<ok> check_tracing(const TracingSupport& support);

} // namespace treadline

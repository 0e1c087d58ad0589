// What the tests of all probe families share: trace a tiny program, look into what was stored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "collector/trace.h"
#include "tests/collector/traced_command.h"
#include "tests/support/support.h"

namespace treadline::test {

inline std::string program(const std::string& name) {
    return std::string(TREADLINE_PROGRAMS) + "/" + name;
}

// Traces it where that is possible, else skips the test.
inline Traced traced(const std::vector<std::string>& argv, const TraceOptions& options = {}) {
    const std::string problem = tracing_problem();
    REQUIRE_CAPABILITY(problem.empty(), problem);
    auto done = trace_command(argv, options);
    if (!done) {
        FAIL(done.error().message());
    }
    return std::move(*done);
}

inline std::optional<FileAccess> file(const Trace& trace, const std::string& path, AccessKind kind,
                                      int result = 0) {
    for (const FileAccess& access : trace.files) {
        if (access.path == path && access.access == kind && access.result == result) {
            return access;
        }
    }
    return std::nullopt;
}

// Every kind of access recorded for a path, whatever its result, in the order of AccessKind.
inline std::vector<std::string> kinds(const Trace& trace, const std::string& path) {
    std::vector<std::string> found;
    for (const FileAccess& access : trace.files) {
        if (access.path == path) {
            found.emplace_back(to_string(access.access));
        }
    }
    return found;
}

inline std::optional<ProcessImage> process(const Trace& trace, const std::string& exe) {
    for (const ProcessImage& image : trace.processes) {
        if (image.exe == exe) {
            return image;
        }
    }
    return std::nullopt;
}

inline bool called(const Trace& trace, int64_t process, const std::string& name) {
    for (const SyscallUse& use : trace.syscalls) {
        if (use.process == process && use.name == name) {
            return true;
        }
    }
    return false;
}

} // namespace treadline::test

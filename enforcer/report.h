// The outcome of an enforced run for machines and for people (design section 7). Names in it come from a
// hostile program: both forms are safe to print.
#pragma once

#include <string>
#include <vector>

#include "enforcer/sandbox.h"

namespace treadline {

struct RunReport {
    std::vector<std::string> command;
    std::string profile;
    Outcome outcome;
    std::vector<std::string> degraded;
};

// `{command, profile, exit_status, violations: […], degraded: […]}`; strings are printable(), so bytes that
// are no UTF-8 and control characters stand as \xNN.
std::string to_json(const RunReport& report);

// One line a violation, most repeated first, and the YAML that would allow it.
std::string to_text(const RunReport& report);

} // namespace treadline

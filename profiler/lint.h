// What is wrong or doubtful in a profile without looking at any run: `treadline lint`.
//
// Only the profile's own lines are judged, not what it includes. A finding says what to do about it. No
// finding is no proof: which rules a command needs is known from its runs (minimise.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiles/policy.h"
#include "profiles/profile.h"

namespace treadline {

enum class Severity : uint8_t {
    Error,   // breaks the profile, or what no profile should allow
    Warning, // a person should have a reason for it
    Note,    // does no harm; could be tidier
};
std::string_view to_string(Severity severity); // "error", "warning", "note"

struct Finding {
    Severity severity = Severity::Warning;
    std::string code; // stable, for machines: docs/cli.md lists them
    Position at;      // line 0: the profile as a whole
    std::string rule; // as written, "" if it is about no single one
    std::string message;
};

struct LintInput {
    const Profile& profile;
    const Policy& policy;  // of that profile
    std::string_view text; // of that profile, for what stands in it as comments
    // What a path leads to on this machine through symbolic links, the path itself if through none; none if
    // there is nothing. Absent: the machine is not asked.
    std::function<std::optional<std::string>(const std::string&)> resolve;
};

std::vector<Finding> lint(const LintInput& input); // by position

// A profile that cannot be read or means nothing ("file:line:column: sentence") as the one finding there is.
Finding unreadable(const error& problem, const std::string& file);

std::string
to_json(const std::vector<Finding>& findings); // {findings: [{severity, code, line, column, rule?, message}]}
std::string to_text(const std::vector<Finding>& findings, const std::string& file); // safe for a terminal

} // namespace treadline

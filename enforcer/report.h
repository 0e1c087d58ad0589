// The outcome of an enforced run for machines and for people (design section 7). Names in it come from a
// hostile program: every form is safe to print, and to be read by the tool it is made for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enforcer/sandbox.h"

namespace treadline {

struct RunReport {
    std::vector<std::string> command;
    std::string profile; // path
    std::string project; // the directory that reports name the profile relative to; "" for none
    Outcome outcome;
    std::vector<std::string> degraded; // what this machine could not hold
    std::vector<std::string> unseen;   // which denials may be missing here, and how to see them
    bool audit = false;                // nothing was held: what would have been denied is listed
};

enum class ReportFormat { Json, Text, Junit, Sarif, Github };
inline constexpr std::string_view report_formats = "json, text, junit, sarif or github";
std::optional<ReportFormat> report_format(std::string_view name);
std::string render(ReportFormat format, const RunReport& report);

// `{command, profile, exit_status, violations: […], degraded: […], unseen: […], audit}`; strings are printable(), so
// bytes that are no UTF-8 and control characters stand as \xNN.
std::string to_json(const RunReport& report);

// One line a violation, most repeated first, and the YAML that would allow it.
std::string to_text(const RunReport& report);

// One test case for the command and one for each violation; what was expected or only audited is skipped, the rest
// failed.
std::string to_junit(const RunReport& report);

// SARIF 2.1.0; results point at the profile's line, because that is what a person would change.
std::string to_sarif(const RunReport& report);

// GitHub's workflow commands, one annotation a line, at the profile's line; at most ten of each kind, which is what
// GitHub shows.
std::string to_github_annotations(const RunReport& report);
// Markdown for $GITHUB_STEP_SUMMARY.
std::string to_github_summary(const RunReport& report);

// For all forms: "denied read /a (mount, node)", "would be denied: …", "denied as expected: …". Safe to print.
std::string headline(const Violation& violation);
// How to allow it, without a full stop; "no rule can allow it". Safe to print: rules carry
// their own escapes.
std::string remedy_sentence(const Violation& violation);
// The profile's path relative to the report's project where it lies in it.
std::string profile_name(const RunReport& report);

// Violations that are neither expected nor only audited, and those that would be in an enforced run.
size_t count_denied(const RunReport& report);
size_t count_unexpected(const RunReport& report);

} // namespace treadline

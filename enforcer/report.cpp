#include "enforcer/report.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/path.h"
#include "base/text.h"

namespace treadline {

std::optional<ReportFormat> report_format(std::string_view name) {
    static constexpr std::array<std::pair<std::string_view, ReportFormat>, 5> formats = {{
        {"json", ReportFormat::Json},
        {"text", ReportFormat::Text},
        {"junit", ReportFormat::Junit},
        {"sarif", ReportFormat::Sarif},
        {"github", ReportFormat::Github},
    }};
    const auto* found = std::find_if(formats.begin(), formats.end(), [&](const auto& format) { return format.first == name; });
    return found != formats.end() ? std::optional(found->second) : std::nullopt;
}

std::string render(ReportFormat format, const RunReport& report) {
    switch (format) {
    case ReportFormat::Json:
        return to_json(report);
    case ReportFormat::Text:
        return to_text(report);
    case ReportFormat::Junit:
        return to_junit(report);
    case ReportFormat::Sarif:
        return to_sarif(report);
    case ReportFormat::Github:
        return to_github_annotations(report);
    }
    return "";
}

std::string headline(const Violation& violation) {
    const char* verdict = !violation.expected.empty() ? "denied as expected: " : violation.denied ? "denied " : "would be denied: ";
    return verdict + violation.operation + " " + printable(violation.object) + " (" + violation.layer +
           (violation.exe.empty() ? "" : ", " + printable(file_name(violation.exe))) + ")";
}

std::string remedy_sentence(const Violation& violation) {
    if (!violation.review.empty()) {
        return "to allow it, move up from 'review:'   " + printable_escaped(violation.review);
    }
    if (violation.rule.empty()) {
        return "no rule can allow it";
    }
    return "to allow it, add under '" + violation.section + ":'   " + printable_escaped(violation.rule);
}

std::string profile_name(const RunReport& report) {
    const std::string& project = report.project;
    const bool inside = !project.empty() && project != "/" && is_within(report.profile, project) && report.profile != project;
    return inside ? report.profile.substr(project.size() + 1) : report.profile;
}

size_t count_denied(const RunReport& report) {
    const auto& all = report.outcome.violations;
    return static_cast<size_t>(
        std::count_if(all.begin(), all.end(), [](const Violation& one) { return one.denied && one.expected.empty(); }));
}

size_t count_unexpected(const RunReport& report) {
    const auto& all = report.outcome.violations;
    return static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const Violation& one) { return one.expected.empty(); }));
}

} // namespace treadline

#include "profiler/lint.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "profiler/lint_checks.h"
#include "profiler/review.h"

namespace treadline {
namespace {

void lint_whole(const LintInput& input, Findings& findings) {
    if (const std::string leak = leak_in(input.policy); !leak.empty()) {
        const auto& connect = input.profile.network.connect;
        findings.add(Severity::Warning, "leak", connect.empty() ? Position{} : connect.front().at, "",
                     leak + "; split the command in two profiles, or drop one of the three");
    }
    if (input.profile.learned && !input.profile.learned->complete) {
        findings.add(
            Severity::Warning, "incomplete", {}, "",
            "learned from runs that were not recorded completely, so something needed may be missing; "
            "learn again");
    }
    for (const WithheldLine& line : withheld_in(input.text)) {
        findings.add(Severity::Note, "undecided", {line.line, 1}, line.rule,
                     "waits for a decision (" + line.reason +
                         "); remove the '#' to accept it, `deny` it, or delete the line");
    }
    for (const WithheldLine& line : under_review(input.profile.review, input.text)) {
        findings.add(
            Severity::Note, "undecided", {line.line, 1}, line.rule,
            "waits for a decision under `review:`; move it up to accept it, `deny` it, or delete the line");
    }
}

std::optional<int> number(std::string_view text) {
    int value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    return problem == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(value)
                                                                                       : std::nullopt;
}

} // namespace

std::string_view to_string(Severity severity) {
    switch (severity) {
    case Severity::Error:
        return "error";
    case Severity::Warning:
        return "warning";
    case Severity::Note:
        return "note";
    }
    return "";
}

std::vector<Finding> lint(const LintInput& input) {
    Findings findings;
    lint_whole(input, findings);
    lint_files(input, findings);
    lint_network(input, findings);
    lint_process(input, findings);
    std::vector<Finding> found = findings.take();
    std::stable_sort(found.begin(), found.end(), [](const Finding& a, const Finding& b) {
        return std::tie(a.at.line, a.at.column, a.severity) < std::tie(b.at.line, b.at.column, b.severity);
    });
    return found;
}

Finding unreadable(const error& problem, const std::string& file) {
    Finding finding{Severity::Error, "invalid", {}, "", problem.message()};
    // "file:line:column: sentence"
    const std::string& text = finding.message;
    if (text.rfind(file + ":", 0) == 0) {
        const auto parts = split(std::string_view(text).substr(file.size() + 1), ':');
        const auto line = parts.size() > 2 ? number(parts[0]) : std::nullopt;
        const auto column = parts.size() > 2 ? number(parts[1]) : std::nullopt;
        if (line && column) {
            finding.at = {*line, *column};
            finding.message =
                trimmed(std::string_view(text).substr(file.size() + parts[0].size() + parts[1].size() + 3));
        }
    }
    return finding;
}

std::string to_json(const std::vector<Finding>& findings) {
    nlohmann::json list = nlohmann::json::array();
    for (const Finding& finding : findings) {
        nlohmann::json entry = {{"severity", to_string(finding.severity)},
                                {"code", finding.code},
                                {"line", finding.at.line},
                                {"column", finding.at.column},
                                {"message", legible(finding.message)}};
        if (!finding.rule.empty()) {
            entry["rule"] = legible(finding.rule);
        }
        list.push_back(std::move(entry));
    }
    return nlohmann::json{{"findings", std::move(list)}}.dump(2) + "\n";
}

std::string to_text(const std::vector<Finding>& findings, const std::string& file) {
    std::string text;
    for (const Finding& finding : findings) {
        text += printable(file);
        if (finding.at.line > 0) {
            text += ":" + std::to_string(finding.at.line) + ":" + std::to_string(finding.at.column);
        }
        text += ": " + std::string(to_string(finding.severity)) + ": " +
                (finding.rule.empty() ? "" : legible(finding.rule) + ": ") + legible(finding.message) + " [" +
                finding.code + "]\n";
    }
    return text;
}

} // namespace treadline

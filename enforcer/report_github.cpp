#include <algorithm>
#include <cctype>

#include "base/path.h"
#include "base/text.h"
#include "enforcer/report.h"

namespace treadline {
namespace {

constexpr size_t annotations_shown = 10; // of each kind in a step; GitHub drops the rest without a word

// Of text that is printable(), in a workflow command's data; in a property ',' and ':' end something, too.
std::string command_text(std::string_view text, bool property = false) {
    std::string out;
    for (const char c : printable_escaped(text)) {
        if (c == '%') {
            out += "%25";
        } else if (property && c == ':') {
            out += "%3A";
        } else if (property && c == ',') {
            out += "%2C";
        } else {
            out += c;
        }
    }
    return out;
}

// Of text that is printable(), inside HTML inside Markdown: everything but plain names is a character reference, which neither reads.
std::string markdown(std::string_view text) {
    std::string out;
    for (const char c : printable_escaped(text)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80 || std::isalnum(byte) != 0 || std::string_view(" -/.,=;'").find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += "&#" + std::to_string(byte) + ";";
        }
    }
    return out;
}

std::string code(std::string_view text) {
    return text.empty() ? "" : "<code>" + markdown(text) + "</code>";
}

// What the caller's environment held is no news at each run; the step's summary lists it.
bool is_annotated(const Violation& violation) {
    return violation.layer != "environment";
}

const char* level_of(const Violation& violation) {
    return !violation.expected.empty() ? "notice" : violation.denied ? "error" : "warning";
}

} // namespace

std::string to_github_annotations(const RunReport& report) {
    std::string out;
    for (const std::string_view level : {"error", "warning", "notice"}) {
        size_t of_level = 0;
        const auto& violations = report.outcome.violations;
        const auto total = static_cast<size_t>(std::count_if(violations.begin(), violations.end(),
                                                             [&](const Violation& one) { return is_annotated(one) && level_of(one) == level; }));
        const std::string place = "file=" + command_text(printable(profile_name(report)), true);
        for (const Violation& violation : violations) {
            if (!is_annotated(violation) || level_of(violation) != level) {
                continue;
            }
            if (++of_level == annotations_shown && total > annotations_shown) {
                out += "::" + std::string(level) + " " + place + ",title=treadline::and " +
                       std::to_string(total - annotations_shown + 1) + " more; the step's summary lists them\n";
                break;
            }
            out += "::" + std::string(level) + " " + place + ",line=" + std::to_string(std::max(violation.line, 1)) +
                   ",title=" + command_text("treadline: " + violation.operation + " denied", true) + "::" +
                   command_text(headline(violation) + "; " + remedy_sentence(violation) +
                        (violation.risk.empty() ? "" : "; risky: " + printable(violation.risk))) +
                   "\n";
        }
    }
    return out;
}

std::string to_github_summary(const RunReport& report) {
    constexpr size_t rows = 200; // a summary may have 1 MiB
    const auto& violations = report.outcome.violations;
    std::string out = "### Treadline\n\n" + code(shell_quoted(report.command)) + " ended with " +
                      std::to_string(report.outcome.exit_status) + "; ";
    const size_t unexpected = count_unexpected(report);
    out += unexpected == 0 ? "nothing " : std::to_string(unexpected) + " ";
    out += report.audit ? "would be denied" : unexpected == 0 ? "was denied" : "denied";
    out += violations.size() > unexpected ? ", " + std::to_string(violations.size() - unexpected) + " as expected.\n" : ".\n";
    if (!violations.empty()) {
        out += "\n| | what | times | by | to allow it | risk |\n| --- | --- | --- | --- | --- | --- |\n";
    }
    for (size_t i = 0; i < std::min(rows, violations.size()); ++i) {
        const Violation& one = violations[i];
        const std::string where = one.review.empty() ? one.section : "review";
        const std::string& rule = one.review.empty() ? one.rule : one.review;
        out += std::string("| ") + (!one.expected.empty() ? "expected" : one.denied ? "denied" : "audited") + " | " + one.operation + " " +
               code(printable(one.object)) + " | " + std::to_string(one.count) + " | " + code(printable(file_name(one.exe))) + " | " +
               (rule.empty() ? "no rule can" : where + ": " + code(rule)) + " | " + markdown(printable(one.risk)) + " |\n";
    }
    if (violations.size() > rows) {
        out += "\nand " + std::to_string(violations.size() - rows) + " more.\n";
    }
    for (const std::string& gap : report.degraded) {
        out += "\n- not held here: " + markdown(printable(gap)) + "\n";
    }
    for (const std::string& gap : report.unseen) {
        out += "\n- may be missing here: " + markdown(printable(gap)) + "\n";
    }
    return out;
}

} // namespace treadline

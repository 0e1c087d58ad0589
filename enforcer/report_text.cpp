#include <algorithm>

#include "base/path.h"
#include "base/text.h"
#include "enforcer/report.h"

namespace treadline {
namespace {

std::string described(const Violation& violation) {
    std::string out = "  " + violation.operation + " " + printable(violation.object) + " (" + violation.layer;
    out += violation.count > 1 ? ", " + std::to_string(violation.count) + " times" : "";
    out += ") by " + printable(file_name(violation.exe)) + "\n";
    if (!violation.expected.empty()) {
        out += "    expected: " + printable(violation.expected) + "\n";
    }
    if (!violation.reason.empty()) {
        out += "    " + printable(violation.reason) + "\n";
    }
    if (!violation.review.empty()) {
        out += "    to allow it, move up from review: " + printable_escaped(violation.review) + "\n";
    } else if (!violation.rule.empty()) {
        out += "    to allow it, under " + violation.section + ": " + printable_escaped(violation.rule) + "\n";
    }
    if (!violation.opens.empty()) {
        out += "    that would also open: " + printable(violation.opens) + "\n";
    }
    if (!violation.risk.empty()) {
        out += "    risk: " + printable(violation.risk) + "\n";
    }
    return out;
}

} // namespace

std::string to_text(const RunReport& report) {
    std::string out =
        shell_quoted(report.command) + " ended with " + std::to_string(report.outcome.exit_status) + "\n";
    std::vector<Violation> violations = report.outcome.violations;
    std::stable_sort(violations.begin(), violations.end(),
                     [](const Violation& a, const Violation& b) { return a.count > b.count; });
    const auto list = [&](const char* title, auto belongs) {
        std::string listed;
        size_t count = 0;
        for (const Violation& violation : violations) {
            if (belongs(violation)) {
                listed += described(violation);
                ++count;
            }
        }
        out += count > 0 ? std::to_string(count) + " " + title + ":\n" + listed : "";
    };
    if (violations.empty()) {
        out += report.audit ? "nothing would be denied\n" : "nothing was denied\n";
    }
    list("denied", [](const Violation& one) { return one.denied && one.expected.empty(); });
    list("would be denied (--audit let them through)", [](const Violation& one) { return !one.denied && one.expected.empty(); });
    list("denied as expected", [](const Violation& one) { return !one.expected.empty(); });
    for (const std::string& gap : report.degraded) {
        out += "degraded: " + printable(gap) + "\n";
    }
    for (const std::string& gap : report.unseen) {
        out += "may be missing here: " + printable(gap) + "\n";
    }
    return out;
}

} // namespace treadline

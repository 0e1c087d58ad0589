#include "base/path.h"
#include "base/text.h"
#include "enforcer/report.h"

namespace treadline {
namespace {

// Of text that is printable(), so there is no control character; what XML 1.0 forbids beside those are U+FFFE and U+FFFF.
std::string xml(std::string_view text) {
    const std::string plain = printable_escaped(text);
    std::string out;
    for (size_t at = 0; at < plain.size(); ++at) {
        switch (plain[at]) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        default:
            if (plain.compare(at, 3, "\xEF\xBF\xBE") == 0 || plain.compare(at, 3, "\xEF\xBF\xBF") == 0) {
                out += plain[at + 2] == '\xBE' ? "\\xEF\\xBF\\xBE" : "\\xEF\\xBF\\xBF";
                at += 2;
            } else {
                out += plain[at];
            }
        }
    }
    return out;
}

std::string described(const Violation& violation) {
    std::string out = xml(violation.reason.empty() ? headline(violation) : printable(violation.reason)) + "\n";
    out += xml(remedy_sentence(violation)) + "\n";
    out += violation.opens.empty() ? "" : "that would also open: " + xml(printable(violation.opens)) + "\n";
    out += violation.risk.empty() ? "" : "risk: " + xml(printable(violation.risk)) + "\n";
    out += violation.expected.empty() ? "" : "expected: " + xml(printable(violation.expected)) + "\n";
    out += "by " + xml(printable(violation.exe)) + ", " + std::to_string(violation.count) + " times\n";
    return out;
}

} // namespace

std::string to_junit(const RunReport& report) {
    const bool failed = report.outcome.exit_status != 0;
    const size_t denied = count_denied(report);
    const auto& violations = report.outcome.violations;
    const std::string counts = " tests=\"" + std::to_string(violations.size() + 1) + "\" failures=\"" +
                               std::to_string(denied + (failed ? 1 : 0)) + "\" errors=\"0\" skipped=\"" +
                               std::to_string(violations.size() - denied) + "\"";
    std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites" + counts + ">\n";
    out += "  <testsuite name=\"treadline enforce\"" + counts + ">\n";
    out += "    <testcase classname=\"command\" name=\"" + xml(printable(join(report.command, " "))) + "\"";
    const std::string status = std::to_string(report.outcome.exit_status);
    out += failed ? ">\n      <failure message=\"ended with " + status + "\" type=\"status\"/>\n    </testcase>\n" : "/>\n";
    for (const Violation& violation : violations) {
        out += "    <testcase classname=\"" + xml(violation.layer) + "\" name=\"" +
               xml(violation.operation + " " + printable(violation.object) + " by " + printable(file_name(violation.exe))) + "\">\n";
        if (violation.denied && violation.expected.empty()) {
            out += "      <failure message=\"" + xml(headline(violation)) + "\" type=\"denied\">" + described(violation) +
                   "</failure>\n";
        } else {
            out += "      <skipped message=\"" + xml(headline(violation)) + "\"/>\n";
            out += "      <system-out>" + described(violation) + "</system-out>\n";
        }
        out += "    </testcase>\n";
    }
    std::string gaps;
    for (const std::string& gap : report.degraded) {
        gaps += "degraded: " + xml(printable(gap)) + "\n";
    }
    for (const std::string& gap : report.unseen) {
        gaps += "may be missing here: " + xml(printable(gap)) + "\n";
    }
    out += gaps.empty() ? "" : "    <system-out>" + gaps + "</system-out>\n";
    return out + "  </testsuite>\n</testsuites>\n";
}

} // namespace treadline

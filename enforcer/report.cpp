#include "enforcer/report.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/path.h"
#include "base/text.h"

namespace treadline {
namespace {

using Json = nlohmann::ordered_json;

Json printable_list(const std::vector<std::string>& words) {
    Json list = Json::array();
    for (const std::string& word : words) {
        list.push_back(printable(word));
    }
    return list;
}

Json json_of(const Violation& violation) {
    Json out;
    out["layer"] = violation.layer;
    out["operation"] = violation.operation;
    out["object"] = printable(violation.object);
    out["process"] = {
        {"pid", violation.pid}, {"exe", printable(violation.exe)}, {"argv", printable_list(violation.argv)}};
    out["section"] = violation.section.empty() ? Json() : Json(violation.section);
    out["rule"] = violation.rule.empty() ? Json() : Json(violation.rule);
    out["reason"] = printable(violation.reason);
    out["review"] = violation.review.empty() ? Json() : Json(printable(violation.review));
    out["risk"] = violation.risk.empty() ? Json() : Json(printable(violation.risk));
    out["count"] = violation.count;
    return out;
}

} // namespace

std::string to_json(const RunReport& report) {
    Json out;
    out["command"] = printable_list(report.command);
    out["profile"] = printable(report.profile);
    out["exit_status"] = report.outcome.exit_status;
    out["violations"] = Json::array();
    for (const Violation& violation : report.outcome.violations) {
        out["violations"].push_back(json_of(violation));
    }
    out["degraded"] = printable_list(report.degraded);
    return out.dump(2) + "\n";
}

std::string to_text(const RunReport& report) {
    std::string out =
        shell_quoted(report.command) + " ended with " + std::to_string(report.outcome.exit_status) + "\n";
    std::vector<Violation> violations = report.outcome.violations;
    std::stable_sort(violations.begin(), violations.end(),
                     [](const Violation& a, const Violation& b) { return a.count > b.count; });
    out += violations.empty() ? "nothing was denied\n" : std::to_string(violations.size()) + " denied:\n";
    for (const Violation& violation : violations) {
        out += "  " + violation.operation + " " + printable(violation.object) + " (" + violation.layer;
        out += violation.count > 1 ? ", " + std::to_string(violation.count) + " times" : "";
        out += ") by " + printable(file_name(violation.exe)) + "\n";
        if (!violation.reason.empty()) {
            out += "    " + printable(violation.reason) + "\n";
        }
        if (!violation.review.empty()) {
            out += "    to allow it, move up from review: " + printable(violation.review) + "\n";
        } else if (!violation.rule.empty()) {
            out += "    to allow it, under " + violation.section + ": " + violation.rule + "\n";
        }
        if (!violation.risk.empty()) {
            out += "    risk: " + printable(violation.risk) + "\n";
        }
    }
    for (const std::string& gap : report.degraded) {
        out += "degraded: " + printable(gap) + "\n";
    }
    return out;
}

} // namespace treadline

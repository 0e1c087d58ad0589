#include <nlohmann/json.hpp>

#include "base/text.h"
#include "enforcer/report.h"

namespace treadline {
namespace {

using Json = nlohmann::ordered_json;

Json legible_list(const std::vector<std::string>& words) {
    Json list = Json::array();
    for (const std::string& word : words) {
        list.push_back(legible(word));
    }
    return list;
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json() : Json(printable(text));
}

Json json_of(const Violation& violation) {
    Json out;
    out["layer"] = violation.layer;
    out["operation"] = violation.operation;
    out["object"] = printable(violation.object);
    out["process"] = {
        {"pid", violation.pid}, {"exe", printable(violation.exe)}, {"argv", legible_list(violation.argv)}};
    out["section"] = text_or_null(violation.section);
    out["rule"] = violation.rule.empty() ? Json() : Json(printable_escaped(violation.rule));
    out["reason"] = printable(violation.reason);
    out["review"] = violation.review.empty() ? Json() : Json(printable_escaped(violation.review));
    out["opens"] = text_or_null(violation.opens);
    out["risk"] = text_or_null(violation.risk);
    out["line"] = violation.line > 0 ? Json(violation.line) : Json();
    out["denied"] = violation.denied;
    out["expected"] = !violation.expected.empty();
    out["expected_because"] = text_or_null(violation.expected);
    out["count"] = violation.count;
    return out;
}

} // namespace

std::string to_json(const RunReport& report) {
    Json out;
    out["command"] = legible_list(report.command);
    out["profile"] = printable(report.profile);
    out["audit"] = report.audit;
    out["exit_status"] = report.outcome.exit_status;
    out["violations"] = Json::array();
    for (const Violation& violation : report.outcome.violations) {
        out["violations"].push_back(json_of(violation));
    }
    out["degraded"] = legible_list(report.degraded);
    out["unseen"] = legible_list(report.unseen);
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace treadline

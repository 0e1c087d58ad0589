#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "enforcer/report.h"

namespace treadline {
namespace {

using Json = nlohmann::ordered_json;

// Of text that is printable(). In SARIF's plain text `[words](target)` is a link; a backslash takes that from a bracket
// (section 3.11.6).
std::string message(std::string_view text) {
    std::string out;
    for (const char c : printable_escaped(text)) {
        if (c == '[' || c == ']') {
            out += '\\';
        }
        out += c;
    }
    return out;
}

// RFC 3986: what is not unreserved is percent-encoded, byte by byte.
std::string uri_path(std::string_view path) {
    std::string out;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                           std::string_view("-._~/").find(c) != std::string_view::npos;
        if (plain) {
            out += c;
            continue;
        }
        std::array<char, 4> encoded{};
        std::snprintf(encoded.data(), encoded.size(), "%%%02X", byte);
        out += encoded.data();
    }
    return out;
}

// The same denial has the same fingerprint in every run. FNV-1a, 64 bit.
std::string fingerprint(const Violation& violation) {
    uint64_t hash = 0xcbf29ce484222325U;
    for (const std::string* part : {&violation.layer, &violation.operation, &violation.object}) {
        for (const char c : *part + '\n') {
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        }
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
    return text.data();
}

struct Rules {
    std::vector<std::string> ids;
    Json described = Json::array();

    size_t of(const Violation& violation) {
        const std::string id = violation.layer + "/" + violation.operation;
        const auto found = std::find(ids.begin(), ids.end(), id);
        if (found == ids.end()) {
            ids.push_back(id);
            described.push_back({{"id", id},
                                 {"name", violation.operation + " denied"},
                                 {"shortDescription",
                                  {{"text", "The profile does not allow a " + violation.operation + " that the command tried (" +
                                                violation.layer + ")."}}}});
            return ids.size() - 1;
        }
        return static_cast<size_t>(found - ids.begin());
    }
};

Json location_of(const RunReport& report, const Violation& violation) {
    const std::string name = profile_name(report);
    Json artifact;
    if (name.empty() || name[0] == '/') {
        artifact["uri"] = "file://" + uri_path(name);
    } else {
        artifact["uri"] = uri_path(name);
        artifact["uriBaseId"] = "%SRCROOT%";
    }
    return {{"physicalLocation",
             {{"artifactLocation", artifact}, {"region", {{"startLine", std::max(violation.line, 1)}}}}}};
}

Json result_of(const RunReport& report, const Violation& violation, Rules& rules) {
    const size_t rule = rules.of(violation);
    std::string text = headline(violation) + "; " + remedy_sentence(violation);
    text += violation.opens.empty() ? "" : "; that would also open: " + printable(violation.opens);
    text += violation.risk.empty() ? "" : "; risk: " + printable(violation.risk);
    Json result;
    result["ruleId"] = rules.ids[rule];
    result["ruleIndex"] = rule;
    result["level"] = !violation.expected.empty() ? "note" : violation.denied ? "error" : "warning";
    result["message"] = {{"text", message(text)}};
    result["locations"] = Json::array({location_of(report, violation)});
    result["partialFingerprints"] = {{"treadlineDenial/v1", fingerprint(violation)}};
    result["occurrenceCount"] = violation.count;
    result["properties"] = {{"object", printable(violation.object)},
                            {"exe", printable(violation.exe)},
                            {"rule", violation.rule.empty() ? Json() : Json(printable_escaped(violation.rule))}};
    if (!violation.expected.empty()) {
        result["suppressions"] =
            Json::array({{{"kind", "external"}, {"justification", printable(violation.expected)}}});
    }
    return result;
}

Json notifications_of(const RunReport& report) {
    Json notes = Json::array();
    for (const std::string& gap : report.degraded) {
        notes.push_back({{"level", "warning"}, {"message", {{"text", message("degraded: " + printable(gap))}}}});
    }
    for (const std::string& gap : report.unseen) {
        notes.push_back({{"level", "note"}, {"message", {{"text", message("may be missing here: " + printable(gap))}}}});
    }
    return notes;
}

} // namespace

std::string to_sarif(const RunReport& report) {
    Rules rules;
    Json results = Json::array();
    for (const Violation& violation : report.outcome.violations) {
        results.push_back(result_of(report, violation, rules));
    }
    const Json driver = {{"name", "Treadline"}, {"version", TREADLINE_VERSION}, {"rules", rules.described}};
    const Json invocation = {{"executionSuccessful", report.outcome.exit_status == 0},
                             {"exitCode", report.outcome.exit_status},
                             {"commandLine", shell_quoted(report.command)},
                             {"toolExecutionNotifications", notifications_of(report)}};
    Json run;
    run["tool"] = {{"driver", driver}};
    run["invocations"] = Json::array({invocation});
    run["results"] = std::move(results);
    Json log;
    log["$schema"] = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
    log["version"] = "2.1.0";
    log["runs"] = Json::array({run});
    return log.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace treadline

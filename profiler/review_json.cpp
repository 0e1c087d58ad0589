#include <cmath>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "profiler/review.h"
#include "profiles/profile_writer.h"

namespace treadline {
namespace {

nlohmann::json legible_all(const std::vector<std::string>& texts) {
    nlohmann::json list = nlohmann::json::array();
    for (const std::string& text : texts) {
        list.push_back(legible(text));
    }
    return list;
}

// Estimates are not worth more digits, and so the same on every machine.
double rounded(double share) {
    return std::round(share * 1e4) / 1e4;
}

nlohmann::json roles_of(const Evidence& evidence) {
    nlohmann::json names = nlohmann::json::array();
    for (const Role role : evidence.roles) {
        if (role != Role::Other) {
            names.push_back(to_string(role));
        }
    }
    return names;
}

nlohmann::json json_of(const ReviewGroup& group, const ReviewLine& line, const Review& review) {
    const int stored_runs = review.stored_runs;
    const auto started = [&](int run) -> nlohmann::json {
        const auto at = static_cast<size_t>(run);
        return line.evidence.runs > 0 && at < review.started_unix_ms.size()
                   ? nlohmann::json(review.started_unix_ms[at])
                   : nullptr;
    };
    return {{"group", group.title},
            {"rule", legible(line.rule)},
            {"meaning", legible(line.meaning)},
            {"line", line.line},
            {"runs", line.evidence.runs},
            {"of_runs", stored_runs},
            {"at_least", rounded(wilson_lower_bound(line.evidence.runs, stored_runs))},
            {"processes", line.evidence.processes},
            {"programs", legible_all(line.evidence.programs)},
            {"roles", roles_of(line.evidence)},
            {"only_after_untrusted", line.evidence.only_after_untrusted},
            {"only_through_made_links", line.evidence.only_through_made_links},
            {"first_seen_unix_ms", started(line.evidence.first_run)},
            {"last_seen_unix_ms", started(line.evidence.last_run)},
            {"examples", legible_all(line.evidence.examples)}};
}

nlohmann::json json_of(const std::vector<DeniedAccess>& denied) {
    nlohmann::json shown = nlohmann::json::array();
    for (const DeniedAccess& access : denied) {
        shown.push_back({{"operation", to_string(access.operation)},
                         {"object", legible(access.object)},
                         {"reason", legible(access.reason)}});
    }
    return shown;
}

nlohmann::json json_of(const Confidence& confidence) {
    nlohmann::json shown = {
        {"runs", confidence.runs},
        {"unseen", confidence.unseen ? nlohmann::json(rounded(*confidence.unseen)) : nullptr},
        {"left_out", nullptr},
        {"denied", json_of(confidence.denied)}};
    if (const auto& left_out = confidence.left_out) {
        shown["left_out"] = {{"runs", left_out->runs},
                             {"denied_runs", left_out->denied_runs},
                             {"denied_share", rounded(left_out->denied_share)},
                             {"examples", json_of(left_out->examples)}};
    }
    return shown;
}

nlohmann::json json_of(const Peaks& peaks) {
    return {{"peak_memory", peaks.memory_bytes ? nlohmann::json(*peaks.memory_bytes) : nullptr},
            {"peak_cpu_percent", peaks.cpu_percent ? nlohmann::json(*peaks.cpu_percent) : nullptr},
            {"peak_processes", peaks.processes},
            {"longest_ms", peaks.milliseconds},
            {"suggested", resources_text(with_headroom(peaks))}};
}

} // namespace

std::string to_json(const Review& review) {
    nlohmann::json rules = nlohmann::json::array();
    for (const ReviewGroup& group : review.groups) {
        for (const ReviewLine& line : group.lines) {
            rules.push_back(json_of(group, line, review));
        }
    }
    nlohmann::json withheld = nlohmann::json::array();
    for (const WithheldLine& line : review.withheld) {
        withheld.push_back({{"line", line.line},
                            {"rule", legible(line.rule)},
                            {"reason", legible(line.reason)},
                            {"under_review", line.under_review}});
    }
    nlohmann::json budgets = nlohmann::json::array();
    for (const Budget& budget : review.budgets) {
        budgets.push_back(budget_line(budget));
    }
    return nlohmann::json{{"name", legible(review.name)},
                          {"file", printable(review.file)},
                          {"stored_runs", review.stored_runs},
                          {"risks", legible_all(review.risks)},
                          {"rules", std::move(rules)},
                          {"withheld", std::move(withheld)},
                          {"warnings", legible_all(review.warnings)},
                          {"confidence", review.confidence ? json_of(*review.confidence) : nullptr},
                          {"budgets", std::move(budgets)},
                          {"resources", review.peaks ? json_of(*review.peaks) : nullptr}}
               .dump(2) +
           "\n";
}

} // namespace treadline

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "profiler/minimise.h"
#include "profiler/rule_text.h"

namespace treadline {
namespace {

constexpr size_t denied_shown = 20; // for a person; JSON has them all

std::string count_of(size_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string line_of(const RuleVerdict& rule) {
    const std::string section =
        rule.section == Section::Files ? "" : std::string(section_word(rule.section)) + ": ";
    return "  line " + std::to_string(rule.line) + ": " + section + legible(rule.rule) + "\n";
}

std::string redundant_text(const Minimised& minimised) {
    std::string text;
    for (const RuleVerdict& rule : minimised.rules) {
        if (rule.verdict == Verdict::Redundant) {
            std::vector<std::string> also;
            for (const std::string& other : rule.also) {
                also.push_back(legible(other));
            }
            text += line_of(rule) + "      also allowed by: " + join(also, ", ") +
                    (rule.can_be_dropped ? "" : "; keep it if the others are dropped") + "\n";
        }
    }
    return text.empty() ? "" : "\nRedundant: other rules allow all that the runs did with it\n" + text;
}

std::string never_used_text(const Minimised& minimised) {
    std::string text;
    for (const RuleVerdict& rule : minimised.rules) {
        if (rule.verdict == Verdict::NeverUsed) {
            text += line_of(rule);
        }
    }
    return text.empty() ? "" : "\nNever used: no stored run did what it allows\n" + text;
}

std::string partly_used_text(const Minimised& minimised) {
    std::string text;
    for (const RuleVerdict& rule : minimised.rules) {
        if (rule.verdict == Verdict::NeverUsed) {
            continue;
        }
        if (!rule.unused.empty()) {
            text += line_of(rule) + "      no run used " + to_string(rule.unused) + "\n";
        } else if (rule.section == Section::Include) {
            text += line_of(rule) + "      " + std::to_string(rule.parts_used) + " of its " +
                    count_of(rule.parts, "rule") + " used\n";
        }
    }
    return text.empty() ? "" : "\nUsed in part\n" + text;
}

std::string denied_text(const Minimised& minimised) {
    if (minimised.denied.empty()) {
        return "";
    }
    std::string text = "\nDenied: stored runs did it, and no rule allows it\n";
    for (size_t i = 0; i < minimised.denied.size() && i < denied_shown; ++i) {
        const DeniedAccess& access = minimised.denied[i];
        text += "  " + std::string(to_string(access.operation)) + " " + legible(access.object) + "\n      " +
                legible(access.reason) + "\n";
    }
    if (minimised.denied.size() > denied_shown) {
        text += "  and " + std::to_string(minimised.denied.size() - denied_shown) + " more\n";
    }
    return text;
}

} // namespace

std::string to_json(const Minimised& minimised) {
    nlohmann::json rules = nlohmann::json::array();
    for (const RuleVerdict& rule : minimised.rules) {
        nlohmann::json entry = {{"section", section_word(rule.section)},
                                {"rule", legible(rule.rule)},
                                {"line", rule.line},
                                {"verdict", to_string(rule.verdict)},
                                {"can_be_dropped", rule.can_be_dropped},
                                {"accesses", rule.accesses},
                                {"alone", rule.alone},
                                {"runs", rule.runs}};
        if (!rule.example.empty()) {
            entry["example"] = legible(rule.example);
        }
        for (const std::string& other : rule.also) {
            entry["also"].push_back(legible(other));
        }
        if (!rule.unused.empty()) {
            entry["unused"] = to_string(rule.unused);
        }
        if (rule.section == Section::Include) {
            entry["parts"] = rule.parts;
            entry["parts_used"] = rule.parts_used;
        }
        rules.push_back(std::move(entry));
    }
    nlohmann::json denied = nlohmann::json::array();
    for (const DeniedAccess& access : minimised.denied) {
        denied.push_back({{"operation", to_string(access.operation)},
                          {"object", legible(access.object)},
                          {"reason", legible(access.reason)}});
    }
    return nlohmann::json{{"runs", minimised.runs},
                          {"accesses", minimised.accesses},
                          {"rules", std::move(rules)},
                          {"denied", std::move(denied)}}
               .dump(2) +
           "\n";
}

std::string to_text(const Minimised& minimised, const std::string& file) {
    return printable(file) + ", " + count_of(minimised.rules.size(), "rule") + " against what " +
           count_of(minimised.runs, "run") +
           " did: " + std::to_string(minimised.count(Verdict::LoadBearing)) + " load-bearing, " +
           std::to_string(minimised.count(Verdict::Redundant)) + " redundant, " +
           std::to_string(minimised.count(Verdict::NeverUsed)) + " never used\n" + redundant_text(minimised) +
           never_used_text(minimised) + partly_used_text(minimised) + denied_text(minimised);
}

} // namespace treadline

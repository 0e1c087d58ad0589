#include "profiler/diff.h"

#include <algorithm>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "profiler/rule_text.h"
#include "profiles/credential_value.h"
#include "profiles/request_scope.h"

namespace treadline {
namespace {

// A label that stands in no rule, so that only what is wide matches it.
std::string fresh_label(const std::vector<PolicyEndpoint>& rules) {
    for (size_t number = 0;; ++number) { // ends: the rules are finite
        std::string label = "any" + std::to_string(number);
        if (std::none_of(rules.begin(), rules.end(), [&](const PolicyEndpoint& rule) {
                return rule.host.find(label) != std::string::npos || rule.text.find(label) != std::string::npos;
            })) {
            return label;
        }
    }
}

// Whether all requests that the rule allows there are allowed here: by some that stand for all the others.
bool may_ask(const Policy& policy, const std::string& host, const PolicyEndpoint& endpoint) {
    const std::string fresh = fresh_label(policy.connect());
    const std::vector<std::string> any_method = {fresh}; // no method that a rule can name
    const std::vector<std::string> any_path = {"/" + fresh};
    for (const std::string& method : endpoint.scope.methods.empty() ? any_method : endpoint.scope.methods) {
        for (const std::string& path : endpoint.scope.paths.empty() ? any_path : endpoint.scope.paths) {
            const std::string target = path.ends_with("/**") ? path.substr(0, path.size() - 2) + fresh : path;
            if (!policy.decide_sending(host, endpoint.port, method, target).allowed) {
                return false;
            }
        }
    }
    return true;
}

bool reaches(const Policy& policy, const PolicyEndpoint& endpoint) {
    std::string host = endpoint.host;
    if (host.rfind("*.", 0) == 0) {
        host = fresh_label(policy.connect()) + host.substr(1);
    }
    if (!endpoint.any_protocol) {
        return may_ask(policy, host, endpoint);
    }
    if (host.find(':') != std::string::npos) {
        host = "[" + host + "]";
    }
    return policy.decide(Operation::Connect, host + ":" + std::to_string(endpoint.port) + (endpoint.any_protocol ? "/tcp" : "")).allowed;
}

// A trailing `*` never passes a secret, so that a name may be missing though a wildcard seems to hold it.
bool passes(const Policy& policy, const std::string& name) {
    const auto& rules = policy.environment().pass;
    if (std::find(rules.begin(), rules.end(), Entry{name, {}}) != rules.end()) {
        return true;
    }
    if (name.back() != '*') {
        return policy.decide(Operation::Environment, name).allowed;
    }
    return std::any_of(rules.begin(), rules.end(), [&](const Entry& rule) {
        return rule.text.back() == '*' && name.rfind(rule.text.substr(0, rule.text.size() - 1), 0) == 0;
    });
}

// Where the value comes from, and never the value itself: a difference is shown in public logs.
std::string credential_text(const Credential& credential) {
    const auto value = parse_credential_value(credential.value);
    std::vector<std::string> sources;
    for (const CredentialSource& source : value ? value->sources() : std::vector<CredentialSource>{}) {
        sources.push_back(to_string(source));
    }
    return credential.host + " " + credential.header + to_string(credential.scope) + " from " +
           (sources.empty() ? "a literal value" : join(sources, " ")) +
           (credential.variable.empty() ? "" : " as " + credential.variable);
}

bool has_port(const std::vector<PolicyPort>& ports, uint16_t port) {
    return std::any_of(ports.begin(), ports.end(),
                       [&](const PolicyPort& entry) { return entry.port == port; });
}

// No limit is the highest one.
template <class Number>
void add_limit(std::vector<DiffEntry>& entries, const char* name, const std::optional<Number>& here,
               const std::optional<Number>& there) {
    if (there && (!here || *here > *there)) {
        entries.push_back(
            {"resources", std::string(name) + ": " + (here ? std::to_string(*here) : "unlimited"), ""});
    }
}

// What `here` allows and `there` does not.
std::vector<DiffEntry> only_in(const Policy& here, const Policy& there) {
    std::vector<DiffEntry> entries = paths_only_in(here, there);
    // What other sections of `there` allow besides (a loopback port by `listen`, a variable by `set`) is no
    // `connect` and no `pass`.
    const Policy alone = there.grants_alone(Policy::GuardsCount::Yes);
    for (const PolicyEndpoint& endpoint : here.connect()) {
        if (!reaches(alone, endpoint)) {
            entries.push_back({"connect", shown(endpoint.text, endpoint.origin), ""});
        }
    }
    for (const PolicyPort& port : here.listen()) {
        if (!has_port(there.listen(), port.port)) {
            entries.push_back({"listen", shown(std::to_string(port.port), port.origin), ""});
        }
    }
    for (const PolicyPort& port : here.publish()) {
        if (!has_port(there.publish(), port.port)) {
            entries.push_back({"publish", shown(std::to_string(port.port), port.origin), ""});
        }
    }
    // What `inspect` holds back there and not here.
    for (const PolicyInspection& held : there.inspections()) {
        const auto& own = here.inspections();
        if (std::none_of(own.begin(), own.end(), [&](const PolicyInspection& one) { return one.text == held.text; })) {
            entries.push_back({"inspect", shown(held.text, held.origin), ""});
        }
    }
    // Where rules for that host are in both, one more lets more be asked for.
    for (const PolicyInspection& one : here.inspections()) {
        const auto& other = there.inspections();
        const bool known = std::any_of(other.begin(), other.end(), [&](const PolicyInspection& held) { return one.text == held.text; });
        if (!known && std::any_of(other.begin(), other.end(), [&](const PolicyInspection& held) { return one.port == held.port; })) {
            entries.push_back({"inspect", shown(one.text, one.origin), "", "other requests may be sent"});
        }
    }
    for (const Credential& credential : here.credentials()) {
        if (std::find(there.credentials().begin(), there.credentials().end(), credential) ==
            there.credentials().end()) {
            entries.push_back({"credentials", credential_text(credential), ""});
        }
    }
    for (const std::string& name : here.syscalls()) {
        if (!std::binary_search(there.syscalls().begin(), there.syscalls().end(), name)) {
            entries.push_back({"syscalls", name, ""});
        }
    }
    for (const Entry& name : here.environment().pass) {
        if (!passes(alone, name.text)) {
            entries.push_back({"environment", name.text, ""});
        }
    }
    for (const auto& [name, value] : here.environment().set) {
        const auto other = there.environment().set.find(name);
        if (other == there.environment().set.end() || other->second != value) {
            entries.push_back({"environment", name + "=" + value, ""});
        }
    }
    for (const PolicyBudget& held : there.budgets()) {
        const auto& own = here.budgets();
        const auto keeps = std::find_if(own.begin(), own.end(), [&](const PolicyBudget& one) { return one.host == held.host && one.port == held.port; });
        const auto beyond = [&](const std::optional<uint64_t> PolicyBudget::* limit) {
            return held.*limit && (keeps == own.end() || !((*keeps).*limit) || *((*keeps).*limit) > *(held.*limit));
        };
        if (beyond(&PolicyBudget::sent_bytes) || beyond(&PolicyBudget::requests)) {
            entries.push_back({"budgets", keeps == own.end() ? held.text : keeps->text, "", keeps == own.end() ? "none" : ""});
        }
    }
    add_limit(entries, "memory", here.resources().memory_bytes, there.resources().memory_bytes);
    add_limit(entries, "processes", here.resources().processes, there.resources().processes);
    add_limit(entries, "cpu", here.resources().cpu_percent, there.resources().cpu_percent);
    add_limit(entries, "file_size", here.resources().file_size_bytes, there.resources().file_size_bytes);
    add_limit(entries, "time", here.resources().time_seconds, there.resources().time_seconds);
    std::stable_sort(entries.begin(), entries.end(), [](const DiffEntry& a, const DiffEntry& b) {
        return std::tie(a.section, a.rule, a.grants, a.note) < std::tie(b.section, b.rule, b.grants, b.note);
    });
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    return entries;
}

nlohmann::json json_of(const std::vector<DiffEntry>& entries) {
    nlohmann::json list = nlohmann::json::array();
    for (const DiffEntry& entry : entries) {
        nlohmann::json item{{"section", entry.section}, {"rule", legible(entry.rule)}};
        if (!entry.grants.empty()) {
            item["grants"] = entry.grants;
        }
        if (!entry.note.empty()) {
            item["note"] = entry.note;
        }
        list.push_back(std::move(item));
    }
    return list;
}

std::string line_of(char sign, const DiffEntry& entry) {
    std::string said = entry.grants;
    said += (said.empty() || entry.note.empty() ? "" : "; ") + entry.note;
    return std::string(1, sign) + " " + entry.section + " " + legible(entry.rule) +
           (said.empty() ? "" : " (" + said + ")") + "\n";
}

} // namespace

ProfileDiff diff(const Policy& older, const Policy& newer) {
    return {only_in(newer, older), only_in(older, newer)};
}

std::string to_json(const ProfileDiff& diff) {
    return nlohmann::json{
               {"added", json_of(diff.added)}, {"removed", json_of(diff.removed)}, {"widens", diff.widens()}}
               .dump(2) +
           "\n";
}

std::string to_text(const ProfileDiff& diff) {
    std::string text;
    for (const DiffEntry& entry : diff.added) {
        text += entry.section == "deny" ? "+ no longer denied: " + legible(entry.rule) + "\n"
                : entry.section == "inspect" && entry.note.empty() ? "+ no longer inspected: " + legible(entry.rule) + "\n"
                : entry.section == "budgets" && !entry.note.empty() ? "+ no longer a budget: " + legible(entry.rule) + "\n"
                                        : line_of('+', entry);
    }
    for (const DiffEntry& entry : diff.removed) {
        text += entry.section == "deny"                              ? "- now denied: " + legible(entry.rule) + "\n"
                : entry.section == "inspect" && entry.note.empty() ? "- now inspected: " + legible(entry.rule) + "\n"
                : entry.section == "budgets" && !entry.note.empty() ? "- now a budget: " + legible(entry.rule) + "\n"
                                                                     : line_of('-', entry);
    }
    return text.empty() ? "both allow the same\n" : text;
}

} // namespace treadline

#include "profiler/diff.h"

#include <algorithm>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "profiler/containment.h"
#include "base/invisible.h"

namespace treadline {
namespace {

// A rule of an abstraction does not say by itself where it comes from.
std::string shown(const std::string& text, const Origin& origin) {
    return origin.source.rfind("include ", 0) == 0 ? text + " (" + origin.source + ")" : text;
}

// Rules carry their own escapes, which printable() would escape again.
std::string legible(const std::string& rule) {
    return has_invisible(rule) ? printable(rule) : rule;
}

bool same_endpoint_granted(const Policy& policy, const PolicyEndpoint& endpoint) {
    const auto covers = [&](const PolicyEndpoint& rule) {
        if (rule.port != endpoint.port) {
            return false;
        }
        if (rule.host == endpoint.host) {
            return true;
        }
        if (rule.host.rfind("*.", 0) != 0) {
            return false;
        }
        const std::string_view suffix = std::string_view(rule.host).substr(1); // ".example.org"
        const bool address = endpoint.host.find(':') != std::string::npos ||
                             endpoint.host.find_first_not_of("0123456789.") == std::string::npos;
        const std::string_view name =
            std::string_view(endpoint.host).substr(endpoint.host.rfind("*", 0) == 0 ? 1 : 0);
        return !address && name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix;
    };
    return std::any_of(policy.connect().begin(), policy.connect().end(), covers);
}

// `NAME*` or NAME.
bool passes(const Environment& environment, std::string_view name) {
    return std::any_of(environment.pass.begin(), environment.pass.end(), [&](const Entry& entry) {
        const std::string_view rule = entry.text;
        return rule == name || (!rule.empty() && rule.back() == '*' &&
                                name.substr(0, rule.size() - 1) == rule.substr(0, rule.size() - 1));
    });
}

bool has_port(const std::vector<PolicyPort>& ports, uint16_t port) {
    return std::any_of(ports.begin(), ports.end(),
                       [&](const PolicyPort& entry) { return entry.port == port; });
}

bool has_pattern(const std::vector<PolicyEntry>& entries, const Pattern& pattern) {
    return std::any_of(entries.begin(), entries.end(),
                       [&](const PolicyEntry& entry) { return entry.pattern.covers(pattern); });
}

// A private directory as the pattern of what it grants below itself.
Pattern inside(const PolicyEntry& directory) {
    return directory.pattern.extent == Extent::Exact ? Pattern{directory.pattern.path, Extent::Subtree}
                                                     : directory.pattern;
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
    std::vector<DiffEntry> entries;
    for (const PolicyRule& rule : here.files()) {
        if (denied_throughout(here, rule.pattern)) {
            continue;
        }
        const Modes more = rule.modes.without(granted_throughout(there, rule.pattern));
        if (!more.empty()) {
            entries.push_back({"files", shown(rule.text, rule.origin), to_string(more)});
        }
    }
    for (const PolicyEntry& directory : here.private_directories()) {
        const Modes given = Mode::Read | Mode::Write | Mode::Create;
        if (!has_pattern(there.private_directories(), directory.pattern) &&
            !granted_throughout(there, inside(directory)).covers(given)) {
            entries.push_back({"private", shown(directory.text, directory.origin), ""});
        }
    }
    for (const PolicyEntry& refused : there.deny()) {
        if (!has_pattern(here.deny(), refused.pattern) && !denied_throughout(here, refused.pattern)) {
            entries.push_back({"deny", shown(refused.text, refused.origin), ""});
        }
    }
    for (const PolicyEndpoint& endpoint : here.connect()) {
        if (!same_endpoint_granted(there, endpoint)) {
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
    for (const PolicyEntry& socket : here.unix_sockets()) {
        const bool there_too = std::any_of(
            there.unix_sockets().begin(), there.unix_sockets().end(), [&](const PolicyEntry& other) {
                return other.text == socket.text ||
                       (!socket.pattern.path.empty() && other.pattern.covers(socket.pattern));
            });
        if (!there_too) {
            entries.push_back({"unix", shown(socket.text, socket.origin), ""});
        }
    }
    for (const std::string& name : here.syscalls()) {
        if (!std::binary_search(there.syscalls().begin(), there.syscalls().end(), name)) {
            entries.push_back({"syscalls", name, ""});
        }
    }
    for (const Entry& name : here.environment().pass) {
        if (!passes(there.environment(), name.text)) {
            entries.push_back({"environment", name.text, ""});
        }
    }
    for (const auto& [name, value] : here.environment().set) {
        const auto other = there.environment().set.find(name);
        if (other == there.environment().set.end() || other->second != value) {
            entries.push_back({"environment", name + "=" + value, ""});
        }
    }
    add_limit(entries, "memory", here.resources().memory_bytes, there.resources().memory_bytes);
    add_limit(entries, "processes", here.resources().processes, there.resources().processes);
    add_limit(entries, "cpu", here.resources().cpu_percent, there.resources().cpu_percent);
    add_limit(entries, "time", here.resources().time_seconds, there.resources().time_seconds);
    std::stable_sort(entries.begin(), entries.end(), [](const DiffEntry& a, const DiffEntry& b) {
        return std::tie(a.section, a.rule, a.grants) < std::tie(b.section, b.rule, b.grants);
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
        list.push_back(std::move(item));
    }
    return list;
}

std::string line_of(char sign, const DiffEntry& entry) {
    return std::string(1, sign) + " " + entry.section + " " + legible(entry.rule) +
           (entry.grants.empty() ? "" : " (" + entry.grants + ")") + "\n";
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
                                        : line_of('+', entry);
    }
    for (const DiffEntry& entry : diff.removed) {
        text += entry.section == "deny" ? "- now denied: " + legible(entry.rule) + "\n" : line_of('-', entry);
    }
    return text.empty() ? "both allow the same\n" : text;
}

} // namespace treadline

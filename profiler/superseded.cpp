#include "profiler/superseded.h"

#include <algorithm>

#include "base/path.h"
#include "profiler/rule_text.h"
#include "profiles/profile_reader.h"

namespace treadline {
namespace {

bool from_the_profile(const Origin& origin) {
    return origin.source.rfind("include ", 0) != 0;
}

std::optional<Pattern> pattern_of(const Policy& policy, const std::string& written) {
    const auto expanded = policy.variables().expand_pattern(written);
    if (!expanded) {
        return std::nullopt;
    }
    const auto pattern = parse_pattern(*expanded);
    return pattern ? std::optional(*pattern) : std::nullopt;
}

// A rule that names a guarded path opens it, and one in a private directory brings the host's file in: a
// wider rule does neither.
bool says_more_than_its_reach(const Policy& policy, const PolicyRule& rule, const Pattern& wider) {
    const auto& directories = policy.private_directories();
    return policy.guards().find(rule.pattern.path, true) != nullptr ||
           std::any_of(directories.begin(), directories.end(), [&](const PolicyEntry& entry) {
               const std::string& empty = entry.pattern.path;
               return is_within(rule.pattern.path, empty) &&
                      (wider.path == empty || !is_within(wider.path, empty));
           });
}

bool holds_host(const std::string& wider, const PolicyEndpoint& endpoint) {
    const auto rule = parse_host_port(wider);
    return rule && (rule->any_protocol || !endpoint.any_protocol) && rule->host.starts_with("*.") && rule->port == endpoint.port &&
           endpoint.host != rule->host && endpoint.host.ends_with(rule->host.substr(1));
}

} // namespace

std::vector<Superseded> superseded(const Policy& policy, const std::vector<ProposedRule>& added) {
    std::vector<Superseded> found;
    const auto note = [&](const std::string& rule, const Origin& origin, const ProposedRule& by) {
        found.push_back({rule, origin.at.line, by.text});
    };
    for (const ProposedRule& rule : added) {
        if (!rule.stands()) {
            continue;
        }
        if (rule.section == Section::Connect) {
            for (const PolicyEndpoint& standing : policy.connect()) {
                if (from_the_profile(standing.origin) && holds_host(rule.text, standing)) {
                    note(standing.text, standing.origin, rule);
                }
            }
        } else if (rule.section == Section::Private) {
            for (const PolicyEntry& standing : policy.private_directories()) {
                const auto pattern = pattern_of(policy, rule.text);
                if (pattern && from_the_profile(standing.origin) && standing.pattern.path != pattern->path &&
                    is_within(standing.pattern.path, pattern->path)) {
                    note(standing.text, standing.origin, rule);
                }
            }
        } else if (rule.section == Section::Files) {
            const auto [path, modes] = file_rule_parts(rule.text);
            const auto pattern = pattern_of(policy, path);
            for (const PolicyRule& standing : policy.files()) {
                if (pattern && from_the_profile(standing.origin) && !(standing.pattern == *pattern) &&
                    pattern->covers(standing.pattern) && modes.covers(standing.modes) &&
                    !says_more_than_its_reach(policy, standing, *pattern)) {
                    note(standing.text, standing.origin, rule);
                }
            }
        }
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Superseded& a, const Superseded& b) { return a.line < b.line; });
    return found;
}

} // namespace treadline

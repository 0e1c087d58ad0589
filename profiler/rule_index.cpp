#include "profiler/rule_index.h"

#include <algorithm>

#include "base/path.h"

namespace treadline {
namespace {

Mode mode_of(Operation operation) {
    switch (operation) {
    case Operation::Write:
        return Mode::Write;
    case Operation::Create:
        return Mode::Create;
    case Operation::Execute:
        return Mode::Execute;
    default:
        return Mode::Read;
    }
}

bool about_a_file(Operation operation) {
    return operation == Operation::Read || operation == Operation::Write || operation == Operation::Create ||
           operation == Operation::Execute;
}

// As policy.h says it: without a wildcard, at the guarded path or below its root.
bool opens_guard(const Pattern& pattern, std::string_view root) {
    return (pattern.extent == Extent::Exact || pattern.extent == Extent::Names) &&
           is_within(pattern.path, root);
}

} // namespace

RuleIndex::RuleIndex(const Policy& policy) : policy_(policy) {
    for (const PolicyRule& rule : policy.files()) {
        const RuleId id = add({Section::Files, rule.text, rule.modes, rule.pattern.extent, rule.origin});
        patterns_[id] = rule.pattern;
        if (rule.pattern.extent == Extent::Glob) {
            globs_.push_back(id);
        } else {
            by_path_[static_cast<size_t>(rule.pattern.extent)][rule.pattern.path].push_back(id);
        }
    }
    for (const PolicyEntry& entry : policy.private_directories()) {
        const RuleId id =
            add({Section::Private, entry.text, Modes::none(), entry.pattern.extent, entry.origin});
        patterns_[id] = entry.pattern;
        privates_.push_back(id);
    }
    Profile only;
    for (const PolicyEndpoint& endpoint : policy.connect()) {
        only.network.connect = {{endpoint.endpoint, {}, endpoint.scope}};
        add_alone(add({Section::Connect, endpoint.text, {}, {}, endpoint.origin}), only);
    }
    only = {};
    for (const PolicyPort& port : policy.listen()) {
        only.network.listen = {{port.port, {}}};
        add_alone(add({Section::Listen, std::to_string(port.port), {}, {}, port.origin}), only);
    }
    only = {};
    for (const PolicyEntry& socket : policy.unix_sockets()) {
        only.unix_sockets = {{socket.text, {}}};
        add_alone(add({Section::Unix, socket.text, {}, {}, socket.origin}), only);
    }
    only = {};
    for (const PolicyVariable& variable : policy.passed_variables()) {
        only.environment.pass = {{variable.text, {}}};
        add_alone(add({Section::Environment, variable.text, {}, {}, variable.origin}), only);
    }
    for (const PolicySyscalls& entry : policy.syscall_entries()) {
        const RuleId id = add({Section::Syscalls, entry.text, {}, {}, entry.origin});
        for (const std::string& name : entry.names) {
            by_call_[name].push_back(id);
        }
    }
}

RuleId RuleIndex::add(IndexedRule rule) {
    rules_.push_back(std::move(rule));
    patterns_.emplace_back();
    return static_cast<RuleId>(rules_.size() - 1);
}

void RuleIndex::add_alone(RuleId rule, const Profile& only) {
    // What the whole policy was built from builds alone, too.
    if (auto policy = Policy::build(only, "", policy_.variables(), nullptr)) {
        alone_.push_back({rule, std::move(*policy)});
    }
}

std::vector<RuleId> RuleIndex::matching(const std::string& path) const {
    std::vector<RuleId> found;
    const auto take = [&](Extent extent, std::string_view at) {
        const auto& rules = by_path_[static_cast<size_t>(extent)];
        if (const auto entry = rules.find(at); entry != rules.end()) {
            found.insert(found.end(), entry->second.begin(), entry->second.end());
        }
    };
    take(Extent::Exact, path);
    take(Extent::Names, path);
    if (path != "/") {
        take(Extent::Names, parent_path(path));
    }
    for (std::string_view at = path;; at = parent_path(at)) {
        take(Extent::Subtree, at);
        if (at == "/") {
            break;
        }
    }
    for (const RuleId id : globs_) {
        if (patterns_[id].matches(path)) {
            found.push_back(id);
        }
    }
    return found;
}

bool RuleIndex::denied(std::string_view path) const {
    return std::any_of(policy_.deny().begin(), policy_.deny().end(), [&](const PolicyEntry& entry) {
        for (std::string_view at = path;; at = parent_path(at)) {
            if (entry.pattern.matches(at)) {
                return true;
            }
            if (at == "/") {
                return false;
            }
        }
    });
}

// As Policy::is_private(), for rules that are known to match.
void RuleIndex::add_private(std::string_view path, const std::vector<RuleId>& matching,
                            std::vector<RuleId>& holders) const {
    const std::string& project = policy_.variables().get("project");
    for (const RuleId id : privates_) {
        const std::string& empty = patterns_[id].path;
        if (!is_within(path, empty) ||
            (!project.empty() && project != empty && is_within(project, empty) && is_within(path, project))) {
            continue;
        }
        if (std::none_of(matching.begin(), matching.end(), [&](RuleId rule) {
                return is_within(patterns_[rule].path, empty) && patterns_[rule].path != empty;
            })) {
            holders.push_back(id);
        }
    }
}

std::vector<RuleId> RuleIndex::file_holders(Operation operation, const std::string& path,
                                            GuardCheck check) const {
    std::vector<RuleId> holders;
    if (denied(path)) {
        return holders;
    }
    const bool writing = operation == Operation::Write || operation == Operation::Create;
    const Guard* guard = check == GuardCheck::Ask ? policy_.guards().find(path, writing) : nullptr;
    if (guard != nullptr && guard->closed) {
        return holders;
    }
    const std::string root = guard != nullptr ? policy_.guards().root(*guard, path) : "";
    const std::vector<RuleId> found = matching(path);
    for (const RuleId id : found) {
        if (rules_[id].modes.has(mode_of(operation)) &&
            (guard == nullptr || opens_guard(patterns_[id], root))) {
            holders.push_back(id);
        }
    }
    if (operation != Operation::Execute && guard == nullptr) {
        add_private(path, found, holders);
    }
    return holders;
}

std::vector<RuleId> RuleIndex::holders(Operation operation, std::string_view object, GuardCheck check) const {
    std::vector<RuleId> holders;
    if (about_a_file(operation)) {
        holders = file_holders(operation, normalise_path(object), check);
    } else if (operation == Operation::Syscall) {
        const auto entry = by_call_.find(object);
        return entry == by_call_.end() ? holders : entry->second;
    } else if (policy_.decide(operation, object).allowed) {
        for (const Alone& rule : alone_) {
            if (rule.policy.decide(operation, object).allowed) {
                holders.push_back(rule.rule);
            }
        }
        if (operation == Operation::UnixConnect && object.substr(0, 1) == "/" &&
            policy_.guards().find(object, true) == nullptr) {
            const std::string path = normalise_path(object);
            add_private(path, matching(path), holders);
        }
    }
    std::sort(holders.begin(), holders.end());
    return holders;
}

} // namespace treadline

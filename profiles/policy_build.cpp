#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/text.h"
#include "profiles/policy.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "profiles/request_scope.h"
#include "profiles/syscall_groups.h"
#include "profiles/yaml_tree.h"

namespace treadline {

// Merges a profile and what it includes into one policy.
class PolicyBuilder {
public:
    PolicyBuilder(const Variables& variables, Guards guards, const Policy::Loader& load) : load_(load) {
        policy_.variables_ = variables;
        policy_.guards_ = std::move(guards);
    }

    result<Policy> build(const Profile& profile, const std::string& source) {
        policy_.name_ = profile.name;
        TRY(add(profile, source));
        if (!proposed_.empty()) {
            PolicyBuilder review(policy_.variables_, policy_.guards_, load_);
            for (const auto& [rules, where] : proposed_) {
                TRY(review.add(rules, where));
            }
            policy_.review_ = std::make_shared<const Policy>(review.finish());
        }
        return finish();
    }

private:
    Policy finish() {
        std::set<std::string> names;
        for (const PolicySyscalls& entry : policy_.syscall_entries_) {
            names.insert(entry.names.begin(), entry.names.end());
        }
        policy_.syscalls_.assign(names.begin(), names.end());
        return std::move(policy_);
    }

    // The profile's own rules come before those of what it includes, so that they win where only one can
    // (`set`, `resources`) and are the ones messages name.
    result<ok> add(const Profile& profile, const std::string& source) {
        TRY(add_files(profile, source));
        TRY(add_network(profile, source));
        TRY(add_syscalls(profile, source));
        for (const Entry& entry : profile.environment.pass) {
            policy_.pass_.push_back({entry.text, {source, entry.at}});
            auto& pass = policy_.environment_.pass;
            if (std::find(pass.begin(), pass.end(), entry) == pass.end()) {
                pass.push_back(entry);
            }
        }
        policy_.environment_.set.insert(profile.environment.set.begin(), profile.environment.set.end());
        add_resources(profile.resources);
        if (!(profile.review == ProfileRules{})) {
            Profile rules;
            static_cast<ProfileRules&>(rules) = profile.review;
            proposed_.emplace_back(std::move(rules), source);
        }
        for (const Entry& entry : profile.include) {
            if (std::find(open_.begin(), open_.end(), entry.text) != open_.end()) {
                return fail_at(source, entry.at,
                               "'" + printable(entry.text) + "' includes itself; remove the circle");
            }
            if (std::find(policy_.includes_.begin(), policy_.includes_.end(), entry.text) !=
                policy_.includes_.end()) {
                continue; // included twice by different ways: once is enough
            }
            const auto included = load_(entry.text);
            if (!included) {
                return fail_at(source, entry.at, included.error().message());
            }
            policy_.includes_.push_back(entry.text);
            open_.push_back(entry.text);
            TRY(add(*included, "include " + entry.text));
            open_.pop_back();
        }
        return ok{};
    }

    result<Pattern> pattern(const std::string& written, const std::string& source, Position at) const {
        const auto expanded = policy_.variables_.expand_pattern(written);
        if (!expanded) {
            return fail_at(source, at, expanded.error().what);
        }
        auto parsed = parse_pattern(*expanded);
        if (!parsed) {
            return fail_at(source, at, parsed.error().what);
        }
        return *parsed;
    }

    result<ok> add_files(const Profile& profile, const std::string& source) {
        for (const FileRule& rule : profile.files) {
            Pattern where = TRY(pattern(rule.path, source, rule.at));
            if (where.extent == Extent::Glob && rule.modes.has(Mode::Create)) {
                return fail_at(source, rule.at,
                               "'" + printable(rule.path) +
                                   "' has a '*' and 'c': what does not exist yet cannot be found by a "
                                   "pattern; give the directory 'c'");
            }
            if (rule.modes.empty()) {
                return fail_at(source, rule.at, "'" + printable(rule.path) + "' has no mode");
            }
            policy_.files_.push_back(
                {std::move(where),
                 rule.modes,
                 yaml_scalar(rule.path, YamlContext::Block) + ": " + to_string(rule.modes),
                 {source, rule.at}});
        }
        for (const Entry& entry : profile.private_directories) {
            Pattern where = TRY(pattern(entry.text, source, entry.at));
            if (where.extent != Extent::Exact) {
                return fail_at(source, entry.at, "'" + printable(entry.text) + "' is not one directory");
            }
            where.extent = Extent::Subtree;
            policy_.private_.push_back({std::move(where), entry.text, {source, entry.at}});
        }
        for (const Entry& entry : profile.deny) {
            policy_.deny_.push_back(
                {TRY(pattern(entry.text, source, entry.at)), entry.text, {source, entry.at}});
        }
        for (const Entry& entry : profile.unix_sockets) {
            Pattern where;
            if (!entry.text.empty() && entry.text[0] == '@') {
                where = {entry.text, Extent::Glob};
                if (!has_wildcard(entry.text)) {
                    const auto name = unescape_path(entry.text);
                    if (!name) {
                        return fail_at(source, entry.at, name.error().what);
                    }
                    where = {*name, Extent::Exact};
                }
            } else {
                where = TRY(pattern(entry.text, source, entry.at));
            }
            policy_.unix_.push_back({std::move(where), entry.text, {source, entry.at}});
        }
        return ok{};
    }

    result<ok> add_network(const Profile& profile, const std::string& source) {
        for (const ConnectRule& entry : profile.network.connect) {
            const auto endpoint = parse_host_port(entry.text);
            if (!endpoint) {
                return fail_at(source, entry.at, endpoint.error().what);
            }
            policy_.connect_.push_back({endpoint->host, endpoint->port, endpoint->any_protocol || endpoint->address, entry.scope,
                                        entry.text + to_string(entry.scope), entry.text, {source, entry.at}});
        }
        for (const PortEntry& entry : profile.network.listen) {
            policy_.listen_.push_back({entry.port, {source, entry.at}});
        }
        for (const PortEntry& entry : profile.network.publish) {
            policy_.publish_.push_back({entry.port, {source, entry.at}});
        }
        for (const Inspection& inspection : profile.network.inspect) {
            const auto endpoint = parse_host_port(inspection.endpoint);
            if (!endpoint) {
                return fail_at(source, inspection.at, endpoint.error().what);
            }
            policy_.inspect_.push_back({endpoint->host, endpoint->port, inspection.scope, to_string(inspection), {source, inspection.at}, inspection.upgrades});
        }
        for (const Budget& budget : profile.network.budgets) {
            const auto endpoint = parse_host_port(budget.endpoint);
            if (!endpoint) {
                return fail_at(source, budget.at, endpoint.error().what);
            }
            policy_.budgets_.push_back({endpoint->host, endpoint->port, budget.sent_bytes, budget.requests, budget_line(budget), {source, budget.at}});
        }
        policy_.credentials_.insert(policy_.credentials_.end(), profile.network.credentials.begin(),
                                    profile.network.credentials.end());
        return ok{};
    }

    result<ok> add_syscalls(const Profile& profile, const std::string& source) {
        for (const Entry& entry : profile.syscalls) {
            auto names = syscalls::expand(entry.text);
            if (!names) {
                const bool group = !entry.text.empty() && entry.text[0] == '@';
                return fail_at(source, entry.at,
                               "'" + printable(entry.text) + "' is no known system call" +
                                   (group ? " group; there are " + join(syscalls::groups(), " ")
                                          : "; remove it or correct its name"));
            }
            policy_.syscall_entries_.push_back({entry.text, std::move(*names), {source, entry.at}});
        }
        return ok{};
    }

    void add_resources(const Resources& added) {
        const auto keep_first = [](auto& kept, const auto& other) {
            if (!kept) {
                kept = other;
            }
        };
        Resources& kept = policy_.resources_;
        keep_first(kept.memory_bytes, added.memory_bytes);
        keep_first(kept.processes, added.processes);
        keep_first(kept.cpu_percent, added.cpu_percent);
        keep_first(kept.file_size_bytes, added.file_size_bytes);
        keep_first(kept.time_seconds, added.time_seconds);
    }

    const Policy::Loader& load_;
    Policy policy_;
    std::vector<std::pair<Profile, std::string>> proposed_; // `review:` of everything read, and its source
    std::vector<std::string> open_;                         // includes being read, outermost first
};

result<Policy> Policy::build(const Profile& profile, const std::string& source, const Variables& variables,
                             const Loader& load) {
    return PolicyBuilder(variables, Guards(variables), load).build(profile, source);
}

} // namespace treadline

#include "profiler/merge.h"

#include <algorithm>
#include <tuple>

#include "base/path.h"
#include "base/text.h"

namespace treadline {
namespace {

constexpr Modes private_grant = Mode::Read | Mode::Write | Mode::Create;

template <class Texts>
void add_texts(std::vector<Texts>& entries, const std::vector<Texts>& more) {
    for (const Texts& entry : more) {
        if (std::find(entries.begin(), entries.end(), entry) == entries.end()) {
            entries.push_back(entry);
        }
    }
}

void add_ports(std::vector<PortEntry>& ports, const std::vector<PortEntry>& more) {
    for (const PortEntry& port : more) {
        if (std::find(ports.begin(), ports.end(), port) == ports.end()) {
            ports.push_back(port);
        }
    }
}

void add_files(std::vector<FileRule>& rules, const std::vector<FileRule>& more) {
    for (const FileRule& rule : more) {
        const auto same = std::find_if(rules.begin(), rules.end(),
                                       [&](const FileRule& there) { return there.path == rule.path; });
        if (same == rules.end()) {
            rules.push_back(rule);
        } else {
            same->modes |= rule.modes;
        }
    }
}

// All lists; what holds one value is for the caller to judge.
void add_rules(ProfileRules& all, const ProfileRules& more) {
    add_texts(all.include, more.include);
    add_files(all.files, more.files);
    add_texts(all.private_directories, more.private_directories);
    add_texts(all.deny, more.deny);
    add_texts(all.network.connect, more.network.connect);
    add_ports(all.network.listen, more.network.listen);
    add_ports(all.network.publish, more.network.publish);
    for (const Inspection& inspection : more.network.inspect) { // as `deny`: what either holds back
        auto& there = all.network.inspect;
        if (std::find(there.begin(), there.end(), inspection) == there.end()) {
            there.push_back(inspection);
        }
    }
    add_texts(all.unix_sockets, more.unix_sockets);
    add_texts(all.syscalls, more.syscalls);
    add_texts(all.environment.pass, more.environment.pass);
    all.environment.set.insert(more.environment.set.begin(), more.environment.set.end());
}

// What waits in one profile and stands in the other is decided.
void drop_decided(ProfileRules& waiting, const ProfileRules& standing) {
    const auto drop = [](auto& from, const auto& there, auto same) {
        std::erase_if(from, [&](const auto& entry) {
            return std::any_of(there.begin(), there.end(),
                               [&](const auto& other) { return same(other, entry); });
        });
    };
    const auto same_text = [](const Entry& a, const Entry& b) { return a.text == b.text; };
    const auto same_port = [](const PortEntry& a, const PortEntry& b) { return a.port == b.port; };
    drop(waiting.include, standing.include, same_text);
    drop(waiting.files, standing.files, [](const FileRule& other, const FileRule& rule) {
        return other.path == rule.path && other.modes.covers(rule.modes);
    });
    drop(waiting.private_directories, standing.private_directories, same_text);
    drop(waiting.network.connect, standing.network.connect, [](const ConnectRule& a, const ConnectRule& b) { return a == b; });
    drop(waiting.network.listen, standing.network.listen, same_port);
    drop(waiting.network.publish, standing.network.publish, same_port);
    drop(waiting.unix_sockets, standing.unix_sockets, same_text);
    drop(waiting.syscalls, standing.syscalls, same_text);
    drop(waiting.environment.pass, standing.environment.pass, same_text);
}

bool strictly_inside(const std::string& path, const std::string& directory) {
    return path != directory && is_within(path, directory);
}

// Whether some path may match both: never a wrong no.
bool may_meet(const Pattern& a, const Pattern& b) {
    const auto fixed = [](const Pattern& pattern) { // the directory that holds all it matches
        if (pattern.extent != Extent::Glob) {
            return pattern.path;
        }
        const std::string before = pattern.path.substr(0, pattern.path.find('*'));
        return std::string(parent_path(before.substr(0, before.rfind('/') + 1) + "x"));
    };
    return is_within(fixed(a), fixed(b)) || is_within(fixed(b), fixed(a));
}

// A private directory of one side hides, or leaves to the host, what the other sees there.
result<ok> check_private(const MergeSide& having, const MergeSide& other) {
    for (const PolicyEntry& entry : having.policy.private_directories()) {
        const std::string& empty = entry.pattern.path;
        const auto& theirs = other.policy.private_directories();
        for (const PolicyRule& rule : other.policy.files()) {
            const std::string& path = rule.pattern.path;
            // Hidden from the other side's rule, too, by a private directory of its own.
            const bool private_there =
                std::any_of(theirs.begin(), theirs.end(), [&](const PolicyEntry& there) {
                    return is_within(empty, there.pattern.path) && !strictly_inside(path, there.pattern.path);
                });
            if (strictly_inside(path, empty)) {
                const auto& own = having.policy.files();
                const bool brought_in_here = std::any_of(own.begin(), own.end(), [&](const PolicyRule& mine) {
                    return strictly_inside(mine.pattern.path, empty) && mine.pattern.covers(rule.pattern);
                });
                if (!brought_in_here && !rule.modes.covers(private_grant)) {
                    return fail("one profile cannot say both: " + having.file + " has '" + entry.text +
                                "' to itself, and " + other.file + " lets the host's files into it with '" +
                                rule.text + "'; keep two profiles, or drop one of the two lines");
                }
                continue;
            }
            const bool reaches_in =
                rule.pattern.extent == Extent::Glob
                    ? may_meet(rule.pattern, entry.pattern)
                    : (rule.pattern.extent == Extent::Subtree && is_within(empty, path)) ||
                          (rule.pattern.extent == Extent::Names && path == empty);
            const bool brings_nothing_in = path == empty && rule.modes == Modes(Mode::Execute);
            if (reaches_in && !private_there && !brings_nothing_in) {
                return fail("one profile cannot say both: " + having.file + " has '" + entry.text +
                            "' to itself, and " + other.file + " reaches the host's files in it with '" +
                            rule.text + "'; keep two profiles, or drop one of the two lines");
            }
        }
    }
    return ok{};
}

result<ok> check_environment(const MergeSide& setting, const MergeSide& other) {
    for (const auto& [name, value] : setting.policy.environment().set) {
        const auto& there = other.policy.environment().set;
        const auto same = there.find(name);
        if (same != there.end() && same->second != value) {
            return fail("one profile cannot say both: " + setting.file + " sets " + name + " to '" + value +
                        "', " + other.file + " to '" + same->second + "'; give it one value in both");
        }
        if (same == there.end() && other.policy.decide(Operation::Environment, name).allowed) {
            return fail("one profile cannot say both: " + setting.file + " sets " + name + ", and " +
                        other.file + " passes it on as it is; do the same in both");
        }
    }
    return ok{};
}

result<ok> check_includes(const MergeSide& first, const MergeSide& second) {
    for (const auto* side : {&first, &second}) {
        for (const Entry& entry : side->profile.include) {
            if (entry.text.rfind("./", 0) == 0 && first.folder != second.folder) {
                return fail(
                    "'" + entry.text + "' of " + side->file +
                    " is a file beside that profile, and the other lies elsewhere; put both profiles in one "
                    "folder");
            }
        }
    }
    return ok{};
}

result<std::vector<Credential>> both_credentials(const MergeSide& first, const MergeSide& second) {
    std::vector<Credential> all = first.profile.network.credentials;
    for (const Credential& credential : second.profile.network.credentials) {
        const auto same = std::find_if(all.begin(), all.end(), [&](const Credential& there) {
            return std::tie(there.host, there.header) == std::tie(credential.host, credential.header);
        });
        if (same == all.end()) {
            all.push_back(credential);
        } else if (!(*same == credential)) {
            return fail("one profile cannot say both: " + first.file + " and " + second.file +
                        " put different values into " + credential.header + " for " + credential.host +
                        "; give it one in both");
        }
    }
    return all;
}

// No limit is the highest one.
template <class Number>
std::optional<Number> higher(const std::optional<Number>& a, const std::optional<Number>& b) {
    return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
}

// No budget is the highest one: only what both limit is limited.
std::vector<Budget> both_budgets(const Network& first, const Network& second) {
    std::vector<Budget> all;
    for (const Budget& budget : first.budgets) {
        const auto same = std::find_if(second.budgets.begin(), second.budgets.end(), [&](const Budget& there) { return there.endpoint == budget.endpoint; });
        if (same == second.budgets.end()) {
            continue;
        }
        const Budget both{budget.endpoint, higher(budget.sent_bytes, same->sent_bytes), higher(budget.requests, same->requests), budget.at};
        if (both.sent_bytes || both.requests) {
            all.push_back(both);
        }
    }
    return all;
}

result<Resources> both_resources(const MergeSide& first, const MergeSide& second) {
    const Resources& a = first.policy.resources();
    const Resources& b = second.policy.resources();
    Resources all;
    all.memory_bytes = higher(a.memory_bytes, b.memory_bytes);
    all.processes = higher(a.processes, b.processes);
    all.cpu_percent = higher(a.cpu_percent, b.cpu_percent);
    all.file_size_bytes = higher(a.file_size_bytes, b.file_size_bytes);
    all.time_seconds = higher(a.time_seconds, b.time_seconds);
    // An absent limit is none only as long as no include brings one.
    const auto included = [&](auto limit, const char* name) -> result<ok> {
        for (const auto* side : {&first, &second}) {
            if (!(all.*limit) && side->policy.resources().*limit && !(side->profile.resources.*limit)) {
                return fail(std::string("one profile cannot say both: an include of ") + side->file +
                            " limits " + name + ", and the other profile does not; limit it in both");
            }
        }
        return ok{};
    };
    TRY(included(&Resources::memory_bytes, "memory"));
    TRY(included(&Resources::processes, "processes"));
    TRY(included(&Resources::cpu_percent, "cpu"));
    TRY(included(&Resources::file_size_bytes, "file_size"));
    TRY(included(&Resources::time_seconds, "time"));
    return all;
}

// What one denies and the other allows, so far as it can be told from the patterns.
void note_denied(const MergeSide& denying, const MergeSide& other, std::vector<std::string>& notes) {
    for (const PolicyEntry& entry : denying.policy.deny()) {
        const auto& theirs = other.policy.deny();
        if (std::any_of(theirs.begin(), theirs.end(),
                        [&](const PolicyEntry& there) { return there.pattern.covers(entry.pattern); })) {
            continue;
        }
        const auto& rules = other.policy.files();
        const auto met = std::find_if(rules.begin(), rules.end(), [&](const PolicyRule& rule) {
            return may_meet(rule.pattern, entry.pattern);
        });
        if (met != rules.end()) {
            notes.push_back("'deny: " + entry.text + "' of " + denying.file + " may take away what " +
                            other.file + " allows with '" + met->text + "'");
        }
    }
}

} // namespace

result<Merged> merge(const MergeSide& first, const MergeSide& second) {
    TRY(check_includes(first, second));
    TRY(check_private(first, second));
    TRY(check_private(second, first));
    TRY(check_environment(first, second));
    TRY(check_environment(second, first));
    Merged merged;
    Profile& all = merged.profile;
    const Profile& more = second.profile;
    all = first.profile;
    all.learned = std::nullopt;
    all.name = all.name == more.name ? all.name : all.name + "+" + more.name;
    add_rules(all, more);
    add_rules(all.review, more.review);
    drop_decided(all.review, all);
    all.network.credentials = TRY(both_credentials(first, second));
    all.network.budgets = both_budgets(first.profile.network, second.profile.network);
    all.resources = TRY(both_resources(first, second));
    note_denied(first, second, merged.notes);
    note_denied(second, first, merged.notes);
    return merged;
}

} // namespace treadline

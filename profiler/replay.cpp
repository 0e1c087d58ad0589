#include "profiler/replay.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "profiler/access_set.h"
#include "profiler/network_rules.h"
#include "profiler/process_rules.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;
using Runs = std::vector<bool>;

constexpr std::array<std::pair<Mode, Operation>, 4> file_operations{{{Mode::Read, Operation::Read},
                                                                     {Mode::Write, Operation::Write},
                                                                     {Mode::Create, Operation::Create},
                                                                     {Mode::Execute, Operation::Execute}}};

class Replayer {
public:
    Replayer(const std::vector<Trace>& traces, const std::function<Variables(const RunInfo&)>& variables,
             const RuleIndex& index)
        : traces_(traces), variables_of_(variables), index_(index) {
        replay_.runs = traces.size();
        replay_.rules.assign(index.rules().size(), {Runs(traces.size(), false), Modes::none()});
    }

    Replay run() {
        add_files();
        for (size_t run = 0; run < traces_.size(); ++run) {
            add_network(run);
            add_calls(run);
            add_environment(run);
        }
        for (const auto& [key, seen] : others_) {
            add(key.first, key.second, key.second, seen);
        }
        std::sort(replay_.denied.begin(), replay_.denied.end());
        return std::move(replay_);
    }

private:
    void add_files();
    void add_guarded(const GuardedAccess& guarded);
    void add_network(size_t run);
    void add_calls(size_t run);
    void add_environment(size_t run);
    void note(Operation operation, const std::string& object, size_t run) {
        others_.try_emplace({operation, object}, Runs(traces_.size(), false)).first->second[run] = true;
    }
    // One access. `made`: the runs themselves made it, so that it is there in a private directory, too.
    void add(Operation operation, const std::string& object, const std::string& shown, const Runs& runs,
             bool made = true, GuardCheck check = GuardCheck::Ask);

    const std::vector<Trace>& traces_;
    const std::function<Variables(const RunInfo&)>& variables_of_;
    const RuleIndex& index_;
    Replay replay_;
    std::map<std::pair<Operation, std::string>, Runs> others_; // what is no file
};

void Replayer::add(Operation operation, const std::string& object, const std::string& shown, const Runs& runs,
                   bool made, GuardCheck check) {
    std::vector<RuleId> holders = index_.holders(operation, object, check);
    std::string empty; // the private directory in which it would not be there
    if (!made) {
        std::erase_if(holders, [&](RuleId id) {
            const bool is_private = index_.rules()[id].section == Section::Private;
            if (is_private) {
                empty = index_.rules()[id].text;
            }
            return is_private;
        });
    }
    ++replay_.accesses;
    if (holders.empty()) {
        const Decision decision = index_.policy().decide(operation, object);
        if (!decision.allowed) {
            replay_.denied.push_back({operation, shown, decision.reason});
        } else if (!empty.empty()) {
            replay_.denied.push_back({operation, shown, "'" + empty + "' is private and starts empty"});
        }
        return;
    }
    HeldTogether& held = replay_.held[holders];
    if (held.accesses++ == 0) {
        held.example = std::string(to_string(operation)) + " " + shown;
    }
    for (const RuleId id : holders) {
        RuleUse& use = replay_.rules[id];
        for (size_t run = 0; run < runs.size(); ++run) {
            use.runs[run] = use.runs[run] || runs[run];
        }
        for (const auto& [mode, its] : file_operations) {
            if (its == operation) {
                use.modes |= mode;
            }
        }
    }
}

void Replayer::add_files() {
    const AccessSet set = collect_accesses(traces_, variables_of_);
    const Policy& policy = index_.policy();
    // What the runs made all the way down from a private directory is there again in the next run.
    std::vector<bool> made(set.trie.size(), false);
    std::set<std::string> roots;
    for (const PolicyEntry& entry : policy.private_directories()) {
        roots.insert(policy.variables().shorten(entry.pattern.path));
    }
    std::vector<bool> is_root(set.trie.size(), false);
    for (const std::string& root : roots) {
        if (const Node node = set.trie.find(root); node != PathTrie::none) {
            is_root[node] = true;
        }
    }
    for (Node node = 1; node < set.trie.size(); ++node) {
        const Node parent = set.trie.parent(node);
        made[node] = is_root[node] || ((is_root[parent] || made[parent]) && set.facts[node].created);
    }
    std::array<Runs, 4> by_mode;
    for (size_t at = 0; at < set.records.size();) {
        const Node node = set.records[at].node;
        Modes modes;
        by_mode.fill(Runs(traces_.size(), false));
        for (; at < set.records.size() && set.records[at].node == node; ++at) {
            const AccessRecord& record = set.records[at];
            modes |= record.modes;
            for (size_t i = 0; i < file_operations.size(); ++i) {
                if (record.modes.has(file_operations[i].first)) {
                    by_mode[i][record.run] = true;
                }
            }
        }
        const std::string portable = set.trie.path(node);
        const auto path = policy.variables().expand(portable);
        for (size_t i = 0; path && i < file_operations.size(); ++i) {
            if (modes.has(file_operations[i].first)) {
                // The set keeps guarded accesses apart. To writing, though, the policy may close more than
                // they.
                const Operation operation = file_operations[i].second;
                const bool writing = operation == Operation::Write || operation == Operation::Create;
                add(operation, *path, portable, by_mode[i], made[node],
                    writing ? GuardCheck::Ask : GuardCheck::NotGuarded);
            }
        }
    }
    for (const GuardedAccess& guarded : set.guarded) {
        add_guarded(guarded);
    }
}

void Replayer::add_guarded(const GuardedAccess& guarded) {
    const auto path = index_.policy().variables().expand(guarded.path);
    // In how many runs is known, in which is not.
    Runs runs(traces_.size(), false);
    std::fill_n(runs.begin(), std::min<size_t>(static_cast<size_t>(guarded.evidence.runs), runs.size()),
                true);
    for (const auto& [mode, operation] : file_operations) {
        if (path && guarded.modes.has(mode)) {
            add(operation, *path, guarded.path, runs);
        }
    }
}

void Replayer::add_network(size_t run) {
    const Trace& trace = traces_[run];
    // One run at a time, so that nothing is generalised; and only what speaks of sockets.
    std::vector<Trace> one(1);
    one[0].run = trace.run;
    one[0].processes = trace.processes;
    one[0].sockets = trace.sockets;
    one[0].names = trace.names;
    one[0].exchanges = trace.exchanges;
    for (const FileAccess& access : trace.files) {
        if (access.access == AccessKind::Connect) {
            one[0].files.push_back(access);
        }
    }
    for (const AccessRow& row : trace.rows) {
        if (row.access == AccessKind::Connect && row.path != 0) {
            FileAccess access;
            access.process = row.process;
            access.path = trace.paths.text(row.path);
            access.access = row.access;
            access.result = row.result;
            access.count = row.count;
            one[0].files.push_back(std::move(access));
        }
    }
    const auto nothing = Policy::build(Profile{}, "", index_.policy().variables(), nullptr);
    if (!nothing) {
        return;
    }
    const AccessSet sockets = collect_accesses(one, variables_of_);
    for (const ProposedRule& use : network_rules(one, variables_of_, sockets.sockets, *nothing,
                                                 [](const std::string&) { return false; })) {
        if (use.section == Section::Connect) {
            note(Operation::Connect, use.text, run);
        } else if (use.section == Section::Listen) {
            note(Operation::Listen, use.text, run);
        } else {
            const auto path = index_.policy().variables().expand(use.text);
            note(Operation::UnixConnect, path ? *path : use.text, run);
        }
    }
}

void Replayer::add_calls(size_t run) {
    for (const SyscallUse& use : traces_[run].syscalls) {
        if (!use.name.empty() && use.name.front() != '#') { // which this version does not know
            note(Operation::Syscall, use.name, run);
        }
    }
}

void Replayer::add_environment(size_t run) {
    // As for learning: what the command itself was given, later names are its programs' doing.
    const auto& names = traces_[run].environment;
    const auto first = std::min_element(names.begin(), names.end(),
                                        [](const auto& a, const auto& b) { return a.process < b.process; });
    for (const EnvironmentName& variable : names) {
        if (variable.process == first->process && !variable.name.empty() &&
            !is_session_variable(variable.name)) {
            note(Operation::Environment, variable.name, run);
        }
    }
}

} // namespace

Replay replay(const std::vector<Trace>& traces, const std::function<Variables(const RunInfo&)>& variables,
              const RuleIndex& index) {
    return Replayer(traces, variables, index).run();
}

} // namespace treadline

#include "profiler/include_choice.h"

#include <algorithm>

#include "profiler/coverage.h"

namespace treadline {
namespace {

// With two rules replaced the profile is a line shorter, and holds what the same program reads elsewhere.
constexpr int least_rules_replaced = 2;

result<Policy> policy_of(const std::vector<std::string>& includes, const Variables& variables,
                         const Policy::Loader& load) {
    Profile profile;
    profile.name = "includes";
    for (const std::string& name : includes) {
        profile.include.push_back({name, {}});
    }
    return Policy::build(profile, "includes", variables, load);
}

bool grants_execute(const Policy& policy) {
    return std::any_of(policy.files().begin(), policy.files().end(),
                       [](const PolicyRule& rule) { return rule.modes.has(Mode::Execute); });
}

// Rules `candidate` makes needless, roughly: one for each program, one for each directory read from. None if
// it is about programs and none of them ran: then the files are shared with something else.
int rules_replaced(const AccessSet& set, const std::vector<Modes>& needs, const std::vector<Modes>& covered,
                   const std::vector<Modes>& candidate, bool about_programs) {
    int rules = 0;
    bool executed = false;
    PathTrie::Node last_parent = PathTrie::none; // nodes come by parent
    for (PathTrie::Node node = 1; node < set.trie.size(); ++node) {
        const Modes left = needs[node].without(covered[node]);
        const Modes still_left = left.without(candidate[node]);
        if (left == still_left) {
            continue;
        }
        if (left.has(Mode::Execute) && !still_left.has(Mode::Execute)) {
            executed = true;
            ++rules;
        } else if (set.trie.parent(node) != last_parent) {
            last_parent = set.trie.parent(node);
            ++rules;
        }
    }
    return about_programs && !executed ? 0 : rules;
}

} // namespace

result<Includes> choose_includes(const AccessSet& set, const std::vector<Modes>& needs,
                                 const std::vector<std::string>& shipped, const Policy::Loader& load,
                                 const Variables& variables) {
    std::vector<std::string> names;
    if (std::find(shipped.begin(), shipped.end(), "base") != shipped.end()) {
        names.push_back("base");
    }
    std::vector<Modes> covered = coverage(set, TRY(policy_of(names, variables, load))).granted;

    struct Candidate {
        std::string name;
        std::vector<Modes> covered;
        bool about_programs = false;
    };
    std::vector<Candidate> candidates;
    for (const std::string& name : shipped) {
        if (name != "base") {
            const Policy alone = TRY(policy_of({name}, variables, load));
            candidates.push_back({name, coverage(set, alone).granted, grants_execute(alone)});
        }
    }
    for (;;) {
        int most = least_rules_replaced - 1;
        auto best = candidates.end();
        for (auto at = candidates.begin(); at != candidates.end(); ++at) {
            const int rules = rules_replaced(set, needs, covered, at->covered, at->about_programs);
            if (rules > most) {
                most = rules;
                best = at;
            }
        }
        if (best == candidates.end()) {
            break;
        }
        for (PathTrie::Node node = 0; node < set.trie.size(); ++node) {
            covered[node] |= best->covered[node];
        }
        names.push_back(best->name);
        candidates.erase(best);
    }
    Policy policy = TRY(policy_of(names, variables, load));
    return Includes{std::move(names), std::move(policy), std::move(covered)};
}

} // namespace treadline

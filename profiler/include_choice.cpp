#include "profiler/include_choice.h"

#include <algorithm>

#include "base/path.h"
#include "profiler/cost_model.h"
#include "profiler/coverage.h"
#include "profiler/include_exposure.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

// What an abstraction itself has to save, without those it includes: for a single rule, that rule is written.
constexpr MilliLines least_saved = 2 * one_line;
// A `dir/` or `dir/**` that was used counts as no more: without it a rule like it would have been folded.
constexpr MilliLines most_for_a_wide_rule = 2 * one_line;

result<Policy> policy_of(const std::vector<std::string>& includes, const IncludeInput& input) {
    Profile profile;
    profile.name = "includes";
    for (const std::string& name : includes) {
        profile.include.push_back({name, {}});
    }
    return Policy::build(profile, "includes", input.here, input.load);
}

// A needed path that the candidate grants whatever it is needed for.
struct Granted {
    Node node;
    Modes modes;
};

// A rule of a candidate and what it was used for.
struct UsedRule {
    const PolicyRule* rule;
    bool own;         // not of an abstraction that the candidate includes
    bool idle = true; // used for nothing, not even a part of what a path is needed for
    std::vector<Granted> grants;
};

struct Candidate {
    std::string name;
    Policy policy;
    std::vector<UsedRule> rules;
    std::vector<std::string> variables; // that it would pass, and what every profile includes does not
};

bool is_wide(const PolicyRule& rule) {
    return rule.pattern.extent == Extent::Names || rule.pattern.extent == Extent::Subtree;
}

class IncludeChoice {
public:
    IncludeChoice(const IncludeInput& input, std::vector<Modes> covered)
        : in_(input), covered_(std::move(covered)), grants_(input.set.trie.size()) {}

    // What every profile includes: its rules are open already.
    void begin(const Policy& always);
    result<ok> consider(const std::string& name);
    std::vector<std::string> choose();

private:
    struct Score {
        MilliLines saved = 0;
        MilliLines own = 0; // part of it
        MilliLines exposed = 0;
        [[nodiscard]] MilliLines worth() const { return saved - exposed; }
    };
    [[nodiscard]] bool ran_own_program(const Candidate& candidate) const;
    [[nodiscard]] bool includes(const Candidate& outer, const std::string& inner) const;
    void find_uses(Candidate& candidate);
    [[nodiscard]] Score score(const Candidate& candidate) const;
    void take(const Candidate& candidate);

    const IncludeInput& in_;
    std::vector<Modes> covered_;    // by what is chosen
    std::vector<Modes> grants_;     // scratch, empty between uses: what one candidate grants
    std::vector<std::string> open_; // what is chosen, and all that comes with it
    std::vector<std::string> passed_;
    std::vector<std::string> chosen_;
    std::vector<Candidate> candidates_;
    IncludeExposure exposure_{in_.costs, in_.here, in_.disk};
};

// Calls `use` for the nodes that a pattern reaches; the nodes of each level below one stand side by side.
template <class Use>
void each_reached(const PathTrie& trie, const Variables& here, const Pattern& pattern, Use use) {
    for (const Node root : nodes_named(trie, here, pattern)) {
        use(root);
        Node first = root;
        Node last = root + 1;
        while (pattern.extent == Extent::Names || pattern.extent == Extent::Subtree) {
            const Node end = trie.first_child(last - 1) + trie.child_count(last - 1);
            first = trie.first_child(first);
            last = end;
            if (first == last) {
                break;
            }
            for (Node node = first; node < last; ++node) {
                use(node);
            }
            if (pattern.extent == Extent::Names) {
                break;
            }
        }
    }
}

void IncludeChoice::begin(const Policy& always) {
    open_ = always.includes();
    chosen_ = {};
    for (const std::string& name : in_.variables) {
        if (always.decide(Operation::Environment, name).allowed) {
            passed_.push_back(name);
        }
    }
}

bool IncludeChoice::ran_own_program(const Candidate& candidate) const {
    const std::string origin = "include " + candidate.name;
    bool about_programs = false;
    for (const PolicyRule& rule : candidate.policy.files()) {
        if (rule.origin.source != origin || !rule.modes.has(Mode::Execute)) {
            continue;
        }
        about_programs = true;
        bool ran = false;
        each_reached(in_.set.trie, in_.here, rule.pattern, [&](Node node) {
            ran = ran || (in_.needs[node].has(Mode::Execute) && !covered_[node].has(Mode::Execute));
        });
        if (ran) {
            return true;
        }
    }
    return !about_programs;
}

void IncludeChoice::find_uses(Candidate& candidate) {
    const std::string origin = "include " + candidate.name;
    std::vector<Node> touched;
    for (const PolicyRule& rule : candidate.policy.files()) {
        each_reached(in_.set.trie, in_.here, rule.pattern, [&](Node node) {
            if (!in_.needs[node].without(covered_[node]).empty()) {
                grants_[node] |= rule.modes;
                touched.push_back(node);
            }
        });
    }
    for (const PolicyRule& rule : candidate.policy.files()) {
        UsedRule used{&rule, rule.origin.source == origin, true, {}};
        each_reached(in_.set.trie, in_.here, rule.pattern, [&](Node node) {
            const Modes left = in_.needs[node].without(covered_[node]);
            used.idle = used.idle && left.without(rule.modes) == left;
            // Where it grants a part only, a rule has to be written all the same.
            if (!left.empty() && grants_[node].covers(left)) {
                used.grants.push_back({node, grants_[node]});
                grants_[node] = Modes::none(); // one rule's use, not another's as well
            }
        });
        candidate.rules.push_back(std::move(used));
    }
    for (const Node node : touched) {
        grants_[node] = Modes::none();
    }
}

result<ok> IncludeChoice::consider(const std::string& name) {
    Candidate candidate{name, TRY(policy_of({name}, in_)), {}, {}};
    if (!ran_own_program(candidate)) {
        return ok{};
    }
    find_uses(candidate);
    for (const std::string& variable : in_.variables) {
        if (std::find(passed_.begin(), passed_.end(), variable) == passed_.end() &&
            candidate.policy.decide(Operation::Environment, variable).allowed) {
            candidate.variables.push_back(variable);
        }
    }
    candidates_.push_back(std::move(candidate));
    return ok{};
}

bool IncludeChoice::includes(const Candidate& outer, const std::string& inner) const {
    const auto& names = outer.policy.includes();
    return outer.name != inner && std::find(names.begin(), names.end(), inner) != names.end();
}

IncludeChoice::Score IncludeChoice::score(const Candidate& candidate) const {
    Score score;
    IncludeExposure::Sum opened;
    for (const UsedRule& used : candidate.rules) {
        MilliLines lines = 0;
        for (const Granted& grant : used.grants) {
            lines += in_.needs[grant.node].without(covered_[grant.node]).empty() ? 0 : in_.costs.rule;
        }
        lines = is_wide(*used.rule) ? std::min(lines, most_for_a_wide_rule) : lines;
        score.saved += lines;
        score.own += used.own ? lines : 0;
        const std::string_view include = std::string_view(used.rule->origin.source).substr(8);
        if (used.idle && std::find(open_.begin(), open_.end(), include) == open_.end()) {
            exposure_.add(*used.rule, opened);
        }
    }
    for (const std::string& variable : candidate.variables) {
        if (std::find(passed_.begin(), passed_.end(), variable) == passed_.end()) {
            score.saved += in_.costs.rule;
            score.own += in_.costs.rule;
        }
    }
    // Its own line, in the place of those that come with it.
    MilliLines line = in_.costs.rule;
    for (const std::string& name : chosen_) {
        line -= includes(candidate, name) ? in_.costs.rule : 0;
    }
    score.exposed = line + exposure_.lines(opened);
    return score;
}

void IncludeChoice::take(const Candidate& candidate) {
    for (const UsedRule& used : candidate.rules) {
        for (const Granted& grant : used.grants) {
            covered_[grant.node] |= grant.modes;
        }
    }
    std::erase_if(chosen_, [&](const std::string& name) { return includes(candidate, name); });
    chosen_.push_back(candidate.name);
    open_.insert(open_.end(), candidate.policy.includes().begin(), candidate.policy.includes().end());
    passed_.insert(passed_.end(), candidate.variables.begin(), candidate.variables.end());
}

// At most one round for each candidate.
std::vector<std::string> IncludeChoice::choose() {
    while (!candidates_.empty()) {
        MilliLines most = 0;
        auto best = candidates_.end();
        for (auto at = candidates_.begin(); at != candidates_.end(); ++at) {
            const Score found = score(*at);
            if (found.own >= least_saved && found.worth() > most) {
                most = found.worth();
                best = at;
            }
        }
        if (best == candidates_.end()) {
            break;
        }
        take(*best);
        candidates_.erase(best);
    }
    return chosen_;
}

} // namespace

result<Includes> choose_includes(const IncludeInput& input) {
    std::vector<std::string> names(input.shipped.begin(), input.shipped.begin() + (input.shipped.empty() ? 0 : 1));
    const Policy always = TRY(policy_of(names, input));
    const std::vector<std::string>& open = always.includes();
    IncludeChoice choice(input, coverage(input.set, always).granted);
    choice.begin(always);
    for (const std::string& name : input.shipped) {
        if (std::find(open.begin(), open.end(), name) == open.end()) {
            TRY(choice.consider(name));
        }
    }
    for (std::string& name : choice.choose()) {
        names.push_back(std::move(name));
    }
    Policy policy = TRY(policy_of(names, input));
    std::vector<Modes> covered = coverage(input.set, policy).granted;
    return Includes{std::move(names), std::move(policy), std::move(covered)};
}

} // namespace treadline

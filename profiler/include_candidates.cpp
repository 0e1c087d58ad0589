#include "profiler/include_candidates.h"

#include <algorithm>
#include <map>

#include "profiler/coverage.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

// What a pattern grants to a node: by its own path or a tree, or as a name in a directory.
enum class Reach : uint8_t { Itself, Name, Tree };

// Calls `use` for the nodes that a pattern reaches; the nodes of each level below one stand side by side.
template <class Use>
void each_reached(const PathTrie& trie, const Variables& here, const Pattern& pattern, Use use) {
    const bool tree = pattern.extent == Extent::Subtree;
    std::vector<Node> roots = nodes_named(trie, here, pattern);
    // A variable's folder stands beside "/" in the trie, but below it on the disk.
    for (Node root = trie.first_child(PathTrie::top);
         root < trie.first_child(PathTrie::top) + trie.child_count(PathTrie::top); ++root) {
        const auto absolute = here.expand(trie.path(root));
        if (absolute && *absolute != "/" && pattern.matches(*absolute) &&
            std::find(roots.begin(), roots.end(), root) == roots.end()) {
            tree ? roots.push_back(root) : use(root, Reach::Itself);
        }
    }
    for (const Node root : roots) {
        use(root, tree ? Reach::Tree : Reach::Itself);
        Node first = root;
        Node last = root + 1;
        while (pattern.extent == Extent::Names || tree) {
            const Node end = trie.first_child(last - 1) + trie.child_count(last - 1);
            first = trie.first_child(first);
            last = end;
            if (first == last) {
                break;
            }
            for (Node node = first; node < last; ++node) {
                use(node, tree ? Reach::Tree : Reach::Name);
            }
            if (!tree) {
                break;
            }
        }
    }
}

// As coverage() has it: only a rule for the whole tree outlives a directory that is made again.
Modes granted_to(const AccessSet& set, Node node, Modes modes, Reach reach) {
    return reach != Reach::Tree && remade_directory(set, node) ? modes.without(Mode::Create) : modes;
}

bool is_of(const PolicyRule& rule, const std::string& abstraction) {
    return rule.origin.source == "include " + abstraction;
}

class Candidates {
public:
    Candidates(const IncludeInput& input, const Includes& always)
        : in_(input), always_(always), exposure_(input.costs.costs(), input.abstractions.here, input.disk),
          passed_(input.variables.size(), false), granted_(input.set.trie.size()) {
        for (size_t i = 0; i < passed_.size(); ++i) {
            passed_[i] = always.policy.decide(Operation::Environment, input.variables[i]).allowed;
        }
    }
    result<std::vector<IncludeCandidate>> find();

private:
    [[nodiscard]] bool ran_own_program(const std::string& name, const Policy& policy) const;
    void find_grants(IncludeCandidate& candidate, const Policy& policy);

    const IncludeInput& in_;
    const Includes& always_;
    IncludeExposure exposure_;
    std::vector<bool> passed_;   // by what every profile includes
    std::vector<Modes> granted_; // scratch, empty between uses
};

bool Candidates::ran_own_program(const std::string& name, const Policy& policy) const {
    bool about_programs = false;
    bool ran = false;
    for (const PolicyRule& rule : policy.files()) {
        if (is_of(rule, name) && rule.modes.has(Mode::Execute)) {
            about_programs = true;
            each_reached(in_.set.trie, in_.abstractions.here, rule.pattern,
                         [&](Node node, Reach) { ran = ran || in_.needs[node].has(Mode::Execute); });
        }
    }
    return ran || !about_programs;
}

void Candidates::find_grants(IncludeCandidate& candidate, const Policy& policy) {
    std::vector<Node> touched;
    for (const PolicyRule& rule : policy.files()) {
        if (!is_of(rule, candidate.name)) {
            continue;
        }
        bool idle = true;
        each_reached(in_.set.trie, in_.abstractions.here, rule.pattern, [&](Node node, Reach reach) {
            const Modes modes = granted_to(in_.set, node, rule.modes, reach);
            if (in_.needs[node].without(modes) == in_.needs[node]) {
                return;
            }
            idle = false;
            if (granted_[node].empty()) {
                touched.push_back(node);
            }
            granted_[node] |= modes;
        });
        if (idle) {
            exposure_.add(rule, candidate.opened);
        }
    }
    for (const Node node : touched) {
        // A program's reading is asked for again with its executing, though that is granted anyway.
        candidate.grants.push_back({node, granted_[node] | always_.covered[node]});
        granted_[node] = Modes::none();
    }
}

result<std::vector<IncludeCandidate>> Candidates::find() {
    std::vector<IncludeCandidate> candidates;
    std::vector<Policy> policies;
    std::map<std::string, size_t> place;
    const auto& known = always_.policy.includes();
    for (const std::string& name : in_.abstractions.shipped) {
        if (std::find(known.begin(), known.end(), name) == known.end() &&
            candidates.size() < FoldLayers::most_layers) {
            policies.push_back(TRY(policy_of_includes({name}, in_.abstractions)));
            place.emplace(name, candidates.size());
            candidates.push_back({name, 0, false, {}, {}, {}});
        }
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
        for (const std::string& name : policies[i].includes()) {
            if (const auto at = place.find(name); at != place.end()) {
                candidates[i].brings |= FoldLayers::Mask{1} << at->second;
            }
        }
    }
    for (size_t i = 0; i < candidates.size(); ++i) {
        IncludeCandidate& candidate = candidates[i];
        find_grants(candidate, policies[i]);
        for (size_t v = 0; v < passed_.size(); ++v) {
            const auto passes = [&](size_t of) {
                return policies[of].decide(Operation::Environment, in_.variables[v]).allowed;
            };
            bool brought = false;
            for (size_t j = 0; j < candidates.size(); ++j) {
                brought = brought || (j != i && (candidate.brings >> j & 1) != 0 && passes(j));
            }
            if (!passed_[v] && !brought && passes(i)) {
                candidate.variables.push_back(v);
            }
        }
        candidate.possible = (!candidate.grants.empty() || !candidate.variables.empty()) &&
                             ran_own_program(candidate.name, policies[i]);
    }
    return candidates;
}

} // namespace

result<std::vector<IncludeCandidate>> include_candidates(const IncludeInput& input, const Includes& always) {
    return Candidates(input, always).find();
}

} // namespace treadline

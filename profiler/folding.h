// The search of fold.h as an object: every node's table of cheapest costs is kept, so that the same paths
// with somewhat less to grant (fold_layers.h) are solved again only on the way up from what changed.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "profiler/fold.h"

namespace treadline {

// By universe and set: the bits of the set that are in the universe, pushed together. So the subsets of a
// universe are numbered from 0.
inline constexpr auto subset_index = [] {
    std::array<std::array<uint8_t, 16>, 16> index{};
    for (unsigned universe = 0; universe < 16; ++universe) {
        for (unsigned set = 0; set < 16; ++set) {
            unsigned packed = 0;
            unsigned at = 0;
            for (unsigned bit = 0; bit < 4; ++bit) {
                if ((universe >> bit & 1) != 0) {
                    packed |= (set >> bit & 1) << at++;
                }
            }
            index[universe][set] = static_cast<uint8_t>(packed);
        }
    }
    return index;
}();

class Folding {
public:
    using Node = PathTrie::Node;
    using Bits = uint8_t; // of Modes

    // What stands at a node beside its own exact rule.
    struct Choice {
        // PrivateExecute: a private directory, and `dir/**: x` for the programs made in it.
        enum class Kind : uint8_t { Rules, Private, PrivateExecute };
        Kind kind = Kind::Rules;
        Bits subtree = 0; // all that is granted below, what comes from above included
        Bits names = 0;   // a superset of `subtree`, or `subtree` itself: then there is no `dir/`
    };

    // The node and everything below it at its cheapest.
    struct Option {
        MilliLines cost = never;
        Choice choice;
    };

    // All that the nodes above ask of one: its table, and what is needed of it and below it.
    struct Solution {
        Bits universe = 0;
        Modes need;
        std::vector<MilliLines> below;
        std::vector<Option> options;
    };

    // Keeps `set`, `costs` and `exposure`. Solved at once.
    Folding(const AccessSet& set, std::vector<Modes> needs, const CostModel& costs, const Exposure& exposure);

    [[nodiscard]] MilliLines cost() const; // of the cheapest rules
    [[nodiscard]] std::vector<FoldedRule> rules() const;

    [[nodiscard]] Modes needed(Node node) const { return needs_[node]; }
    // Less than at first, or as much. Every node above is to be solved afterwards, children before parents.
    void need_only(Node node, Modes modes) { needs_[node] = modes; }
    void solve(Node node);
    [[nodiscard]] Solution solution(Node node) const;
    void restore(Node node, const Solution& solution); // one of this node's

private:
    static constexpr uint32_t no_room_yet = UINT32_MAX;
    struct Solved {
        // Into below_ and options_, with room for what was needed at first; only nodes with children have
        // states.
        uint32_t first_state = no_room_yet;
        uint32_t first_option = no_room_yet;
        Bits universe = 0;          // modes needed here or below
        bool under_private = false; // itself or something above may be private
    };
    using ByCover = std::array<Option, 16>; // by the part of a node's need that a choice covers

    [[nodiscard]] Bits need(Node node) const { return needs_[node].bits(); }
    [[nodiscard]] size_t state_offset(Node node, Bits granted, bool in_private) const {
        const Solved& solved = nodes_[node];
        const size_t offset =
            in_private && solved.under_private ? size_t{1} << std::popcount(solved.universe) : 0;
        return offset + subset_index[solved.universe][granted & 15];
    }
    [[nodiscard]] size_t option_at(Node node, Bits own_granted, Bits granted, bool in_private) const {
        return nodes_[node].first_option +
               (state_offset(node, granted, in_private) << std::popcount(need(node))) +
               subset_index[need(node)][own_granted & 15];
    }
    // Everything strictly below, when this node gets no wide rule beyond what is granted.
    [[nodiscard]] MilliLines below(Node node, Bits granted, bool in_private) const {
        return below_[nodes_[node].first_state + state_offset(node, granted, in_private)];
    }
    [[nodiscard]] Bits left_over(Node node, Bits granted, bool in_private) const;
    // What a subtree rule at this very node has to grant; 0 where other rules may do.
    [[nodiscard]] Bits whole_tree_needs(Node node, Bits granted, bool in_private) const;
    [[nodiscard]] MilliLines own_cost(Node node, Bits granted, bool in_private) const;
    // A file that the run writes: a program there is another one in the next run.
    [[nodiscard]] bool may_be_replaced(Node node) const {
        const NodeFacts& facts = set_.facts[node];
        return !facts.directory && (facts.seen.has(Mode::Write) || facts.seen.has(Mode::Create));
    }
    // The node and all below it, where `own_granted` reaches the node itself and `granted` the rest, too.
    [[nodiscard]] MilliLines best(Node node, Bits own_granted, Bits granted, bool in_private) const;
    void solve_state(Node node, Bits granted, bool in_private);
    void weigh_wide_rules(Node node, Bits granted, bool in_private, ByCover& by_cover) const;
    void weigh_private(Node node, Bits granted, ByCover& by_cover) const;
    void group_leaves(Node node);
    [[nodiscard]] MilliLines leaves_cost(Bits granted, bool in_private) const;
    void sum_names(Node node, bool in_private);
    [[nodiscard]] size_t states(Node node) const {
        return (size_t{1} << std::popcount(nodes_[node].universe)) * (nodes_[node].under_private ? 2 : 1);
    }
    [[nodiscard]] size_t options(Node node) const { return states(node) << std::popcount(need(node)); }

    const AccessSet& set_;
    const PathTrie& trie_;
    std::vector<Modes> needs_;
    const CostModel& costs_;
    const Exposure& exposure_;
    std::vector<Solved> nodes_;
    std::vector<MilliLines> below_;
    std::vector<Option> options_;
    // Of the node being solved: everything strictly below it, by what is granted throughout and to its
    // children.
    std::array<std::array<MilliLines, 16>, 16> under_names_{};
    // Its children without children are most of all nodes: what they cost is added up, by what they need and
    // whether they are made in a private place, instead of asked of each for each grant.
    struct Leaves {
        int64_t count = 0;
        int64_t programs = 0; // that the run wrote
        int64_t results = 0;
        MilliLines penalties = 0;
    };
    std::array<std::array<Leaves, 2>, 16> leaves_{};
    std::vector<Node> other_children_;
};

} // namespace treadline

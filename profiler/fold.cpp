#include "profiler/fold.h"

#include <algorithm>
#include <array>
#include <bit>

namespace treadline {
namespace {

using Node = PathTrie::Node;
using Bits = uint8_t; // of Modes

constexpr std::array<Mode, 4> all_modes{Mode::Read, Mode::Write, Mode::Create, Mode::Execute};
constexpr Bits what_private_grants =
    static_cast<Bits>(Mode::Read) | static_cast<Bits>(Mode::Write) | static_cast<Bits>(Mode::Create);

Modes modes_from(Bits bits) {
    Modes modes;
    for (const Mode mode : all_modes) {
        if ((bits & static_cast<Bits>(mode)) != 0) {
            modes |= mode;
        }
    }
    return modes;
}

// Numbers the subsets of `universe` from 0: the bits of `set` that are in `universe`, pushed together.
constexpr std::array<std::array<Bits, 16>, 16> make_index() {
    std::array<std::array<Bits, 16>, 16> index{};
    for (unsigned universe = 0; universe < 16; ++universe) {
        for (unsigned set = 0; set < 16; ++set) {
            Bits packed = 0;
            int at = 0;
            for (int bit = 0; bit < 4; ++bit) {
                if ((universe >> bit & 1) != 0) {
                    packed |= static_cast<Bits>((set >> bit & 1) << at++);
                }
            }
            index[universe][set] = packed;
        }
    }
    return index;
}
constexpr auto subset_index = make_index();

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

class Folding {
public:
    Folding(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
            const Exposure& exposure)
        : set_(set), trie_(set.trie), needs_(needs), costs_(costs), exposure_(exposure),
          nodes_(set.trie.size()) {}

    std::vector<FoldedRule> run();

private:
    struct Solved {
        uint32_t first_state = 0;   // into below_; only nodes with children have states
        uint32_t first_option = 0;  // into options_
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
    void solve(Node node);
    void solve_state(Node node, Bits granted, bool in_private);
    void weigh_wide_rules(Node node, Bits granted, bool in_private, ByCover& by_cover) const;
    void weigh_private(Node node, Bits granted, ByCover& by_cover) const;
    void group_leaves(Node node);
    [[nodiscard]] MilliLines leaves_cost(Bits granted, bool in_private) const;
    void sum_names(Node node, bool in_private);
    std::vector<FoldedRule> read_off() const;

    const AccessSet& set_;
    const PathTrie& trie_;
    const std::vector<Modes>& needs_;
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

Bits Folding::left_over(Node node, Bits granted, bool in_private) const {
    Bits left = need(node) & static_cast<Bits>(~granted);
    if (in_private && costs_.made_in_private(node)) {
        left &= static_cast<Bits>(~what_private_grants);
    }
    return left;
}

// A directory that is removed and made again takes every rule below it along: mounts and Landlock rules hold
// the old one. So one rule for the tree grants all that is needed in it, as far as it may be folded.
Bits Folding::whole_tree_needs(Node node, Bits granted, bool in_private) const {
    if (!costs_.must_be_whole(node)) {
        return 0;
    }
    const bool leaf = trie_.child_count(node) == 0;
    Bits needed = nodes_[node].universe & static_cast<Bits>(~granted);
    if (in_private && costs_.made_in_private(node)) {
        needed &= static_cast<Bits>(~what_private_grants);
    }
    return leaf ? needed : needed & costs_.foldable_subtree(node).bits();
}

MilliLines Folding::own_cost(Node node, Bits granted, bool in_private) const {
    const Bits left = left_over(node, granted, in_private);
    if (left != 0 && in_private && costs_.made_in_private(node)) {
        return never; // a rule for it would bring in the host's, which is not there
    }
    MilliLines sum = 0;
    if (in_private && costs_.is_result(node) && need(node) != 0) {
        sum += costs_.costs().lost_result;
    }
    if (left != 0) {
        sum += costs_.costs().rule + costs_.name_penalty(node);
        if ((left & static_cast<Bits>(Mode::Execute)) != 0 && may_be_replaced(node)) {
            sum += costs_.costs().replaced_program;
        }
    }
    return sum;
}

MilliLines Folding::best(Node node, Bits own_granted, Bits granted, bool in_private) const {
    const bool whole = whole_tree_needs(node, granted, in_private) != 0;
    const Bits own = whole ? granted : own_granted; // names from above do not outlive it
    return trie_.child_count(node) == 0 ? own_cost(node, own, in_private)
                                        : options_[option_at(node, own, granted, in_private)].cost;
}

void keep_cheaper(Option& kept, MilliLines cost, Choice choice) {
    if (cost < kept.cost) {
        kept = {cost, choice};
    }
}

// `dir/**`, `dir/` or both: `dir/` grants more than what reaches everything below.
void Folding::weigh_wide_rules(Node node, Bits granted, bool in_private, ByCover& by_cover) const {
    if (in_private && costs_.made_in_private(node)) {
        return;
    }
    const Bits universe = nodes_[node].universe;
    const Bits grantable = costs_.foldable_subtree(node).bits() & universe;
    const Bits grantable_names = costs_.foldable_names(node).bits() & universe;
    const Bits whole = whole_tree_needs(node, granted, in_private);
    const MilliLines line = costs_.costs().rule + costs_.name_penalty(node);

    for (unsigned throughout = granted; throughout < 16; ++throughout) {
        const auto subtree = static_cast<Bits>(throughout);
        const Bits added = subtree & static_cast<Bits>(~granted);
        if ((subtree & granted) != granted || (added & grantable) != added || (added & whole) != whole) {
            continue;
        }
        MilliLines cost = 0;
        if (added != 0) {
            const Modes modes = modes_from(added);
            cost = line + costs_.subtree_surcharge(node, modes) + exposure_.subtree(node, modes);
            keep_cheaper(by_cover[subtree & need(node)], plus(cost, below(node, subtree, in_private)),
                         {Choice::Kind::Rules, subtree, subtree});
        }
        if (whole != 0) {
            continue; // names would not outlive it
        }
        for (unsigned wanted = subtree + 1; wanted < 16; ++wanted) {
            const auto names = static_cast<Bits>(wanted);
            const Bits more = names & static_cast<Bits>(~subtree);
            if ((names & subtree) != subtree || (more & grantable_names) != more) {
                continue;
            }
            const MilliLines both =
                cost + line + costs_.costs().names_surcharge + exposure_.names(node, modes_from(more));
            keep_cheaper(by_cover[names & need(node)], plus(both, under_names_[subtree][names]),
                         {Choice::Kind::Rules, subtree, names});
        }
    }
}

// Listing, making and removing the directory itself is in the grant.
void Folding::weigh_private(Node node, Bits granted, ByCover& by_cover) const {
    const MilliLines directory = costs_.costs().private_directory + costs_.name_penalty(node);
    keep_cheaper(by_cover[(granted | what_private_grants) & need(node)],
                 plus(directory, below(node, granted, true)), {Choice::Kind::Private, granted, granted});
    const Bits executing = granted | static_cast<Bits>(Mode::Execute);
    if (executing != granted && (executing & nodes_[node].universe) == executing) {
        const MilliLines rule = costs_.costs().rule + costs_.name_penalty(node);
        keep_cheaper(by_cover[(executing | what_private_grants) & need(node)],
                     plus(directory + rule, below(node, executing, true)),
                     {Choice::Kind::PrivateExecute, executing, executing});
    }
}

void Folding::solve_state(Node node, Bits granted, bool in_private) {
    ByCover by_cover;
    const bool whole = whole_tree_needs(node, granted, in_private) != 0;
    if (!whole) {
        by_cover[granted & need(node)] = {below(node, granted, in_private),
                                          {Choice::Kind::Rules, granted, granted}};
    }
    weigh_wide_rules(node, granted, in_private, by_cover);
    if (!in_private && !whole && costs_.may_be_private(node)) {
        weigh_private(node, granted, by_cover);
    }
    for (unsigned own = 0; own < 16; ++own) {
        if ((own & ~unsigned{need(node)}) != 0) {
            continue;
        }
        Option& option = options_[option_at(node, static_cast<Bits>(own), granted, in_private)];
        for (unsigned cover = 0; cover < 16; ++cover) {
            if (by_cover[cover].cost < never) {
                const MilliLines itself = own_cost(node, static_cast<Bits>(own | cover), in_private);
                keep_cheaper(option, plus(by_cover[cover].cost, itself), by_cover[cover].choice);
            }
        }
    }
}

void Folding::group_leaves(Node node) {
    leaves_ = {};
    other_children_.clear();
    const Node first = trie_.first_child(node);
    for (Node child = first; child < first + trie_.child_count(node); ++child) {
        if (trie_.child_count(child) != 0 || costs_.must_be_whole(child)) {
            other_children_.push_back(child);
            continue;
        }
        Leaves& leaves = leaves_[need(child)][costs_.made_in_private(child) ? 1 : 0];
        ++leaves.count;
        leaves.programs += may_be_replaced(child);
        leaves.results += costs_.is_result(child);
        leaves.penalties += costs_.name_penalty(child);
    }
}

// The sum of own_cost() of all that are grouped.
MilliLines Folding::leaves_cost(Bits granted, bool in_private) const {
    const Costs& costs = costs_.costs();
    MilliLines sum = 0;
    for (unsigned needed = 1; needed < 16; ++needed) {
        for (const bool made : {false, true}) {
            const Leaves& leaves = leaves_[needed][made ? 1 : 0];
            if (leaves.count == 0) {
                continue;
            }
            const bool there = in_private && made;
            const auto left = static_cast<Bits>(needed & ~unsigned{granted} &
                                                (there ? ~unsigned{what_private_grants} : ~0U));
            if (there && left != 0) {
                return never;
            }
            sum += in_private ? leaves.results * costs.lost_result : 0;
            sum += left != 0 ? leaves.count * costs.rule + leaves.penalties : 0;
            sum +=
                (left & static_cast<Bits>(Mode::Execute)) != 0 ? leaves.programs * costs.replaced_program : 0;
        }
    }
    return plus(0, sum);
}

void Folding::sum_names(Node node, bool in_private) {
    const Bits universe = nodes_[node].universe;
    const Bits grantable = costs_.foldable_names(node).bits() & universe;
    for (unsigned subtree = 0; subtree < 16; ++subtree) {
        for (unsigned names = subtree; names < 16; ++names) {
            const unsigned more = names & ~subtree;
            if ((names & ~unsigned{universe}) != 0 || (names & subtree) != subtree ||
                (more & grantable) != more) {
                continue;
            }
            MilliLines sum = leaves_cost(static_cast<Bits>(names), in_private);
            for (const Node child : other_children_) {
                sum =
                    plus(sum, best(child, static_cast<Bits>(names), static_cast<Bits>(subtree), in_private));
            }
            under_names_[subtree][names] = sum;
            if (more == 0) {
                below_[nodes_[node].first_state +
                       state_offset(node, static_cast<Bits>(subtree), in_private)] = sum;
            }
        }
    }
}

void Folding::solve(Node node) {
    Solved& solved = nodes_[node];
    const Node first = trie_.first_child(node);
    const Node last = first + trie_.child_count(node);
    solved.universe = need(node);
    for (Node child = first; child < last; ++child) {
        solved.universe |= nodes_[child].universe;
    }
    if (first == last) {
        return;
    }
    const size_t states = (size_t{1} << std::popcount(solved.universe)) * (solved.under_private ? 2 : 1);
    solved.first_state = static_cast<uint32_t>(below_.size());
    below_.resize(below_.size() + states);
    solved.first_option = static_cast<uint32_t>(options_.size());
    options_.resize(options_.size() + (states << std::popcount(need(node))));
    group_leaves(node);
    // Private first: a directory that becomes private asks for what is below it then.
    for (const bool in_private : {true, false}) {
        if (in_private && !solved.under_private) {
            continue;
        }
        sum_names(node, in_private);
        for (unsigned granted = 0; granted < 16; ++granted) {
            if ((granted & ~unsigned{solved.universe}) == 0) {
                solve_state(node, static_cast<Bits>(granted), in_private);
            }
        }
    }
}

// Top-down along the choices; an explicit stack, because paths may be 2000 names deep.
std::vector<FoldedRule> Folding::read_off() const {
    struct Visit {
        Node node;
        Bits own_granted;
        Bits granted;
        bool in_private;
    };
    std::vector<FoldedRule> rules;
    std::vector<Visit> stack{{PathTrie::top, 0, 0, false}};
    while (!stack.empty()) {
        const Visit visit = stack.back();
        stack.pop_back();
        const Node node = visit.node;
        const bool whole = whole_tree_needs(node, visit.granted, visit.in_private) != 0;
        Bits own_granted = whole ? visit.granted : visit.own_granted;
        if (trie_.child_count(node) == 0) {
            if (whole) {
                rules.push_back({node, Extent::Subtree, needs_[node], false});
            } else if (left_over(node, own_granted, visit.in_private) != 0) {
                rules.push_back({node, Extent::Exact, needs_[node], false});
            }
            continue;
        }
        const Bits granted = visit.granted & nodes_[node].universe;
        const Choice& choice = options_[option_at(node, own_granted, granted, visit.in_private)].choice;
        const bool made_private = choice.kind != Choice::Kind::Rules;
        own_granted |= choice.names;
        if (made_private) {
            rules.push_back({node, Extent::Subtree, Modes::none(), true});
            own_granted |= what_private_grants;
        }
        if (choice.kind == Choice::Kind::PrivateExecute) {
            rules.push_back({node, Extent::Subtree, Mode::Execute, false});
        } else if (choice.subtree != granted) {
            rules.push_back({node, Extent::Subtree, modes_from(choice.subtree), false});
        }
        if (choice.names != choice.subtree) {
            rules.push_back({node, Extent::Names, modes_from(choice.names), false});
        }
        if (left_over(node, own_granted, visit.in_private) != 0) {
            rules.push_back({node, Extent::Exact, needs_[node], false});
        }
        const Node first = trie_.first_child(node);
        for (Node child = first + trie_.child_count(node); child-- > first;) {
            stack.push_back({child, choice.names, choice.subtree, visit.in_private || made_private});
        }
    }
    return rules;
}

std::vector<FoldedRule> Folding::run() {
    for (Node node = 1; node < trie_.size(); ++node) {
        nodes_[node].under_private = nodes_[trie_.parent(node)].under_private || costs_.may_be_private(node);
    }
    for (auto node = static_cast<Node>(trie_.size()); node-- > 0;) {
        solve(node);
    }
    return read_off();
}

} // namespace

std::vector<FoldedRule> fold(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
                             const Exposure& exposure) {
    return Folding(set, needs, costs, exposure).run();
}

} // namespace treadline

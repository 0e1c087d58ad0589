#include "profiler/fold.h"

#include <algorithm>

#include "profiler/folding.h"

namespace treadline {
namespace {

using Node = Folding::Node;
using Bits = Folding::Bits;

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

} // namespace

Folding::Folding(const AccessSet& set, std::vector<Modes> needs, const CostModel& costs,
                 const Exposure& exposure)
    : set_(set), trie_(set.trie), needs_(std::move(needs)), costs_(costs), exposure_(exposure),
      nodes_(set.trie.size()) {
    for (Node node = 1; node < trie_.size(); ++node) {
        nodes_[node].under_private = nodes_[trie_.parent(node)].under_private || costs_.may_be_private(node);
    }
    for (auto node = static_cast<Node>(trie_.size()); node-- > 0;) {
        solve(node);
    }
}

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

namespace {
void keep_cheaper(Folding::Option& kept, MilliLines cost, Folding::Choice choice) {
    if (cost < kept.cost) {
        kept = {cost, choice};
    }
}
} // namespace

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
    if (solved.first_state == no_room_yet) {
        solved.first_state = static_cast<uint32_t>(below_.size());
        below_.resize(below_.size() + states(node));
        solved.first_option = static_cast<uint32_t>(options_.size());
        options_.resize(options_.size() + options(node));
    } else {
        std::fill_n(options_.begin() + solved.first_option, options(node), Option{});
    }
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
std::vector<FoldedRule> Folding::rules() const {
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

MilliLines Folding::cost() const {
    return best(PathTrie::top, 0, 0, false);
}

Folding::Solution Folding::solution(Node node) const {
    Solution solution{nodes_[node].universe, needs_[node], {}, {}};
    if (trie_.child_count(node) > 0) {
        const auto below = below_.begin() + nodes_[node].first_state;
        const auto option = options_.begin() + nodes_[node].first_option;
        solution.below.assign(below, below + static_cast<long>(states(node)));
        solution.options.assign(option, option + static_cast<long>(options(node)));
    }
    return solution;
}

void Folding::restore(Node node, const Solution& solution) {
    nodes_[node].universe = solution.universe;
    needs_[node] = solution.need;
    std::copy(solution.below.begin(), solution.below.end(), below_.begin() + nodes_[node].first_state);
    std::copy(solution.options.begin(), solution.options.end(), options_.begin() + nodes_[node].first_option);
}

std::vector<FoldedRule> fold(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
                             const Exposure& exposure) {
    return Folding(set, needs, costs, exposure).rules();
}

} // namespace treadline

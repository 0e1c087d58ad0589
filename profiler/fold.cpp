#include "profiler/fold.h"

#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace treadline {
namespace {

using Node = PathTrie::Node;
using Bits = uint8_t; // of Modes

constexpr double never = std::numeric_limits<double>::infinity();
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

struct Choice {
    // PrivateExecute: a private directory, and `dir/**: x` for the programs made in it.
    enum class Kind : uint8_t { None, Names, Subtree, Private, PrivateExecute };
    Kind kind = Kind::None;
    Bits modes = 0;
};

struct State {
    double below = 0;    // everything strictly below, when this node gets no wide rule
    double wide = never; // this node and everything below, under the best wide rule here
    Choice choice;
};

class Folding {
public:
    Folding(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
            const ListDirectory& list)
        : set_(set), trie_(set.trie), needs_(needs), costs_(costs), list_(list), nodes_(set.trie.size()) {}

    std::vector<FoldedRule> run();

private:
    // Weights of the entries a mode would expose: directly in the directory, and anywhere below it.
    using Exposure = std::array<float, 4>;
    struct Solved {
        uint32_t first_state = 0;   // into states_; only nodes with children have states
        uint32_t internal = 0;      // into direct_ and below_
        Bits universe = 0;          // modes needed here or below
        bool under_private = false; // itself or something above may be private
    };

    [[nodiscard]] Bits need(Node node) const { return needs_[node].bits(); }
    [[nodiscard]] size_t state_of(Node node, Bits granted, bool in_private) const {
        const Solved& solved = nodes_[node];
        const size_t index = subset_index[solved.universe][granted & 15];
        const size_t offset =
            in_private && solved.under_private ? size_t{1} << std::popcount(solved.universe) : 0;
        return solved.first_state + offset + index;
    }
    [[nodiscard]] Bits left_over(Node node, Bits granted, bool in_private) const;
    // What a subtree rule at this very node has to grant; 0 where other rules may do.
    [[nodiscard]] Bits whole_tree_needs(Node node, Bits granted, bool in_private) const;
    [[nodiscard]] double own_cost(Node node, Bits granted, bool in_private) const;
    // The node and all below it, where `own_granted` reaches the node itself and `granted` the rest, too.
    [[nodiscard]] double best(Node node, Bits own_granted, Bits granted, bool in_private) const;
    void expose(Node node);
    void solve(Node node);
    void weigh_wide_rules(Node node, Bits granted, bool in_private);
    std::vector<FoldedRule> read_off() const;

    const AccessSet& set_;
    const PathTrie& trie_;
    const std::vector<Modes>& needs_;
    const CostModel& costs_;
    const ListDirectory& list_;
    std::vector<Solved> nodes_;
    std::vector<State> states_;
    std::vector<Exposure> direct_;
    std::vector<Exposure> below_;
    std::vector<Exposure> to_come_; // what a subtree rule here exposes beyond that
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
    return leaf ? needed : needed & costs_.foldable(node).bits();
}

double Folding::own_cost(Node node, Bits granted, bool in_private) const {
    const Bits left = left_over(node, granted, in_private);
    if (left != 0 && in_private && costs_.made_in_private(node)) {
        return never; // a rule for it would bring in the host's, which is not there
    }
    double sum = 0;
    if (in_private && costs_.is_result(node) && need(node) != 0) {
        sum += cost::lost_result;
    }
    if (left != 0) {
        sum += cost::rule + costs_.name_penalty(node);
        const bool made = set_.facts[node].seen.has(Mode::Write) || set_.facts[node].seen.has(Mode::Create);
        if (made && (left & static_cast<Bits>(Mode::Execute)) != 0 && !set_.facts[node].directory) {
            sum += cost::replaced_program;
        }
    }
    return sum;
}

double Folding::best(Node node, Bits own_granted, Bits granted, bool in_private) const {
    const bool whole = whole_tree_needs(node, granted, in_private) != 0;
    const double own = own_cost(node, whole ? granted : own_granted, in_private);
    if (trie_.child_count(node) == 0) {
        return own;
    }
    if (whole) {
        return states_[state_of(node, granted, in_private)].wide;
    }
    const State& state = states_[state_of(node, granted, in_private)];
    return std::min(own + state.below, state.wide);
}

// How many entries each mode would expose. Entries the run made expose nothing: they are its own.
void Folding::expose(Node node) {
    Exposure direct{};
    Exposure below{};
    int made = 0;
    int written = 0;
    const Node first = trie_.first_child(node);
    for (Node child = first; child < first + trie_.child_count(node); ++child) {
        const NodeFacts& seen = set_.facts[child];
        made += seen.seen.has(Mode::Create);
        written += seen.seen.has(Mode::Write);
        if (!seen.created) {
            for (size_t i = 0; i < all_modes.size(); ++i) {
                // A directory's contents are weighed below; by itself it can only be deleted.
                const bool counts = !seen.directory || all_modes[i] == Mode::Create;
                if (counts && !seen.seen.has(all_modes[i])) {
                    direct[i] += static_cast<float>(entry_weight(costs_.class_of(child), all_modes[i]));
                }
            }
        }
        if (trie_.child_count(child) > 0) {
            for (size_t i = 0; i < all_modes.size(); ++i) {
                below[i] += below_[nodes_[child].internal][i];
            }
        }
    }
    double to_come_below = 0;
    if (!set_.facts[node].created) {
        to_come_below = cost::entries_to_come_in_subtree - cost::entries_to_come_in_directory;
        for (size_t i = 0; i < all_modes.size(); ++i) {
            direct[i] += static_cast<float>(entry_weight(costs_.class_of(node), all_modes[i]) *
                                            cost::entries_to_come_in_directory);
        }
    }
    if (list_ && !costs_.foldable(node).empty() && nodes_[node].universe != 0 && !set_.facts[node].created) {
        bool truncated = false;
        double files = 0;
        double directories = 0;
        for (const DiskView::Entry& entry : list_(node, truncated)) {
            if (trie_.find_child(node, escape_path(entry.name)) == PathTrie::none) {
                (entry.directory ? directories : files) += 1;
            }
        }
        files += truncated ? cost::entries_beyond_listing : 0;
        for (size_t i = 0; i < all_modes.size(); ++i) {
            const double weight = entry_weight(costs_.class_of(node), all_modes[i]);
            direct[i] += static_cast<float>(weight * files);
            below[i] += static_cast<float>(weight * directories * cost::entries_of_unseen_directory);
        }
    }
    if (made >= cost::output_names_made || written >= cost::output_names_written) {
        to_come_below *= cost::output_directory_factor;
        for (float& weight : direct) {
            weight *= static_cast<float>(cost::output_directory_factor);
        }
    }
    for (size_t i = 0; i < all_modes.size(); ++i) {
        below[i] += direct[i];
    }
    nodes_[node].internal = static_cast<uint32_t>(direct_.size());
    direct_.push_back(direct);
    below_.push_back(below);
    Exposure to_come{};
    for (size_t i = 0; i < all_modes.size(); ++i) {
        to_come[i] = static_cast<float>(entry_weight(costs_.class_of(node), all_modes[i]) * to_come_below);
    }
    to_come_.push_back(to_come);
}

void Folding::weigh_wide_rules(Node node, Bits granted, bool in_private) {
    if (in_private && costs_.made_in_private(node)) {
        return;
    }
    const Solved& solved = nodes_[node];
    State& state = states_[state_of(node, granted, in_private)];
    const double line = cost::rule + costs_.name_penalty(node);
    const Bits grantable = costs_.foldable(node).bits() & solved.universe;
    const Bits whole = whole_tree_needs(node, granted, in_private);
    const Node first = trie_.first_child(node);
    const Node last = first + trie_.child_count(node);

    for (unsigned wanted = 1; wanted < 16; ++wanted) {
        const Bits modes = static_cast<Bits>(wanted);
        const Bits added = modes & static_cast<Bits>(~granted);
        if ((modes & granted) != granted || added == 0 || (added & grantable) != added ||
            (added & whole) != whole) {
            continue;
        }
        double subtree = line + costs_.subtree_surcharge(node, modes_from(added));
        double names = line + cost::names_surcharge;
        for (size_t i = 0; i < all_modes.size(); ++i) {
            if ((added & static_cast<Bits>(all_modes[i])) != 0) {
                subtree += std::log2(
                    1 + static_cast<double>(below_[solved.internal][i] + to_come_[solved.internal][i]));
                names += std::log2(1 + static_cast<double>(direct_[solved.internal][i]));
            }
        }
        const double own = own_cost(node, modes, in_private);
        subtree += own + states_[state_of(node, modes, in_private)].below;
        if (subtree < state.wide) {
            state.wide = subtree;
            state.choice = {Choice::Kind::Subtree, modes};
        }
        if (whole != 0 || names + own >= state.wide) {
            continue; // the children can only add to it
        }
        names += own;
        for (Node child = first; child < last && names < state.wide; ++child) {
            names += best(child, modes, granted, in_private);
        }
        if (names < state.wide) {
            state.wide = names;
            state.choice = {Choice::Kind::Names, modes};
        }
    }
    if (!in_private && whole == 0 && costs_.may_be_private(node)) {
        // Listing, making and removing the directory itself is in the grant.
        const double sum = cost::private_directory + costs_.name_penalty(node) +
                           own_cost(node, granted | what_private_grants, in_private);
        const double plain = sum + states_[state_of(node, granted, true)].below;
        if (plain < state.wide) {
            state.wide = plain;
            state.choice = {Choice::Kind::Private, 0};
        }
        const Bits executing = granted | static_cast<Bits>(Mode::Execute);
        if (executing != granted && (executing & solved.universe) == executing) {
            const double programs = sum + line + states_[state_of(node, executing, true)].below;
            if (programs < state.wide) {
                state.wide = programs;
                state.choice = {Choice::Kind::PrivateExecute, 0};
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
    expose(node);
    solved.first_state = static_cast<uint32_t>(states_.size());
    const size_t sets = size_t{1} << std::popcount(solved.universe);
    states_.resize(states_.size() + sets * (solved.under_private ? 2 : 1));
    for (const bool in_private : {false, true}) {
        if (in_private && !solved.under_private) {
            break;
        }
        for (unsigned granted = 0; granted < 16; ++granted) {
            if ((granted & ~unsigned{solved.universe}) != 0) {
                continue;
            }
            double below = 0;
            for (Node child = first; child < last; ++child) {
                below += best(child, static_cast<Bits>(granted), static_cast<Bits>(granted), in_private);
            }
            states_[state_of(node, static_cast<Bits>(granted), in_private)].below = below;
        }
    }
    if (solved.universe == 0) {
        return;
    }
    for (const bool in_private : {true, false}) {
        if (in_private && !solved.under_private) {
            continue;
        }
        for (unsigned granted = 0; granted < 16; ++granted) {
            if ((granted & ~unsigned{solved.universe}) == 0) {
                weigh_wide_rules(node, static_cast<Bits>(granted), in_private);
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
        Bits own_granted = visit.own_granted;
        Bits granted = visit.granted;
        Bits names_granted = 0;
        bool in_private = visit.in_private;
        const bool has_children = trie_.child_count(node) > 0;
        const Bits whole = whole_tree_needs(node, visit.granted, visit.in_private);
        if (has_children) {
            const State& state = states_[state_of(node, visit.granted, visit.in_private)];
            const double listed = own_cost(node, visit.own_granted, visit.in_private) + state.below;
            if (whole != 0 || state.wide < listed) {
                own_granted = state.choice.modes;
                switch (state.choice.kind) {
                case Choice::Kind::Subtree:
                    rules.push_back({node, Extent::Subtree, modes_from(state.choice.modes), false});
                    granted = state.choice.modes;
                    break;
                case Choice::Kind::Names:
                    rules.push_back({node, Extent::Names, modes_from(state.choice.modes), false});
                    names_granted = state.choice.modes;
                    break;
                case Choice::Kind::Private:
                    rules.push_back({node, Extent::Subtree, Modes::none(), true});
                    own_granted = visit.granted | what_private_grants;
                    in_private = true;
                    break;
                case Choice::Kind::PrivateExecute:
                    rules.push_back({node, Extent::Subtree, Modes::none(), true});
                    rules.push_back({node, Extent::Subtree, Mode::Execute, false});
                    granted = visit.granted | static_cast<Bits>(Mode::Execute);
                    own_granted = granted | what_private_grants;
                    in_private = true;
                    break;
                case Choice::Kind::None:
                    break;
                }
            }
        }
        if (!has_children && whole != 0) {
            rules.push_back({node, Extent::Subtree, needs_[node], false});
        } else if (left_over(node, own_granted, visit.in_private) != 0) {
            rules.push_back({node, Extent::Exact, needs_[node], false});
        }
        const Node first = trie_.first_child(node);
        for (Node child = first + trie_.child_count(node); child-- > first;) {
            stack.push_back({child, static_cast<Bits>(granted | names_granted), granted, in_private});
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
                             const ListDirectory& list) {
    return Folding(set, needs, costs, list).run();
}

} // namespace treadline

#include "profiler/exposure.h"

#include "profiles/pattern.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;
constexpr std::array<Mode, 4> all_modes{Mode::Read, Mode::Write, Mode::Create, Mode::Execute};

// Entries of a directory that are on the disk, and not in the trie.
struct Unseen {
    int64_t files = 0;
    int64_t directories = 0;
};

Unseen unseen_entries(const PathTrie& trie, Node node, const ListDirectory& list) {
    Unseen unseen;
    bool truncated = false;
    for (const DiskView::Entry& there : list(node, truncated)) {
        if (trie.find_child(node, escape_path(there.name)) == PathTrie::none) {
            ++(there.directory ? unseen.directories : unseen.files);
        }
    }
    unseen.files += truncated ? cost::entries_beyond_listing : 0;
    return unseen;
}

} // namespace

Exposure::Exposure(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
                   const ListDirectory& list)
    : internal_(set.trie.size(), 0) {
    const PathTrie& trie = set.trie;
    std::vector<bool> needed(trie.size(), false); // here or below
    std::vector<ByMode<Weight>> below;            // by number, as costs_
    for (auto node = static_cast<Node>(trie.size()); node-- > 0;) {
        if (!needs[node].empty()) {
            needed[node] = true;
        }
        if (node != PathTrie::top && needed[node]) {
            needed[trie.parent(node)] = true;
        }
        if (trie.child_count(node) == 0) {
            continue;
        }
        internal_[node] = static_cast<uint32_t>(costs_.size());
        const bool made = set.facts[node].created; // what lies in it is the run's own
        const bool look = list && !costs.foldable(node).empty() && needed[node] && !made;
        const Unseen unseen = look ? unseen_entries(trie, node, list) : Unseen{};

        int names_made = 0;
        int names_written = 0;
        const Node first = trie.first_child(node);
        const Node last = first + trie.child_count(node);
        for (Node child = first; child < last; ++child) {
            names_made += set.facts[child].seen.has(Mode::Create);
            names_written += set.facts[child].seen.has(Mode::Write);
        }
        const bool is_output =
            names_made >= cost::output_names_made || names_written >= cost::output_names_written;
        const int64_t shrinks = is_output ? cost::output_directory_divisor : 1;

        Costs& sums = costs_.emplace_back();
        ByMode<Weight>& all_below = below.emplace_back();
        for (size_t i = 0; i < all_modes.size(); ++i) {
            const Mode mode = all_modes[i];
            const Weight weight = entry_weight(costs.class_of(node), mode);
            Weight direct = weight * (unseen.files + (made ? 0 : cost::entries_to_come_in_directory));
            Weight deeper = weight * unseen.directories * cost::entries_of_unseen_directory;
            for (Node child = first; child < last; ++child) {
                const NodeFacts& seen = set.facts[child];
                // A directory's contents are weighed below; by itself it can only be deleted. Entries the run
                // made expose nothing: they are its own.
                const bool counts = !seen.created && (!seen.directory || mode == Mode::Create);
                if (counts && !seen.seen.has(mode)) {
                    direct += entry_weight(costs.class_of(child), mode);
                }
                if (trie.child_count(child) > 0) {
                    deeper += below[internal_[child]][i];
                }
            }
            direct /= shrinks;
            all_below[i] = direct + deeper;
            const Weight to_come =
                made ? 0
                     : weight * (cost::entries_to_come_in_subtree - cost::entries_to_come_in_directory) /
                           shrinks;
            sums.names[i] = log2_of_one_more(direct);
            sums.subtree[i] = log2_of_one_more(all_below[i] + to_come);
        }
    }
}

MilliLines Exposure::sum(const ByMode<MilliLines>& costs, Modes modes) {
    MilliLines sum = 0;
    for (size_t i = 0; i < all_modes.size(); ++i) {
        sum += modes.has(all_modes[i]) ? costs[i] : 0;
    }
    return sum;
}

MilliLines Exposure::names(Node node, Modes modes) const {
    return sum(costs_[internal_[node]].names, modes);
}

MilliLines Exposure::subtree(Node node, Modes modes) const {
    return sum(costs_[internal_[node]].subtree, modes);
}

} // namespace treadline

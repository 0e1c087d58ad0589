#include "profiler/exposure.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;
constexpr std::array<Mode, 4> all_modes{Mode::Read, Mode::Write, Mode::Create, Mode::Execute};

// What is counted one by one, and what by its logarithm. Both add up over the directories below.
struct Amount {
    Weight counted = 0;
    Weight logarithmic = 0;

    void add(const Weights& weights, Mode mode, int64_t entries) {
        (weights.logarithmic ? logarithmic : counted) += weights.of(mode) * entries;
    }
    void add(const Amount& other) {
        counted += other.counted;
        logarithmic += other.logarithmic;
    }
};

// `to_come`: a guess beside what is there.
MilliLines lines_for(const Amount& amount, Weight to_come, int64_t tightness) {
    const MilliLines lines =
        amount.counted * one_line / one_entry + log2_of_one_more(amount.logarithmic + to_come);
    return plus(0, lines * tightness / 1000);
}

// A directory the run makes names in.
bool is_output(const AccessSet& set, const CostModel& costs, Node node) {
    const PathTrie& trie = set.trie;
    int made = 0;
    int written = 0;
    for (Node child = trie.first_child(node); child < trie.first_child(node) + trie.child_count(node);
         ++child) {
        made += set.facts[child].seen.has(Mode::Create);
        written += set.facts[child].seen.has(Mode::Write);
        // One that is called differently next time is several already.
        made += set.facts[child].seen.has(Mode::Create) && costs.is_volatile(child);
    }
    return made >= costs.costs().output_names_made || written >= costs.costs().output_names_written;
}

} // namespace

Exposure::Exposure(const AccessSet& set, const CostModel& model, const DiskSurvey& survey)
    : internal_(set.trie.size(), 0) {
    const PathTrie& trie = set.trie;
    const Costs& costs = model.costs();
    std::vector<std::array<Amount, 4>> below; // by number, as costs_
    for (auto node = static_cast<Node>(trie.size()); node-- > 0;) {
        if (trie.child_count(node) == 0) {
            continue;
        }
        internal_[node] = static_cast<uint32_t>(costs_.size());
        const bool made = set.facts[node].created; // what lies in it is the run's own
        const DirectorySurvey& there = survey.of(node);
        const bool output = is_output(set, model, node);
        const int64_t shrinks = output ? costs.output_directory_divisor : 1;
        const int64_t passing = output ? there.passing_files : 0;
        const int64_t files = there.files - passing + (there.truncated ? costs.entries_beyond_listing : 0);
        const Weights& weights = costs.of(model.class_of(node));

        std::array<Amount, 4> direct;
        std::array<Amount, 4> deeper;
        for (size_t i = 0; i < all_modes.size(); ++i) {
            direct[i].add(weights, all_modes[i], files);
            deeper[i].add(weights, all_modes[i], there.directories * costs.entries_of_unseen_directory);
        }
        for (Node child = trie.first_child(node); child < trie.first_child(node) + trie.child_count(node);
             ++child) {
            const NodeFacts& seen = set.facts[child];
            const Weights& its = costs.of(model.class_of(child));
            for (size_t i = 0; i < all_modes.size(); ++i) {
                const Mode mode = all_modes[i];
                // A directory's contents are weighed below; by itself it can only be deleted. Entries the run
                // made expose nothing: they are its own.
                const bool counts = !seen.created && (!seen.directory || mode == Mode::Create);
                if (counts && !seen.seen.has(mode)) {
                    direct[i].add(its, mode, 1);
                }
                if (trie.child_count(child) > 0) {
                    deeper[i].add(below[internal_[child]][i]);
                }
            }
        }
        OfNode& sums = costs_.emplace_back();
        std::array<Amount, 4>& all_below = below.emplace_back();
        for (size_t i = 0; i < all_modes.size(); ++i) {
            const Mode mode = all_modes[i];
            direct[i].logarithmic += weights.of(mode) * passing;
            direct[i].counted /= shrinks;
            direct[i].logarithmic /= shrinks;
            all_below[i] = direct[i];
            all_below[i].add(deeper[i]);
            const auto to_come = [&](int64_t entries) {
                return made ? 0 : weights.of(mode) * entries / shrinks;
            };
            sums.names[i] =
                lines_for(direct[i], to_come(costs.entries_to_come_in_directory), costs.tightness);
            sums.subtree[i] =
                lines_for(all_below[i], to_come(costs.entries_to_come_in_subtree), costs.tightness);
        }
    }
}

MilliLines Exposure::sum(const ByMode& costs, Modes modes) {
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

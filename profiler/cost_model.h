// What the cost model knows of each path: facts for the search (fold.h) to apply the numbers of costs.h to.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "profiler/access_set.h"
#include "profiler/costs.h"
#include "profiler/disk_survey.h"
#include "profiler/hard_limits.h"
#include "profiler/path_trie.h"

namespace treadline {

// By its place alone; what a trie and the disk tell of it is not known here.
PathClass class_of_path(std::string_view portable);

class CostModel {
public:
    // Keeps `costs`.
    CostModel(const AccessSet& set, const Costs& costs, const HardLimits& limits, const DiskSurvey& survey);

    [[nodiscard]] const Costs& costs() const { return costs_; }
    [[nodiscard]] PathClass class_of(PathTrie::Node node) const { return facts_[node].path_class; }
    // What a rule that names this node costs beyond Costs::rule.
    [[nodiscard]] MilliLines name_penalty(PathTrie::Node node) const { return facts_[node].penalty; }
    // Whether a name on the way to the node, or its own, changes from run to run.
    [[nodiscard]] bool is_volatile(PathTrie::Node node) const { return facts_[node].is_volatile; }
    // The modes `dir/` or `dir/**` may grant here at all; none where nothing may be folded into.
    [[nodiscard]] Modes foldable_names(PathTrie::Node node) const {
        return facts_[node].bars_names ? Modes::none() : facts_[node].foldable;
    }
    [[nodiscard]] Modes foldable_subtree(PathTrie::Node node) const {
        return facts_[node].bars_subtree ? Modes::none() : facts_[node].foldable;
    }
    // What `dir/**` costs here beyond rule and exposure, for the modes it adds.
    [[nodiscard]] MilliLines subtree_surcharge(PathTrie::Node node, Modes added) const;
    [[nodiscard]] bool may_be_private(PathTrie::Node node) const { return facts_[node].may_be_private; }
    // Made by the run in a place that may be private, or in a directory it made there.
    [[nodiscard]] bool made_in_private(PathTrie::Node node) const { return facts_[node].made_in_private; }
    // A directory the run made or removed: rules further down do not outlive it, one for its tree does.
    [[nodiscard]] bool must_be_whole(PathTrie::Node node) const { return facts_[node].must_be_whole; }
    // A file somebody may miss when its directory was private.
    [[nodiscard]] bool is_result(PathTrie::Node node) const { return facts_[node].is_result; }

private:
    struct Facts {
        MilliLines penalty = 0;
        PathClass path_class = PathClass::Nothing;
        Modes foldable; // by class; limits may say no
        bool bars_names = false;
        bool bars_subtree = false;
        bool is_volatile = false;
        bool is_version = false;
        bool may_be_private = false;
        bool made_in_private = false;
        bool is_result = false;
        bool must_be_whole = false;
        bool transient_subtree = false; // everything at and below it was made and removed by the run
        bool nothing_known = false;     // of it and everything below
        bool only_volatile_below = false;
        uint32_t varying_children = 0; // seen in some of the runs that came to this directory
    };
    void judge_upwards(const AccessSet& set);
    void judge_downwards(const AccessSet& set, const HardLimits& limits, const DiskSurvey& survey);
    [[nodiscard]] PathClass class_below(const AccessSet& set, const DiskSurvey& survey,
                                        PathTrie::Node node) const;
    [[nodiscard]] Modes foldable_by_class(const AccessSet& set, PathTrie::Node node) const;
    Costs costs_;
    std::vector<Facts> facts_;
    PathTrie::Node project_ = PathTrie::none;
};

} // namespace treadline

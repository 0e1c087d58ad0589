// What a wide rule at a directory would allow that nobody was seen to need, in lines, by directory and mode.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "profiler/access_set.h"
#include "profiler/cost_model.h"
#include "profiler/lines.h"

namespace treadline {

class Exposure {
public:
    Exposure(const AccessSet& set, const CostModel& costs, const DiskSurvey& survey);

    // Of a node with children; `modes`: those the rule adds to what is granted anyway.
    [[nodiscard]] MilliLines names(PathTrie::Node node, Modes modes) const; // `dir/`
    [[nodiscard]] MilliLines subtree(PathTrie::Node node, Modes modes) const;

private:
    using ByMode = std::array<MilliLines, 4>;
    struct OfNode {
        ByMode names{};
        ByMode subtree{};
    };
    static MilliLines sum(const ByMode& costs, Modes modes);

    std::vector<uint32_t> internal_; // by node: its number among those with children
    std::vector<OfNode> costs_;
};

} // namespace treadline

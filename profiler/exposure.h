// What a wide rule at a directory would allow that nobody was seen to need, in lines, by directory and mode.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "profiler/access_set.h"
#include "profiler/cost_model.h"
#include "profiler/lines.h"

namespace treadline {

// Entries of a directory as they are on the disk now, by its node; what is not asked for is not read.
using ListDirectory = std::function<std::vector<DiskView::Entry>(PathTrie::Node, bool& truncated)>;

class Exposure {
public:
    // Reads the directories that a rule may be folded into and that something below is needed of; `needs` as
    // in fold(). `list` may be empty: then nothing unseen is known.
    Exposure(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
             const ListDirectory& list);

    // Of a node with children; `modes`: those the rule adds to what is granted anyway.
    [[nodiscard]] MilliLines names(PathTrie::Node node, Modes modes) const; // `dir/`
    [[nodiscard]] MilliLines subtree(PathTrie::Node node, Modes modes) const;

private:
    template <class T>
    using ByMode = std::array<T, 4>;
    struct Costs {
        ByMode<MilliLines> names{};
        ByMode<MilliLines> subtree{};
    };
    static MilliLines sum(const ByMode<MilliLines>& costs, Modes modes);

    std::vector<uint32_t> internal_; // by node: its number among those with children
    std::vector<Costs> costs_;
};

} // namespace treadline

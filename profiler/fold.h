// Chooses the rules: the cheapest set that grants every needed mode of every path, exactly, by one bottom-up
// pass.
//
// For each node and each set of modes already granted from above, the best of: listing (own rule, then the
// children's best), `dir/`, `dir/**` and a private directory. Deeper rules may add to wider ones. The number
// of states of a node depends on the modes needed below it (at most 32), so the whole is linear in the number
// of paths.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "profiler/access_set.h"
#include "profiler/cost_model.h"
#include "profiles/pattern.h"

namespace treadline {

struct FoldedRule {
    PathTrie::Node node = 0;
    Extent extent = Extent::Exact;
    Modes modes;
    bool private_directory = false; // then extent and modes mean nothing
};

// Entries of a directory as they are on the disk now, by its node; what is not asked for is not read.
using ListDirectory = std::function<std::vector<DiskView::Entry>(PathTrie::Node, bool& truncated)>;

// `needs`, by node: the modes a rule must grant (what abstractions allow already is taken out). Rules come in
// the order of nodes. `list` may be empty: then nothing unseen is known.
std::vector<FoldedRule> fold(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
                             const ListDirectory& list);

} // namespace treadline

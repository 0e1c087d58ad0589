// Chooses the rules: the cheapest set that grants every needed mode of every path, exactly, by one bottom-up
// pass.
//
// At each node there may stand an exact rule, `dir/`, `dir/**`, both of these, or a private directory (with
// or without `dir/**: x`). The cost of a set of rules is a sum: Costs::rule, the name's penalty and the
// exposure of the modes it adds to what wider rules grant, for each rule. What is cheapest below a node
// depends only on what is granted from above to it, and to everything below it. Both are sets of modes needed
// there, so the number of states of a node is bounded, and the whole is linear in the number of paths.
#pragma once

#include <vector>

#include "profiler/access_set.h"
#include "profiler/cost_model.h"
#include "profiler/exposure.h"
#include "profiles/pattern.h"

namespace treadline {

struct FoldedRule {
    PathTrie::Node node = 0;
    Extent extent = Extent::Exact;
    Modes modes;
    bool private_directory = false; // then extent and modes mean nothing
};

// `needs`, by node: the modes a rule must grant (what abstractions allow already is taken out). Rules come in
// the order of nodes.
std::vector<FoldedRule> fold(const AccessSet& set, const std::vector<Modes>& needs, const CostModel& costs,
                             const Exposure& exposure);

} // namespace treadline

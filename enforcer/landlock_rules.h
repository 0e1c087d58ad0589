// Held rules -> Landlock rules.
#pragma once

#include <vector>

#include "enforcer/held_rules.h"
#include "enforcer/plan.h"
#include "profiles/policy.h"

namespace treadline {

// Sorted by path; what a directory above grants already is left out.
std::vector<LandlockRule> landlock_rules(const HeldRules& held, const Policy& policy, int abi);

} // namespace treadline

// Held rules -> Landlock rules.
#pragma once

#include <cstdint>
#include <vector>

#include "enforcer/held_rules.h"
#include "enforcer/plan.h"
#include "profiles/policy.h"

namespace treadline {

enum class PrivateDirectories : uint8_t {
    Grant,
    Withhold, // no mount makes them private: the host's own would be opened
};

// Sorted by path; what a directory above grants already is left out.
std::vector<LandlockRule> landlock_rules(const HeldRules& held, const Policy& policy, int abi, PrivateDirectories directories);

} // namespace treadline

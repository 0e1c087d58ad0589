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

// Whether nothing lies yet at the only path that a `unix` rule names. What a server binds there later has only its directory's
// rights, so such a rule is one on the directory (from ABI 9 on), which only the supervisor's answers narrow.
bool is_bound_later(const PolicyEntry& socket);

// Sorted by path; what a directory above grants already is left out.
std::vector<LandlockRule> landlock_rules(const HeldRules& held, const Policy& policy, int abi, PrivateDirectories directories);

} // namespace treadline

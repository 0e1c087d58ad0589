// What the command will see of the host's files: the mount steps for a policy's rules.
//
// The system's directories that a rule reaches are bound whole, read-only, and Landlock narrows them. Homes,
// temporary directories and everything else start hidden, with only what rules name bound into them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "enforcer/held_rules.h"
#include "enforcer/plan.h"
#include "profiles/policy.h"

namespace treadline {

struct MountView {
    std::vector<MountStep> steps;
    std::vector<Placeholder> placeholders;
    std::vector<std::string> make_directories; // mount points for private directories and guards, made outside
    std::map<std::string, OtherName> other_names; // see Plan
    std::vector<std::string> secrets; // see GuardScan
    std::vector<std::string> gaps;             // sentences: what the view cannot hold
    std::vector<std::string> unsearched; // see GuardScan
};

result<MountView> plan_mounts(const HeldRules& held, const Policy& policy, const Command& command);

} // namespace treadline

// What guards lay over the places they guard: masks, seals and pins, what rules open again below them, and something to stand
// where links of the project lead into what is hidden.
#pragma once

#include "enforcer/guard_scan.h"
#include "enforcer/held_rules.h"
#include "enforcer/mount_table.h"
#include "profiles/policy.h"

namespace treadline {

// Scans what the table brings into view, and puts the guards into it. The scan's other findings are the caller's.
GuardScan mount_guards(MountTable& table, const HeldRules& held, const Policy& policy);

} // namespace treadline

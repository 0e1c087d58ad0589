// From a record of what Landlock refused to a violation: the decision is the policy's.
#pragma once

#include <optional>

#include "enforcer/landlock_events.h"
#include "enforcer/plan.h"
#include "enforcer/violation.h"

namespace treadline {

// Nothing for what is refused in any run and means nothing. A record names no arguments, and a process by its
// number outside only.
std::optional<Violation> landlock_denial(const Plan& plan, const LandlockRefusal& refusal);

} // namespace treadline

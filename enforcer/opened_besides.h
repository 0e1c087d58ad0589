// What the rule that would allow a denied access would open beside it: the price of following the advice.
#pragma once

#include <string>

#include "enforcer/violation.h"
#include "profiles/policy.h"

namespace treadline {

// A phrase with a number, from this disk and this policy: "no other file", "the names of its 12 entries",
// "14 more existing files", "9 more system calls: …". "" where no rule would allow it.
std::string opened_besides(const Policy& policy, const Violation& violation);

} // namespace treadline

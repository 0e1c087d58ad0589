// Whether a policy grants everything a pattern names: containment of rules, as `diff` and learning again need
// it.
#pragma once

#include "profiles/policy.h"

namespace treadline {

// The modes the policy grants for every path the pattern matches, by one rule each. A single path is decided,
// guards and `deny` included; for a wide pattern these play no part, as they take away from any wide rule
// alike. Several narrower rules that together cover a wide one do not count: the answer is then too small,
// never too large.
Modes granted_throughout(const Policy& policy, const Pattern& pattern);

// Whether `deny` refuses everything the pattern matches.
bool denied_throughout(const Policy& policy, const Pattern& pattern);

} // namespace treadline

// Which denials of a run may be in no report, and how to see them.
#pragma once

#include <string>
#include <vector>

#include "enforcer/plan.h"

namespace treadline {

// Sentences; empty where nothing can be missing.
std::vector<std::string> unseen_denials(const Plan& plan);

} // namespace treadline

// Which denials of a run may be in no report, and how to see them.
#pragma once

#include <string>
#include <vector>

#include "enforcer/plan.h"

namespace treadline {

// Sentences; empty where nothing can be missing. `landlock_gap`: why Landlock's records are not there, or not all (landlock_log.h);
// "" if all were read.
std::vector<std::string> unseen_denials(const Plan& plan, const std::string& landlock_gap);

} // namespace treadline

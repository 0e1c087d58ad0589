// The part of compile() about `inspect` and `credentials`: what programs inside see of them, and whom they are to trust.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "enforcer/plan.h"

namespace treadline {

// Whose certificates the run's own authority makes; of a wildcard, the name it stands below.
std::vector<std::string> hosts_looked_into(const Policy& policy);

// Variables that hold placeholders inside. Without `secrets` the plan is only shown, and says that there is one.
std::map<std::string, std::string> placeholder_variables(const Policy& policy, const egress::Secrets* secrets);

// Trust in the run's own authority (files in view, and variables for programs that read others), and placeholders over files
// that credentials refer to. All other mounts are in the plan.
result<ok> add_inspection_files(Plan& plan, const Policy& policy);

void explain_inspection(Plan& plan, const Policy& policy);

} // namespace treadline

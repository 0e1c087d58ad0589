// What a run's row says before it has begun.
#pragma once

#include <string>
#include <vector>

#include "collector/trace.h"
#include "tools/treadline/context.h"

namespace treadline {

RunInfo describe_run(const Context& context, const std::vector<std::string>& command, int landlock_abi, const std::string& network);

} // namespace treadline

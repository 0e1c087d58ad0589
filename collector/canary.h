// The collector's own accesses, made to see whether every hook still reports.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace treadline {

// What a healthy set of probes reports of the canary, sorted.
const std::vector<std::string>& expected_canaries();

// Forks a child, has `follow` put it under observation, and lets it make one access through every hook.
// Returns when it has ended; whether its records arrived is for the caller to see.
result<ok> send_canary(const std::function<result<ok>(int pidfd)>& follow);

} // namespace treadline

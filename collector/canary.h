// The collector's own accesses, made to see whether every hook still reports.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/event_view.h"
#include "collector/probe_set.h"

namespace treadline {

// What a healthy set of probes reports of the canary, sorted. `requests`: it sees those of io_uring, where this user
// may make any.
std::vector<std::string> expected_canaries(ProbeSet probes, bool requests);
// What one record of a canary shows to work; "" for one that shows nothing of its own.
std::string canary_name(const Event& event);

// Forks a child, has `follow` put it under observation, and lets it make one access through every hook.
// Returns when it has ended; whether its records arrived is for the caller to see.
result<ok> send_canary(const std::function<result<ok>(int pidfd)>& follow);

} // namespace treadline

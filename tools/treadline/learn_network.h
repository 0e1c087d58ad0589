// What `learn` has to do with the egress gateway: whether it can be had, what it recorded, and what did not pass it.
#pragma once

#include <string>

#include "base/result.h"
#include "collector/gateway_rows.h"
#include "collector/trace.h"
#include "enforcer/egress/recording.h"
#include "enforcer/plan.h"

namespace treadline {

// Why the command cannot have a network of its own behind the gateway here.
result<ok> check_recording(const Machine& machine);

// As rows of the store.
GatewayRecord record_of(const egress::Recording& recording);

// What the command tried that only the host's own network carries, and how to learn it: one line, "" for nothing.
std::string not_carried(const Trace& trace, const egress::Recording& recording);

} // namespace treadline

// The gateway's process: one thread, one event loop, until the supervisor closes its end of the socket or dies.
#pragma once

#include "enforcer/egress/capture.h"
#include "enforcer/egress/gateway.h"

namespace treadline::egress {

// In a process of its own, just forked. `kept`: where it writes what it has kept when the run is over, or -1. Says that it is
// ready when it is confined. Returns when it could not be, and has said so.
void run_gateway(const GatewayConfig& config, Captured captured, int kept, HelperStart start);

} // namespace treadline::egress

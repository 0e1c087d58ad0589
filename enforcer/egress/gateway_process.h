// The gateway's process: one thread, one event loop, until the supervisor closes its end of `reports` or dies.
#pragma once

#include "base/unique_fd.h"
#include "enforcer/egress/capture.h"
#include "enforcer/egress/gateway.h"

namespace treadline::egress {

// In a process of its own, just forked. Never returns.
[[noreturn]] void run_gateway(const GatewayConfig& config, Captured captured, unique_fd reports);

} // namespace treadline::egress

// From addresses that were asked for to violations: UNIX sockets, the loopback, ports, and what no gateway is told of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "enforcer/inside_view.h"
#include "enforcer/plan.h"
#include "enforcer/violation.h"
#include "enforcer/watched_call.h"

namespace treadline {

std::vector<Violation> address_denials(const Plan& plan, const InsideView& view, pid_t task,
                                       const WatchedAddress& asked);

// Of TCP to this machine's loopback. Nothing where the policy allows it, or a name that leads there.
std::optional<Violation> loopback_denial(const Plan& plan, const std::string& host, uint16_t port);
Violation connect_denial(const Plan& plan, const std::string& host, uint16_t port); // `host` is an address
std::optional<Violation> listen_denial(const Plan& plan, uint16_t port);

// Where it goes, as contact_log.h has it: "192.0.2.1:443", "2001:db8::1:443"; ":53" for any resolver; "" for no such address.
std::string endpoint_of(const WatchedAddress& asked);

} // namespace treadline

// What the traces say about sockets, as rules for `connect`, `listen` and `unix`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/access_set.h"

namespace treadline {

// Whether a socket, by its portable path, is one the run made in a private directory: nothing needs a rule
// there.
using MadeInPrivate = std::function<bool(const std::string&)>;

// `sockets`: connections the collector saw as file accesses. `allowed`: what the includes grant already.
std::vector<ProposedRule> network_rules(const std::vector<Trace>& traces,
                                        const std::function<Variables(const RunInfo&)>& variables,
                                        const std::vector<SocketPath>& sockets, const Policy& allowed,
                                        const MadeInPrivate& made_in_private);

} // namespace treadline

// Sockets of the sandbox's network for the gateway, which lives outside of it: only a process that has entered the network
// can make them. It makes them ahead, reads nothing that anybody sends, and has given up everything else.
#pragma once

#include "enforcer/egress/helper_process.h"

namespace treadline::egress {

// In a process that has entered the sandbox's namespaces: says that it is ready, then sends messages of one or two new TCP
// sockets, IPv4 and IPv6, as long as somebody takes them.
void make_sockets_inside(int to, HelperStart& start);

} // namespace treadline::egress

// Everything a sandbox sends, brought to the gateway, without privilege outside: in the sandbox's own network namespace
// every TCP connection to anywhere arrives at one listener, and every DNS question at one socket, both of which are
// passed out. For all else there is no route.
//
//   ip rule    TCP, and UDP to port 53 -> table 100      (nothing else finds a route)
//   ip route   table 100: local 0.0.0.0/0 dev lo         (every address is this namespace's own, so nothing leaves it)
//   nft        prerouting: TCP to other than the loopback -> tproxy to the listener, whose accepted sockets' own address
//              is where the program wanted to go
//
// The sandbox's loopback stays its own. Ports below 1024 cannot be taken by programs inside, which have no capability.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::egress {

struct Captured {
    unique_fd tcp_v4; // listens; IP_TRANSPARENT
    unique_fd tcp_v6; // invalid where the kernel has no IPv6: then there is none inside, either
    unique_fd dns_v4; // UDP, port 53 of any address; IP_PKTINFO
    unique_fd dns_v6;
};

// Into the namespaces of a task whose user namespace this user has made. The work is done by a short-lived process.
// Errors say what the kernel lacks.
result<Captured> capture(int pidfd);

// Whether this machine lets an ordinary user do that: tried in namespaces of its own.
result<ok> check_capture();

} // namespace treadline::egress

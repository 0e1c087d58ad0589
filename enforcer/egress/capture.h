// Everything a sandbox sends, brought to the gateway, without privilege outside: in the sandbox's own network namespace
// every TCP connection to anywhere arrives at one listener, and every DNS question at one socket, both of which are
// passed out. For all else there is no route.
//
//   ip rule    TCP, and UDP to port 53 -> table 100      (nothing else finds a route)
//   ip route   table 100: local 0.0.0.0/0 dev lo         (every address is this namespace's own, so nothing leaves it)
//   nft        prerouting: TCP to other than the loopback -> tproxy to the listener, whose accepted sockets' own address
//              is where the program wanted to go
//
// The sandbox's loopback stays its own, but for the ports of the host's services that rules name: there listens the gateway.
// Ports below 1024 cannot be taken by programs inside, which have no capability.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/egress/helper_process.h"

namespace treadline::egress {

struct CaptureWants {
    std::vector<uint16_t> host_services; // ports of the host's loopback that are to be reached at the sandbox's
    bool dial_in = false;                // connections are made to programs inside
};

struct HostService {
    uint16_t port = 0;
    unique_fd v4; // listens inside at 127.0.0.1
    unique_fd v6; // at ::1; invalid without IPv6
};

struct Captured {
    unique_fd tcp_v4; // listens; IP_TRANSPARENT
    unique_fd tcp_v6; // invalid where the kernel has no IPv6: then there is none inside, either
    unique_fd dns_v4; // UDP, port 53 of any address; IP_PKTINFO
    unique_fd dns_v6;
    std::vector<HostService> host_services;
    unique_fd inside_sockets; // inside_sockets.h; invalid if nothing dials in
};

// Into the namespaces of a task whose user namespace this user has made. The work is done by a process of its own, which
// is kept where it makes sockets for dialling in. Errors say what the kernel lacks.
struct Capture {
    Captured captured;
    std::optional<HelperProcess> maker;
};
result<Capture> capture(int pidfd, const CaptureWants& wants);

// Whether this machine lets an ordinary user do that: tried in namespaces of its own.
result<ok> check_capture();

} // namespace treadline::egress

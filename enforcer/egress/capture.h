// Everything a sandbox sends, brought to the gateway, without privilege outside: in the sandbox's own network namespace
// every TCP connection to anywhere arrives at one listener, and every DNS question at one socket, both of which are
// passed out. Other datagrams are refused, and remembered (refused_datagrams.h); for all else there is no route.
//
//   ip rule    TCP, UDP -> table 100                     (nothing else finds a route; while learning only UDP to port 53)
//   ip route   table 100: local 0.0.0.0/0 dev lo         (every address is this namespace's own, so nothing leaves it)
//   nft        prerouting: TCP to other than the loopback -> tproxy to the listener, whose accepted sockets' own address
//              is where the program wanted to go
//   nft        output: UDP to other than the loopback or port 53 -> into a set, and dropped
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

// What the sandbox's self-test sends a datagram to, which is refused as any other and not remembered: nobody's address
// (RFC 5737), the port that discards (RFC 863).
inline constexpr const char* probe_address = "192.0.2.1";
inline constexpr uint16_t probe_port = 9;

struct CaptureWants {
    std::vector<uint16_t> host_services; // ports of the host's loopback that are to be reached at the sandbox's
    bool dial_in = false;                // connections are made to programs inside
    bool services = false;               // what else listens inside is to be known (loopback_services.h)
    bool refused_datagrams = true;       // are to be told; else they find no route, which those see who watch all calls
};

struct HostService {
    uint16_t port = 0;
    unique_fd v4; // listens inside at 127.0.0.1
    unique_fd v6; // at ::1; invalid without IPv6
};

struct Captured {
    unique_fd services; // of a LoopbackServices; invalid if it is not to be known
    unique_fd firewall; // refused_datagrams.h; invalid if they are not to be told
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

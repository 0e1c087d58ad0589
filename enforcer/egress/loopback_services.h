// What listens on this machine's loopback: a program that is learned from reaches it as it would without a network of its own.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.h"

namespace treadline::egress {

inline constexpr size_t max_loopback_services = 100; // each takes two descriptors of the gateway's

// TCP ports of this process's network namespace at 127.0.0.1 or ::1, the lowest first; but for lookups, which are the gateway's.
std::vector<uint16_t> loopback_services();
std::vector<uint16_t> loopback_services(std::string_view tcp, std::string_view tcp6); // of /proc/net/tcp and tcp6

// Those two of the network that a process is in: they stay that network's.
struct SocketTables {
    unique_fd tcp;
    unique_fd tcp6; // invalid without IPv6
};
SocketTables socket_tables_of(pid_t process);

} // namespace treadline::egress

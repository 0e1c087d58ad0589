// What listens on a network's loopback: a program that is learned from reaches this machine's as it would without a network of its
// own. Asked of the kernel's list of listening sockets (sock_diag(7)): /proc/net/tcp goes through all that might be connected,
// some milliseconds each time.
#pragma once

#include <cstdint>
#include <set>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::egress {

inline constexpr size_t max_loopback_services = 100; // each takes two descriptors of the gateway's

class LoopbackServices {
public:
    static result<LoopbackServices> open(); // of the network namespace this process is in
    // With another's take_socket(): of the network that one is of.
    explicit LoopbackServices(unique_fd socket) : socket_(std::move(socket)) {}

    // TCP ports at 127.0.0.1 or ::1, the lowest ones if there are too many; but for lookups, which are the gateway's.
    result<std::set<uint16_t>> ports();

    unique_fd take_socket() { return std::move(socket_); }

private:
    result<ok> ask(int family, std::set<uint16_t>& ports);
    unique_fd socket_;
    uint32_t sequence_ = 0;
};

} // namespace treadline::egress

// A struct sockaddr as the trace shows it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace treadline {

struct SocketAddress {
    std::string text; // IPv4/IPv6 text, UNIX path as given, '@' and an abstract name; "" if there is none
    uint16_t port = 0;
    bool unix_path = false; // `text` is a path in the file system
};

// `family` is the socket's own, for an address that says AF_UNSPEC. Too short an address gives an empty one.
// IPv4 addresses mapped into IPv6 are given as IPv4.
SocketAddress read_address(std::string_view bytes, uint16_t family);

// "tcp", "udp", "unix", "icmp", "netlink", "other" from AF_*, SOCK_* and IPPROTO_*.
std::string protocol_name(uint16_t family, uint16_t type, uint16_t protocol);

} // namespace treadline

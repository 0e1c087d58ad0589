#include "collector/socket_address.h"

#include <arpa/inet.h>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace treadline {
namespace {

constexpr size_t path_offset = 2;  // of sun_path
constexpr int ipproto_mptcp = 262; // Linux 5.6

std::string internet_text(int family, const void* address) {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(family, address, text, sizeof text);
    return text;
}

uint16_t port_of(std::string_view bytes) {
    uint16_t port = 0;
    std::memcpy(&port, bytes.data() + 2, sizeof port);
    return ntohs(port);
}

} // namespace

SocketAddress read_address(std::string_view bytes, uint16_t family) {
    SocketAddress out;
    uint16_t named = 0;
    if (bytes.size() < sizeof named) {
        return out;
    }
    std::memcpy(&named, bytes.data(), sizeof named);
    if (named == AF_UNSPEC) {
        named = family;
    }
    if (named == AF_INET && bytes.size() >= 8) {
        out.text = internet_text(AF_INET, bytes.data() + 4);
        out.port = port_of(bytes);
    } else if (named == AF_INET6 && bytes.size() >= 24) {
        in6_addr address{};
        std::memcpy(&address, bytes.data() + 8, sizeof address);
        out.text = IN6_IS_ADDR_V4MAPPED(&address) ? internet_text(AF_INET, address.s6_addr + 12)
                                                  : internet_text(AF_INET6, &address);
        out.port = port_of(bytes);
    } else if (named == AF_UNIX) {
        const std::string_view path = bytes.substr(path_offset);
        if (path.empty() || path.front() == '\0') {
            // An abstract name is all bytes after the first NUL; no name at all: the kernel picks one.
            out.text = "@" + std::string(path.empty() ? path : path.substr(1));
        } else {
            out.text = std::string(path.substr(0, path.find('\0')));
            out.unix_path = true;
        }
    }
    return out;
}

std::string protocol_name(uint16_t family, uint16_t type, uint16_t protocol) {
    switch (family) {
    case AF_UNIX:
        return "unix";
    case AF_NETLINK:
        return "netlink";
    case AF_INET:
    case AF_INET6:
        if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
            return "icmp";
        }
        if (type == SOCK_STREAM && (protocol == IPPROTO_TCP || protocol == ipproto_mptcp)) {
            return "tcp";
        }
        if (type == SOCK_DGRAM && protocol == IPPROTO_UDP) {
            return "udp";
        }
        return "other";
    default:
        return "other";
    }
}

} // namespace treadline

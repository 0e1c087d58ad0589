#include "collector/socket_address.h"

#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

namespace {

template <class Address>
std::string bytes_of(const Address& address, size_t size = sizeof(Address)) {
    return {reinterpret_cast<const char*>(&address), size};
}

} // namespace

TEST_CASE("an address cut off anywhere reads as none", "[collector][socket]") {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(443);
    for (size_t size = 0; size < 24; ++size) {
        const SocketAddress read = read_address(bytes_of(address, size), AF_INET6);
        CHECK(read.text.empty());
        CHECK(read.port == 0);
    }
    CHECK(read_address(bytes_of(address, 24), AF_INET6).text == "::1");
    CHECK(read_address(bytes_of(address), AF_INET6).port == 443);
}

TEST_CASE("UNIX addresses are paths, abstract names or nothing", "[collector][socket]") {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/run/socket");
    const SocketAddress path = read_address(bytes_of(address), AF_UNIX);
    CHECK(path.text == "/run/socket");
    CHECK(path.unix_path);
    std::memcpy(address.sun_path, "\0na\0me", 6);
    const SocketAddress abstract = read_address(bytes_of(address, 8), AF_UNIX);
    CHECK(abstract.text == std::string("@na\0me", 6));
    CHECK_FALSE(abstract.unix_path);
    CHECK(read_address(bytes_of(address, 2), AF_UNIX).text == "@");
    std::memset(address.sun_path, 'x', sizeof address.sun_path); // the kernel takes it without a NUL
    CHECK(read_address(bytes_of(address), AF_UNIX).text == std::string(108, 'x'));
}

TEST_CASE("protocols have the names the profile uses", "[collector][socket]") {
    CHECK(protocol_name(AF_INET, SOCK_STREAM, IPPROTO_TCP) == "tcp");
    CHECK(protocol_name(AF_INET6, SOCK_STREAM, 262) == "tcp"); // MPTCP
    CHECK(protocol_name(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) == "udp");
    CHECK(protocol_name(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) == "icmp");
    CHECK(protocol_name(AF_INET, SOCK_RAW, IPPROTO_TCP) == "other");
    CHECK(protocol_name(AF_UNIX, SOCK_DGRAM, 0) == "unix");
    CHECK(protocol_name(AF_NETLINK, SOCK_RAW, 0) == "netlink");
    CHECK(protocol_name(AF_VSOCK, SOCK_STREAM, 0) == "other");
}

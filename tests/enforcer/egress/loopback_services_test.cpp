// Of the kernel that the test runs on.
#include "enforcer/egress/loopback_services.h"

#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace treadline;
using namespace treadline::egress;

namespace {

struct Bound {
    unique_fd socket;
    uint16_t port = 0;
};

Bound bound(const char* address, int type = SOCK_STREAM, bool listens = true) {
    const int family = inet_addr(address) != INADDR_NONE ? AF_INET : AF_INET6;
    Bound made{unique_fd(::socket(family, type | SOCK_CLOEXEC, 0)), 0};
    sockaddr_in6 six{};
    auto& four = reinterpret_cast<sockaddr_in&>(six);
    six.sin6_family = static_cast<sa_family_t>(family);
    REQUIRE(::inet_pton(family, address, family == AF_INET ? static_cast<void*>(&four.sin_addr) : &six.sin6_addr) == 1);
    socklen_t size = family == AF_INET ? sizeof four : sizeof six;
    REQUIRE(::bind(made.socket.get(), reinterpret_cast<sockaddr*>(&six), size) == 0);
    REQUIRE((!listens || ::listen(made.socket.get(), 1) == 0));
    REQUIRE(::getsockname(made.socket.get(), reinterpret_cast<sockaddr*>(&six), &size) == 0);
    made.port = ntohs(six.sin6_port); // at the same place in both
    return made;
}

bool has_v6() {
    const unique_fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = in6addr_loopback;
    return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
}

std::set<uint16_t> services() {
    auto here = LoopbackServices::open();
    REQUIRE(here);
    auto ports = here->ports();
    REQUIRE(ports);
    return *ports;
}

} // namespace

TEST_CASE("the loopback's services are what listens there or everywhere", "[egress][record]") {
    std::vector<Bound> reached;
    for (const char* address : {"127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"}) {
        if (std::strchr(address, ':') == nullptr || has_v6()) {
            reached.push_back(bound(address));
        }
    }
    const std::set<uint16_t> found = services();
    for (const Bound& one : reached) {
        CHECK(found.contains(one.port));
    }
}

TEST_CASE("what listens at another address, only holds a port, is connected or takes datagrams is no service of the loopback's", "[egress][record]") {
    const Bound elsewhere = bound("127.0.0.2"), mapped_elsewhere = bound(has_v6() ? "::ffff:127.0.0.2" : "127.0.0.3");
    const Bound silent = bound("127.0.0.1", SOCK_STREAM, false);
    const Bound datagrams = bound("127.0.0.1", SOCK_DGRAM, false);
    const Bound server = bound("127.0.0.1"), client = bound("127.0.0.1", SOCK_STREAM, false);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(client.socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    const std::set<uint16_t> found = services();
    for (const Bound* one : {&elsewhere, &mapped_elsewhere, &silent, &datagrams, &client}) {
        CHECK_FALSE(found.contains(one->port));
    }
    CHECK(found.contains(server.port));
}

TEST_CASE("services come and go between two looks", "[egress][record]") {
    auto here = LoopbackServices::open();
    REQUIRE(here);
    uint16_t port = 0;
    {
        const Bound one = bound("127.0.0.1");
        port = one.port;
        CHECK(here->ports().value().contains(port));
    }
    CHECK_FALSE(here->ports().value().contains(port));
}

TEST_CASE("a list that cannot be had is an error and not an empty one", "[egress][record]") {
    LoopbackServices closed{unique_fd()};
    const auto none = closed.ports();
    REQUIRE_FALSE(none);
    CHECK_THAT(none.error().message(), Catch::Matchers::ContainsSubstring("cannot list what listens on the loopback"));
    LoopbackServices other{unique_fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE))}; // answers, that it knows no such question
    CHECK_FALSE(other.ports());
}

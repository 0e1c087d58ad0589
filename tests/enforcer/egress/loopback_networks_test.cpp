// What listens in another network than the asking process's. In a process of its own, in new namespaces.
#include <array>
#include <vector>

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include "base/syscalls.h"
#include "enforcer/egress/loopback_services.h"

using namespace treadline;
using namespace treadline::egress;

TEST_CASE("a network's services are asked for through a socket that was opened in it, and are nobody else's", "[egress][record]") {
    int sockets[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0);
    const unique_fd outside(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); // listens at a port of the kernel's choice
    sockaddr_in at{};
    socklen_t size = sizeof at;
    REQUIRE(::listen(outside.get(), 1) == 0);
    REQUIRE(::getsockname(outside.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    const pid_t child = ::fork();
    if (child == 0) { // listens at the resolver's port and more others than are taken, until it is told to end
        ::close(sockets[0]); // or the end of the other process would not be seen
        bool done = ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
        auto inside = LoopbackServices::open();
        std::vector<unique_fd> held;
        std::vector<uint16_t> ports = {53};
        for (uint16_t port = 20000; port < 20000 + max_loopback_services + 50; ++port) {
            ports.push_back(port);
        }
        for (size_t i = 0; done && i < ports.size(); ++i) {
            sockaddr_in place{};
            place.sin_family = AF_INET;
            place.sin_port = htons(ports[i]);
            held.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
            done = ::bind(held.back().get(), reinterpret_cast<sockaddr*>(&place), sizeof place) == 0 && ::listen(held.back().get(), 1) == 0;
        }
        if (!done || !inside) {
            ::_exit(1); // without a word: the other end sees that
        }
        const std::array fds = {inside->take_socket().release()};
        (void)sys::send_fds(sockets[1], "y", fds);
        char end = 0;
        (void)!::read(sockets[1], &end, 1);
        ::_exit(0);
    }
    ::close(sockets[1]);
    const unique_fd mine(sockets[0]);
    auto message = sys::receive_fds(mine.get(), 16);
    REQUIRE(message);
    REQUIRE(message->bytes == "y");
    REQUIRE(message->fds.size() == 1);
    LoopbackServices inside(std::move(message->fds[0]));
    const auto found = inside.ports();
    ::shutdown(mine.get(), SHUT_RDWR);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    REQUIRE(found);
    CHECK(found->size() == max_loopback_services);
    CHECK(*found->begin() == 20000); // lookups are the gateway's
    CHECK(*found->rbegin() == 20000 + max_loopback_services - 1);
    CHECK_FALSE(found->contains(ntohs(at.sin_port)));
}

#include "enforcer/egress/bridge.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace treadline::egress {
namespace {

// Within this machine a handshake is over when connect(2) returns; only a listener whose queue is full lets it last.
constexpr int moment_ms = 200;
constexpr int max_waiting = 128;

sockaddr_in loopback_at(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// The port of a socket's own end, if that is 127.0.0.1; 0 otherwise.
uint16_t loopback_port_of(int socket) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        return 0;
    }
    if (own.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(own);
        return four.sin_addr.s_addr == htonl(INADDR_LOOPBACK) ? ntohs(four.sin_port) : 0;
    }
    const auto& six = reinterpret_cast<const sockaddr_in6&>(own);
    in_addr four{};
    std::memcpy(&four, six.sin6_addr.s6_addr + 12, sizeof four);
    const bool mapped = own.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six.sin6_addr);
    return mapped && four.s_addr == htonl(INADDR_LOOPBACK) ? ntohs(six.sin6_port) : 0;
}

// Of an IPv6 socket, at the mapped address.
int connect_to_loopback(int socket, uint16_t port) {
    int family = 0;
    socklen_t length = sizeof family;
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0) {
        return errno;
    }
    const sockaddr_in four = loopback_at(port);
    if (family == AF_INET) {
        return connect_briefly(socket, &four, sizeof four);
    }
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = four.sin_port;
    six.sin6_addr.s6_addr[10] = six.sin6_addr.s6_addr[11] = 0xFF;
    std::memcpy(six.sin6_addr.s6_addr + 12, &four.sin_addr, sizeof four.sin_addr);
    return connect_briefly(socket, &six, sizeof six);
}

} // namespace

int connect_briefly(int socket, const void* address, unsigned size) {
    const int flags = ::fcntl(socket, F_GETFL);
    if (flags < 0 || ::fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0) {
        return errno;
    }
    int problem = ::connect(socket, static_cast<const sockaddr*>(address), size) == 0 ? 0 : errno;
    if (problem == EINPROGRESS) {
        pollfd connected{socket, POLLOUT, 0};
        socklen_t length = sizeof problem;
        if (::poll(&connected, 1, moment_ms) <= 0) {
            problem = ETIMEDOUT;
        } else if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &problem, &length) != 0) {
            problem = errno;
        }
    }
    ::fcntl(socket, F_SETFL, flags);
    return problem;
}

result<Bridge> Bridge::open() {
    unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address = loopback_at(0);
    socklen_t size = sizeof address;
    if (!listener || ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::listen(listener.get(), max_waiting) != 0 || ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        return fail_errno("cannot make the egress gateway's listener on 127.0.0.1");
    }
    return Bridge(std::move(listener), ntohs(address.sin_port));
}

// The other end of the connection from that port; all others are closed.
unique_fd Bridge::take(uint16_t from) {
    for (;;) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        unique_fd end(::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!end && errno != ECONNABORTED && errno != EINTR) {
            return {};
        }
        if (end && from != 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && ntohs(peer.sin_port) == from) {
            return end;
        }
    }
}

void Bridge::turn_away() {
    take(0);
}

Bridge::Led Bridge::lead_in(int socket, const std::string& destination) {
    if (gateway_ == nullptr || gateway_->reports() < 0) {
        return {ECONNREFUSED, ""};
    }
    turn_away(); // so that there is room
    const int at_once = 0; // else nothing is sent before the program writes
    ::setsockopt(socket, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &at_once, sizeof at_once);
    if (const int problem = connect_to_loopback(socket, port_); problem != 0) {
        return {problem, ""};
    }
    const uint16_t from = loopback_port_of(socket);
    const unique_fd end = from != 0 ? take(from) : unique_fd();
    if (!end || !gateway_->hand_over(end.get(), destination)) {
        ::shutdown(socket, SHUT_RDWR);
        return {ECONNREFUSED, ""};
    }
    return {0, "127.0.0.1:" + std::to_string(from)};
}

} // namespace treadline::egress

#include "enforcer/egress/loopback_mirror.h"

#include <chrono>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds between_looks{250};
constexpr int backlog = 1024;

bool listen_at_loopback(const unique_fd& socket, uint16_t port, bool v4) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    six.sin6_addr = in6addr_loopback;
    const int bound = v4 ? ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&four), sizeof four)
                         : ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&six), sizeof six);
    return bound == 0 && ::listen(socket.get(), backlog) == 0;
}

} // namespace

LoopbackMirror::Acceptor& LoopbackMirror::keep(const asio::any_io_executor& executor, tcp family, unique_fd listener) {
    return acceptors_.emplace_back(executor, family, listener.release());
}

void LoopbackMirror::show_outside(const asio::any_io_executor& executor, uint16_t port) {
    std::vector<Acceptor*>& shown = outside_ports_[port];
    if (auto listener = listen_for_published(port)) {
        shown.push_back(&keep(executor, tcp::v4(), std::move(*listener)));
        accept_outside_(*shown.back(), port);
    }
}

awaitable<void> LoopbackMirror::show_inside(uint16_t port) {
    const auto executor = co_await asio::this_coro::executor;
    auto pair = co_await sockets_.take();
    std::vector<Acceptor*>& shown = inside_ports_[port];
    if (pair && listen_at_loopback(pair->v4, port, true)) {
        shown.push_back(&keep(executor, tcp::v4(), std::move(pair->v4)));
        accept_inside_(*shown.back(), port);
        if (pair->v6 && listen_at_loopback(pair->v6, port, false)) {
            shown.push_back(&keep(executor, tcp::v6(), std::move(pair->v6)));
            accept_inside_(*shown.back(), port);
        }
    }
}

void LoopbackMirror::drop_ended(Ports& ports, const std::set<uint16_t>& there) {
    for (auto at = ports.begin(); at != ports.end();) {
        if (there.contains(at->first)) {
            ++at;
            continue;
        }
        for (Acceptor* acceptor : at->second) {
            boost::system::error_code ignored;
            acceptor->close(ignored);
        }
        at = ports.erase(at);
    }
}

awaitable<void> LoopbackMirror::run() {
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    for (;;) {
        const auto inside = inside_.ports();
        const auto outside = outside_.ports();
        if (inside && outside) { // else all is left as it is until the next look
            // What is shown there is in the other's table as well, and no port of its own.
            for (const uint16_t port : *inside) {
                if (!outside_ports_.contains(port) && !inside_ports_.contains(port) && !services_.contains(port)) {
                    show_outside(executor, port);
                }
            }
            for (const uint16_t port : *outside) {
                if (!outside_ports_.contains(port) && !inside_ports_.contains(port) && !services_.contains(port)) {
                    co_await show_inside(port);
                }
            }
            drop_ended(outside_ports_, *inside);
            drop_ended(inside_ports_, *outside);
        }
        timer.expires_after(between_looks);
        const auto [stopped] = co_await timer.async_wait(token);
        if (stopped) {
            co_return;
        }
    }
}

} // namespace treadline::egress

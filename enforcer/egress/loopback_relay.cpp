#include "enforcer/egress/loopback_relay.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/syscalls.h"
#include "enforcer/egress/byte_relay.h"
#include "enforcer/egress/deadline.h"
#include "enforcer/egress/name_table.h"
#include "enforcer/egress/relay.h"
#include "profiles/profile_reader.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds connect_time{10};
constexpr int backlog = 1024;

// To the first of these addresses where somebody listens, by one socket.
awaitable<bool> connect_to_first(tcp::socket& socket, std::array<const char*, 2> addresses, uint16_t port) {
    for (const char* address : addresses) {
        const Deadline deadline(socket, connect_time);
        const auto [problem] = co_await socket.async_connect({asio::ip::make_address(address), port}, token);
        if (!problem) {
            co_return true;
        }
        const sockaddr none{AF_UNSPEC, {}}; // after a refusal it has to be told to forget
        ::connect(socket.native_handle(), &none, sizeof none);
    }
    co_return false;
}

awaitable<void> join(tcp::socket inside, tcp::socket outside, const Meter* meter = nullptr) {
    error_code ignored;
    inside.set_option(tcp::no_delay(true), ignored);
    outside.set_option(tcp::no_delay(true), ignored);
    co_await relay_bytes(std::move(inside), std::move(outside), meter);
}

} // namespace

InsideSockets::InsideSockets(asio::io_context& io, unique_fd from) : io_(io), from_(io, from.release()) {
    error_code ignored;
    from_.non_blocking(true, ignored);
}

awaitable<std::optional<InsideSockets::Pair>> InsideSockets::take() {
    for (;;) {
        const auto [problem] = co_await from_.async_wait(asio::posix::stream_descriptor::wait_read, token);
        if (problem) {
            co_return std::nullopt;
        }
        auto message = sys::receive_fds(from_.native_handle(), 16); // somebody else may have been faster
        if (!message && (message.error().code == EAGAIN || message.error().code == EWOULDBLOCK)) {
            continue;
        }
        if (!message || message->fds.empty()) {
            io_.stop();
            co_return std::nullopt;
        }
        Pair pair{std::move(message->fds[0]), {}};
        if (message->fds.size() > 1) {
            pair.v6 = std::move(message->fds[1]);
        }
        co_return pair;
    }
}

awaitable<void> serve_host_service(tcp::socket inside, uint16_t port, RelayContext& context) {
    const auto executor = inside.get_executor();
    Budgets::Account account = context.budgets != nullptr ? context.budgets->of(host_loopback, port) : Budgets::Account();
    const std::string dialled = "127.0.0.1:" + std::to_string(port);
    const Meter meter = [&](uint64_t bytes) {
        const auto over = account.send(bytes);
        if (over) {
            context.on_violation(*over, dialled);
        }
        return !over;
    };
    if (const auto over = account.request()) {
        context.on_violation(*over, dialled);
        reset(inside);
        co_return;
    }
    for (const char* address : {"127.0.0.1", "::1"}) {
        tcp::socket outside(executor);
        const tcp::endpoint endpoint(asio::ip::make_address(address), port);
        error_code problem;
        outside.open(endpoint.protocol(), problem);
        if (problem) {
            continue;
        }
        const Deadline deadline(outside, connect_time);
        const auto [unconnected] = co_await outside.async_connect(endpoint, token);
        if (!unconnected) {
            const Meter* counted = account.limited() ? &meter : nullptr;
            co_await join(std::move(inside), std::move(outside), counted);
            co_return;
        }
    }
    reset(inside); // nobody there
}

awaitable<void> serve_published(tcp::socket outside, uint16_t port, InsideSockets& sockets) {
    const auto executor = outside.get_executor();
    auto pair = co_await sockets.take();
    if (pair) {
        tcp::socket v4(executor, tcp::v4(), pair->v4.release());
        if (co_await connect_to_first(v4, {"127.0.0.1", own_v4}, port)) {
            co_await join(std::move(v4), std::move(outside));
            co_return;
        }
    }
    if (pair && pair->v6) {
        tcp::socket v6(executor, tcp::v6(), pair->v6.release());
        if (co_await connect_to_first(v6, {"::1", own_v6}, port)) {
            co_await join(std::move(v6), std::move(outside));
            co_return;
        }
    }
    reset(outside);
}

result<unique_fd> listen_for_published(uint16_t port) {
    unique_fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1; // connections of an earlier run may linger
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(socket.get(), backlog) != 0) {
        const std::string what = "cannot publish port " + std::to_string(port) + " at 127.0.0.1";
        return errno == EADDRINUSE ? fail_errno(what + " (end what listens there on this machine, or take the port out of `publish`)")
               : errno == EACCES   ? fail_errno(what + " (this user may not listen below port 1024; publish another one)")
                                   : fail_errno(what);
    }
    return socket;
}

} // namespace treadline::egress

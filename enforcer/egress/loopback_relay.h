// The two ways between the sandbox's loopback and the host's, each opened by a rule for one port: programs inside reach a
// service of the host's (`connect: [host:5432]`), and programs of the host's one inside (`publish: [3000]`). What is said is
// not looked at.
#pragma once

#include <cstdint>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::egress {

struct RelayContext;

// What inside_sockets.h makes, taken.
class InsideSockets {
public:
    InsideSockets(boost::asio::io_context& io, unique_fd from);

    struct Pair {
        unique_fd v4;
        unique_fd v6; // invalid without IPv6
    };
    // Nothing once their maker has gone; with it goes the gateway, whose end is seen and said.
    boost::asio::awaitable<std::optional<Pair>> take();

private:
    boost::asio::io_context& io_;
    boost::asio::posix::stream_descriptor from_;
};

// `inside`: accepted at the sandbox's loopback.
boost::asio::awaitable<void> serve_host_service(boost::asio::ip::tcp::socket inside, uint16_t port, RelayContext& context);

// `outside`: accepted at the host's loopback. Dials whoever listens inside, at the loopback or at the sandbox's own address.
boost::asio::awaitable<void> serve_published(boost::asio::ip::tcp::socket outside, uint16_t port, InsideSockets& sockets);

// At the host's 127.0.0.1. Errors say what to do.
result<unique_fd> listen_for_published(uint16_t port);

} // namespace treadline::egress

// While learning the command's loopback and this machine's look alike, as if they were one: what the command listens at is reached
// at the same port of this machine's 127.0.0.1, and what other programs of this machine begin to listen at while the run lasts
// (a container's port, say), at the same port inside. Which ports those are is looked up a few times a second; one that is taken on
// the other side is left alone. What listened here when the run began is there from the start (capture.h).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/unique_fd.h"
#include "enforcer/egress/loopback_relay.h"
#include "enforcer/egress/loopback_services.h"

namespace treadline::egress {

class LoopbackMirror {
public:
    using Accept = std::function<void(boost::asio::ip::tcp::acceptor& acceptor, uint16_t port)>;
    // `services`: those of this machine that are there from the start. `accept_outside` serves what was accepted for a port of the
    // command's, `accept_inside` what the command dials.
    LoopbackMirror(LoopbackServices inside, LoopbackServices outside, std::set<uint16_t> services, InsideSockets& sockets, Accept accept_outside,
                   Accept accept_inside)
        : inside_(std::move(inside)), outside_(std::move(outside)), services_(std::move(services)), sockets_(sockets),
          accept_outside_(std::move(accept_outside)), accept_inside_(std::move(accept_inside)) {}

    boost::asio::awaitable<void> run();

private:
    using Acceptor = boost::asio::ip::tcp::acceptor;
    using Ports = std::map<uint16_t, std::vector<Acceptor*>>; // empty: it is taken on the other side

    Acceptor& keep(const boost::asio::any_io_executor& executor, boost::asio::ip::tcp family, unique_fd listener);
    void show_outside(const boost::asio::any_io_executor& executor, uint16_t port);
    boost::asio::awaitable<void> show_inside(uint16_t port);
    static void drop_ended(Ports& ports, const std::set<uint16_t>& there);

    LoopbackServices inside_;
    LoopbackServices outside_;
    std::set<uint16_t> services_;
    InsideSockets& sockets_;
    Accept accept_outside_;
    Accept accept_inside_;
    std::list<Acceptor> acceptors_; // closed ones stay: somebody may still be about to see that
    Ports outside_ports_;           // the command's, shown at this machine's loopback
    Ports inside_ports_;            // this machine's, shown inside
};

} // namespace treadline::egress

// What is relayed as it is: two directions, each as fast as the slower of its sides.
//
// What comes in small parts is copied through one block that all connections share, so that an idle connection holds none.
// What comes in bulk goes through a pipe (splice(2)), in which pages move and are not copied; there are few pipes, and a
// direction that gets none copies. So does what a budget counts.
#pragma once

#include <functional>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "enforcer/egress/budget.h"

namespace treadline::egress {

using tcp = boost::asio::ip::tcp;

// Is shown every part before it is passed on, and `up` says which way: from inside. What is looked at is always copied.
using See = std::function<void(bool up, std::string_view bytes)>;

// Ends when both directions have, or one has failed (then both are reset), or nothing has come for an hour. The end of one
// direction is passed on, and the other goes on. For one thread, and a process that ignores SIGPIPE (splice(2) raises it).
// `meter`, which has to stay, is asked before anything goes outside; when it says no, that block does not, and both are reset.
boost::asio::awaitable<void> relay_bytes(tcp::socket inside, tcp::socket outside, const Meter* meter = nullptr, See see = {});

// The other side learns that this was no orderly end.
void reset(tcp::socket& socket);

} // namespace treadline::egress

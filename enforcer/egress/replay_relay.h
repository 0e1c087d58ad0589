// Requests answered from what was kept of an earlier run (answers.h): nothing is dialled. HTTP/1.1; TLS is ended by the run's
// own authority, as in inspect.h, for the hosts that the profile has looked into.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "enforcer/egress/decision.h"
#include "enforcer/egress/substitution.h"

namespace treadline::egress {

struct RelayContext;

// `opening`: what has been read from `inside` so far, of TLS the whole hello; both judged as for inspect().
boost::asio::awaitable<void> replay(boost::asio::ip::tcp::socket inside, std::string opening, Contact contact, Wrapping wrapping,
                                    RelayContext& context);

} // namespace treadline::egress

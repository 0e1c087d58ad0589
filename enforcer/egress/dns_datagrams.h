// Lookups by UDP: each question answered from the address at which it was asked.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/udp.hpp>

#include "enforcer/egress/dns_responder.h"

namespace treadline::egress {

struct RecordingContext;

// Until the socket (capture.h) is closed. What is referred to has to stay.
boost::asio::awaitable<void> serve_datagrams(boost::asio::ip::udp::socket& socket, DnsResponder& dns);
// While learning: each waits for its real lookup, and others do not wait for it.
boost::asio::awaitable<void> serve_datagrams_recorded(boost::asio::ip::udp::socket& socket, RecordingContext& context);

} // namespace treadline::egress

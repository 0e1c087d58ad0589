// Two streams passed on to each other unread, after both sides have changed to a protocol of their own.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "enforcer/egress/stream.h"

namespace treadline::egress {

// `from_one`, `from_other`: what has been read of each already. Until either ends, or says nothing for an hour; both are
// closed then.
boost::asio::awaitable<void> tunnel(Stream& one, std::string from_one, Stream& other, std::string from_other);

} // namespace treadline::egress

// The gateway while learning: everything is let pass as it is, and seen (observer.h). Names are looked up before they are
// answered, so that those which do not exist do not exist inside, either.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "enforcer/egress/recorder.h"
#include "enforcer/egress/relay.h"

namespace treadline::egress {

struct RecordingContext {
    RelayContext& relay;
    NameTable& names;
    Recorder& recorder;
};

// As serve() does in relay.h.
boost::asio::awaitable<void> serve_recorded(tcp::socket inside, RecordingContext& context);

// The answer to one question; nothing for what is none.
boost::asio::awaitable<std::optional<std::string>> answer_recorded(std::string message, RecordingContext& context);

} // namespace treadline::egress

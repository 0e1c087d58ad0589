// What an HTTP client says to its proxy: CONNECT, or a request whose target is a whole http:// address (RFC 9110, 7.1;
// RFC 9112, 3.2). Read as http_request.h reads; who is asked for is judged later, like everything that follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "enforcer/egress/decision.h"

namespace treadline::egress {

struct ProxyReading {
    enum class State : uint8_t { Incomplete, Complete, Invalid };
    State state = State::Incomplete;
    std::string problem;   // when Invalid: a phrase
    bool connect = false;  // else one request, to be relayed as `head`
    std::string authority; // host[:port], as sent
    size_t size = 0;       // of the head in `bytes`
    // The request for the server, with a path for its target: what was meant for the proxy is gone, and the connection ends with the answer, because the
    // next request of the same program to its proxy may be for another host.
    std::string head;
};

ProxyReading read_proxy_request(std::string_view bytes); // everything that has arrived so far

// Who is asked for: host:port as rules write hosts, an address in one of its forms. Nothing for all else: `host`, wildcards,
// user names, decimal addresses.
std::optional<Contact> contact_asked_for(const std::string& host_port);

} // namespace treadline::egress

// What a SOCKS5 client says before its own protocol begins (RFC 1928), read strictly and within bounds. No authentication:
// who may connect is known already (bridge.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace treadline::egress {

enum class SocksReply : uint8_t { Succeeded = 0, NotAllowed = 2, CommandNotSupported = 7, AddressTypeNotSupported = 8 };

struct SocksReading {
    enum class State : uint8_t { Incomplete, Complete, Invalid };
    State state = State::Incomplete;
    size_t size = 0;     // of what was read, when Complete; what follows is the program's own
    std::string problem; // when Invalid: a phrase
};

// Version and methods. Complete only if one of them is "no authentication".
SocksReading read_socks_greeting(std::string_view bytes);

struct SocksRequest : SocksReading {
    std::string host; // a name as it was sent, or the text of an address
    bool address = false;
    uint16_t port = 0;
    SocksReply reply = SocksReply::Succeeded; // when Invalid: what to say
};
// CONNECT to a name, an IPv4 or an IPv6 address; other commands are Invalid.
SocksRequest read_socks_request(std::string_view bytes);

std::string socks_method(bool accepted); // the answer to a greeting
std::string socks_answer(SocksReply reply);

} // namespace treadline::egress

// One DNS message (RFC 1035), as far as binding names to addresses needs it.
//
// The bytes come from the network: everything is bounded, and only records that the question leads to count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// What is longer is not looked at: a message made of compression pointers costs time in the square of its
// size.
constexpr size_t max_dns_message = 4096;

struct DnsMessage {
    uint16_t id = 0;
    bool response = false;
    bool truncated = false; // TC: the client asks again over TCP
    std::string name;       // of the one question: lower case, no dot at the end
    uint16_t type = 0;      // of the question
    bool failed = false;    // an error code: NXDOMAIN, SERVFAIL, …
    // Of A and AAAA records whose owner is the name asked for or what it is an alias of. IPv4 mapped into
    // IPv6 as IPv4, as addresses stand in the trace.
    std::vector<std::string> addresses;

    [[nodiscard]] bool asks_for_addresses() const; // A, AAAA or ANY
};

// None: not a well-formed query or response with exactly one question of class IN.
std::optional<DnsMessage> parse_dns(std::string_view bytes);

// "WWW.Example.org." -> "www.example.org"
std::string canonical_host(std::string_view name);

// 4 or 16 bytes as text, IPv4 mapped into IPv6 as IPv4; "" for another size.
std::string address_text(std::string_view bytes);

} // namespace treadline

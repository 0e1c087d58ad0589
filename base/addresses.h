// Network addresses as rules see them: which are ordinary public ones, and which a person has to accept.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace treadline {

struct Address {
    std::array<uint8_t, 16> bytes{}; // IPv4 as its mapped form, ::ffff:a.b.c.d (RFC 4291)
    bool v4 = false;
    bool valid = false;
};

Address parse_address(std::string_view text); // a scope such as %eth0 is left out
std::string to_text(const Address& address);

// This machine: 127.0.0.0/8, ::1, and the unspecified addresses, which as a destination are the same.
bool is_loopback(const Address& address);

// Whether it lies in the ranges whose addresses stand for names behind the egress gateway (enforcer/egress/name_table.h), for
// one run: 198.18.0.0/15 and fd74:7265:6164::/48.
bool stands_for_name(std::string_view address);

// Why a connection to this address is for a person to accept; "" for an ordinary public one. An IPv4 address
// that an IPv6 one carries (mapped, NAT64, 6to4, Teredo) is judged as itself.
std::string why_not_public(std::string_view address);

// The same of an address that a name leads to: there one for examples in documents (RFC 5737, RFC 3849) is nobody's, either.
std::string why_not_led_to(std::string_view address);

} // namespace treadline

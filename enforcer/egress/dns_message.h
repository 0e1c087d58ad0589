// The little of DNS messages (RFC 1035, 4; RFC 6891) that answering for oneself takes: one question in, at most one address
// out. Questions come from hostile programs, so what is not needed is not read: no compression, no other sections than OPT.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace treadline::egress {

namespace dns {
inline constexpr uint16_t a = 1;
inline constexpr uint16_t aaaa = 28;
inline constexpr uint16_t srv = 33;
inline constexpr uint16_t svcb = 64;
inline constexpr uint16_t https = 65;
inline constexpr uint16_t internet = 1; // class
enum class Rcode : uint8_t { NoError = 0, FormErr = 1, NxDomain = 3, NotImp = 4 };
} // namespace dns

struct DnsQuestion {
    std::string header;  // the twelve bytes
    std::string wire;    // the question as it stands in the message; "" where it cannot be read
    std::string name;    // labels joined by dots; what no host name has in it is kept as it is, a dot in a label as "\."
    uint16_t type = 0;
    uint16_t klass = 0;
    bool query = false;    // opcode 0
    bool extended = false; // an OPT record: its sender understands one
};

// Nothing for what is no question at all: too short, or an answer.
std::optional<DnsQuestion> read_question(std::string_view message);

struct DnsAnswer {
    dns::Rcode rcode = dns::Rcode::NoError;
    std::string address; // 4 or 16 bytes, of the type asked for; "" for no record
    uint32_t lifetime_s = 0;
    std::string prohibited; // why, for a person, if the question is extended (RFC 8914, 18)
};
std::string write_answer(const DnsQuestion& question, const DnsAnswer& answer);

} // namespace treadline::egress

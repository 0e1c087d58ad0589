// An HTTP exchange as it is kept to be served back (`enforce --capture`, `--replay`): plain data, redacted (redaction.h), and
// the bytes in which the gateway's process hands it to the supervisor. Whoever wrote a store may be hostile, and so may a
// gateway be that hostile bytes have taken over: what is read is checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "enforcer/egress/http_fields.h"

namespace treadline::egress {

struct KeptExchange {
    // The request, without what says who asks.
    std::string host; // canonical, as it was looked up; or the address that was dialled
    uint16_t port = 0;
    bool secure = false;     // inside TLS
    std::string method;
    std::string target;      // origin form
    std::string conditions;  // fields on which another answer depends (Range, If-None-Match…), "name: value\n" each
    std::string accept;      // value of Accept
    std::string body_digest; // SHA-256 of the body, hexadecimal; "" for none
    // The answer, without what is only about its way here (framing, connection).
    unsigned status = 0;
    std::string reason;
    HttpFields fields;
    std::string body;
    std::string unusable; // a phrase, why there is no answer to serve back: "its body is larger than …"; "" where there is one

    bool operator==(const KeptExchange&) const = default;
};

// What `--replay` serves back, and the run it comes from, for messages.
struct Replay {
    int64_t run = 0;
    std::vector<KeptExchange> exchanges;
};

// Of a body, and of all that is kept of a run; what is larger is told, and cannot be served back.
inline constexpr size_t max_kept_body = size_t{16} << 20;
inline constexpr size_t max_kept_bytes = size_t{128} << 20;
inline constexpr size_t max_kept_exchanges = 16'384;

// Why it is no exchange that could have been kept; "" where it is one.
std::string objection_to(const KeptExchange& exchange);

std::string to_lines(const HttpFields& fields); // "name: value\n" each
HttpFields fields_from(std::string_view lines); // only what is such a line

std::string to_bytes(const std::vector<KeptExchange>& exchanges);
result<std::vector<KeptExchange>> exchanges_from(std::string_view bytes);

// What is handed over when the run is over: an error where its end is missing.
struct KeptRun {
    std::vector<KeptExchange> exchanges;
    uint64_t left_out = 0; // for want of room, or because what they asked for holds a secret
};
std::string to_bytes(const KeptRun& run);
result<KeptRun> kept_run_from(std::string_view bytes);

} // namespace treadline::egress

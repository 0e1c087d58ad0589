// The first bytes of a TLS connection: the ClientHello (RFC 8446, 4.1.2), read strictly and within bounds. What a lenient
// server might read otherwise is refused: a name it sees must be the name that was judged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "enforcer/egress/decision.h"

namespace treadline::egress {

// A hello with post-quantum key shares has about 2 KiB; this is room for several of those.
inline constexpr size_t max_hello = 16 * 1024;
inline constexpr size_t max_hello_records = 64;

struct HelloReading {
    enum class State : uint8_t { Incomplete, Complete, Invalid };
    State state = State::Incomplete;
    TlsHello hello;      // when Complete
    std::string problem; // when Invalid: a phrase, "a record of 0 bytes"
};

// `bytes`: everything that has arrived so far.
HelloReading read_client_hello(std::string_view bytes);

} // namespace treadline::egress

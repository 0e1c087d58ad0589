// One end of one HTTP/2 connection (RFC 9113) without a socket: bytes in, bytes out. What the gateway knows of it is this
// file; the library behind it (nghttp2) is in the module of tls.h, and loaded where that is.
//
// Whoever breaks the protocol's rules is refused here: pseudo-header fields in their order, names in lower case, no fields of a
// connection, no server push, lengths that agree. So are floods: of resets (CVE-2023-44487), of CONTINUATION frames
// (CVE-2024-28182), of frames that say nothing. Flow control is the caller's: no more is let come than consumed() says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enforcer/egress/http_fields.h"

namespace treadline::egress {

enum class Http2Role : uint8_t { Server, Client };

inline constexpr size_t max_http2_streams = 100;        // open at once on a connection, begun by the client
inline constexpr size_t max_http2_request = 32 * 1024;  // a head: names, values, and 32 bytes for each field
inline constexpr size_t max_http2_answer = 128 * 1024;
inline constexpr size_t least_http2_window = 65535;     // the protocol's own default

// Codes of RFC 9113, 7.
namespace http2_code {
inline constexpr uint32_t no_error = 0;
inline constexpr uint32_t internal_error = 2;
inline constexpr uint32_t refused_stream = 7;
inline constexpr uint32_t cancel = 8;
} // namespace http2_code

using Http2Fields = HttpFields; // pseudo-header fields first

// What a session tells of while it reads and writes. Other sessions may be used from within; this one's give() and take() not.
class Http2Events {
public:
    virtual ~Http2Events() = default;
    // A request or an answer, with its pseudo-header fields first; `objection`: why it is none that may be taken, or "".
    virtual void on_head(int32_t stream, Http2Fields fields, const std::string& objection, bool ends) = 0;
    virtual void on_data(int32_t stream, std::string_view bytes) = 0;
    virtual void on_trailers(int32_t stream, Http2Fields fields, const std::string& objection) = 0; // on_end follows
    virtual void on_end(int32_t stream) = 0;                    // the other side says no more on it
    virtual void on_malformed(int32_t stream, std::string why) = 0; // what it said broke the rules; it is being reset
    virtual void on_taken(int32_t stream) = 0;                  // some of what was queued has been
    virtual void on_closed(int32_t stream, uint32_t code) = 0;  // for good, both ways
    virtual void on_going_away() = 0;                           // the other side takes no more streams
    virtual void on_broken(std::string why) = 0;                // the connection is at its end by what the other side did
};

class Http2Session {
public:
    virtual ~Http2Session() = default;
    virtual void give(std::string_view from_peer) = 0;
    virtual std::string take() = 0; // what the peer is to be sent now, some 16 KiB at most; "" for nothing
    [[nodiscard]] virtual bool over() const = 0; // nothing more will come or go

    // A request. The number of its stream; less than 0: it cannot be begun, or not before others have.
    virtual int32_t begin(const Http2Fields& head, bool ends) = 0;
    // An answer, or one of those before it (1xx).
    virtual void answer(int32_t stream, const Http2Fields& head, bool ends) = 0;
    virtual void say(int32_t stream, std::string bytes) = 0; // queued; not before the head
    virtual void end(int32_t stream, const Http2Fields& trailers) = 0; // behind what is queued; resets where too many wait
    virtual void reset(int32_t stream, uint32_t code) = 0;
    [[nodiscard]] virtual size_t queued(int32_t stream) const = 0; // of say(), not taken yet
    virtual void consumed(int32_t stream, size_t bytes) = 0; // as many more may come
    virtual void go_away() = 0; // no more streams; the ones that are go on
};

// `window`: how much of all bodies together may be on its way; a stream gets a quarter of it. Neither is less than the default.
std::unique_ptr<Http2Session> make_http2_session(Http2Role role, Http2Events& events, size_t window);

} // namespace treadline::egress

// One HTTP/1.1 message as it comes from a stream, head first, then its body piece by piece; and the same written anew.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "enforcer/egress/http_request.h"
#include "enforcer/egress/stream.h"

namespace treadline::egress {

template <bool Request>
class HttpMessage {
public:
    enum class Read : uint8_t {
        Done,
        Ended,    // no message any more, or the body's end
        Broken,   // off, or nothing for long
        Malformed // see problem
    };

    // `buffered`: what has come from the stream and is not used yet.
    HttpMessage(Stream& stream, std::string& buffered) : stream_(stream), buffered_(buffered) {
        parser_.header_limit(Request ? max_http_head : 4 * max_http_head);
        parser_.body_limit(boost::none);
    }

    boost::asio::awaitable<Read> read_head(Until until) {
        for (bool begun = false;; begun = true) {
            if (!buffered_.empty()) {
                begun = true;
                boost::system::error_code problem;
                const size_t used = parser_.put(boost::asio::buffer(std::as_const(buffered_)), problem);
                buffered_.erase(0, used);
                if (problem && problem != boost::beast::http::error::need_more) {
                    problem_ = problem.message();
                    co_return Read::Malformed;
                }
                if (parser_.is_header_done()) {
                    co_return Read::Done;
                }
            }
            if (const bool done = co_await stream_.read(buffered_, until); !done) {
                co_return begun && !buffered_.empty() ? Read::Broken : Read::Ended;
            }
        }
    }

    boost::asio::awaitable<Read> read_piece(std::string& piece, Until until) {
        std::array<char, 16 * 1024> part; // NOLINT: filled before it is read
        while (!parser_.is_done()) {
            if (!buffered_.empty()) {
                auto& body = parser_.get().body();
                body.data = part.data();
                body.size = part.size();
                body.more = true;
                boost::system::error_code problem;
                const size_t used = parser_.put(boost::asio::buffer(std::as_const(buffered_)), problem);
                buffered_.erase(0, used);
                if (problem && problem != boost::beast::http::error::need_more && problem != boost::beast::http::error::need_buffer) {
                    problem_ = problem.message();
                    co_return Read::Malformed;
                }
                if (const size_t size = part.size() - body.size; size > 0) {
                    piece.assign(part.data(), size);
                    co_return Read::Done;
                }
                if (used > 0) {
                    continue;
                }
            }
            if (buffered_.size() > 2 * 4 * max_http_head) {
                problem_ = "a line of a chunk that does not end";
                co_return Read::Malformed;
            }
            if (const bool done = co_await stream_.read(buffered_, until); !done) {
                boost::system::error_code problem;
                if (stream_.at_end() && parser_.need_eof()) {
                    parser_.put_eof(problem);
                    co_return problem ? Read::Broken : Read::Ended;
                }
                co_return Read::Broken;
            }
        }
        co_return Read::Ended;
    }

    boost::beast::http::parser<Request, boost::beast::http::buffer_body>& parser() { return parser_; }
    [[nodiscard]] const auto& head() const { return parser_.get(); }
    [[nodiscard]] bool chunked() const { return parser_.chunked(); }
    [[nodiscard]] bool has_body() { return !parser_.is_done(); }
    [[nodiscard]] bool has_more_buffered() const { return !buffered_.empty(); }
    [[nodiscard]] const std::string& problem() const { return problem_; }

private:
    Stream& stream_;
    std::string& buffered_;
    boost::beast::http::parser<Request, boost::beast::http::buffer_body> parser_;
    std::string problem_;
};

// A part of a body as it is sent. The end of a chunked one is an empty part.
inline std::string framed(std::string piece, bool chunked) {
    if (!chunked) {
        return piece;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string size;
    for (size_t left = piece.size(); left > 0; left >>= 4) {
        size.insert(size.begin(), digits[left & 15]);
    }
    return (size.empty() ? "0" : size) + "\r\n" + piece + "\r\n";
}

} // namespace treadline::egress

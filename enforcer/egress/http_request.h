// One HTTP/1.1 request head as Boost.Beast reads it, and what else is demanded of it: nothing about it may be read in two
// ways. What goes on to the server is written anew from what was read here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "enforcer/egress/decision.h"
#include "enforcer/egress/http_fields.h"

namespace treadline::egress {

inline constexpr unsigned max_http_head = 32 * 1024;

// Whether a connection that begins with these bytes may be HTTP/1: a method and a space. Nothing while it cannot be known.
std::optional<bool> looks_like_http(std::string_view bytes);

inline std::string text(boost::beast::string_view view) {
    return {view.data(), view.size()};
}

template <class Head>
HttpFields fields_of(const Head& head) {
    HttpFields fields;
    for (const auto& field : head) {
        fields.emplace_back(text(field.name_string()), text(field.value()));
    }
    return fields;
}

HttpRequest facts_of(const boost::beast::http::request_header<>& head);

// Takes out the offer to go on in HTTP/2 (h2c), which Java's client makes each time: the server answers as if there were none.
void withdraw_upgrade(boost::beast::http::request_header<>& head);

// Without the scheme and host of an absolute target ("http://host/path" with "http://").
std::string origin_form(std::string target, std::string_view scheme);

// Why a server might see another request in it than we do; "" for nothing.
std::string ambiguity_of(const boost::beast::http::request_header<>& head);

struct HttpReading {
    enum class State : uint8_t { Incomplete, Complete, Invalid };
    State state = State::Incomplete;
    HttpRequest request;
    std::string problem;
};
HttpReading read_http_head(std::string_view bytes); // of one request, for tests and fuzzers

// What is said where a request is refused: the reason for a header, and with the rule that would allow it as JSON.
struct Refusal {
    std::string reason; // ASCII on one line
    std::string json;
};
Refusal refusal_of(const Violation& violation);

// The same as an answer of HTTP/1.1: 403.
std::string refusal_response(const Violation& violation);

} // namespace treadline::egress

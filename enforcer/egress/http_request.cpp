#include "enforcer/egress/http_request.h"

#include <algorithm>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace treadline::egress {
namespace http = boost::beast::http;
namespace {

constexpr size_t max_method = 24;

} // namespace

std::optional<bool> looks_like_http(std::string_view bytes) {
    const size_t space = bytes.substr(0, max_method).find(' ');
    const std::string_view method = bytes.substr(0, std::min(space, max_method));
    const bool upper = std::all_of(method.begin(), method.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
    if (!upper || space == 0) {
        return false;
    }
    if (space == std::string_view::npos) {
        return bytes.size() < max_method ? std::nullopt : std::optional(false);
    }
    return true;
}

HttpRequest facts_of(const http::request_header<>& head) {
    HttpRequest request;
    request.method = text(head.method_string());
    request.target = text(head.target());
    const auto hosts = head.equal_range(http::field::host);
    for (auto host = hosts.first; host != hosts.second; ++host) {
        request.hosts.push_back(text(host->value()));
    }
    const auto offers = head.equal_range(http::field::upgrade);
    const bool only_h2c = std::all_of(offers.first, offers.second, [](const auto& offer) { return boost::beast::iequals(offer.value(), "h2c"); });
    const bool asked = offers.first != offers.second || http::token_list(head[http::field::connection]).exists("upgrade");
    request.upgrade = asked && !(only_h2c && offers.first != offers.second);
    request.redirected = redirection_in(fields_of(head), Overrides::Count, {"upgrade", "http2-settings"}); // those are withdrawn
    if (request.upgrade && head.count(http::field::upgrade) == 1) {
        request.upgrade_to = lower_case(text(head[http::field::upgrade]));
    }
    return request;
}

void withdraw_upgrade(http::request_header<>& head) {
    std::string kept;
    const std::string connection = text(head[http::field::connection]);
    for (const auto& token : http::token_list(connection)) {
        if (!boost::beast::iequals(token, "upgrade") && !boost::beast::iequals(token, "http2-settings")) {
            kept += (kept.empty() ? "" : ", ") + text(token);
        }
    }
    head.erase(http::field::upgrade);
    head.erase("HTTP2-Settings");
    head.erase(http::field::connection);
    if (!kept.empty()) {
        head.set(http::field::connection, kept);
    }
}

std::string origin_form(std::string target, std::string_view scheme) {
    if (!target.starts_with(scheme)) {
        return target;
    }
    const size_t path = target.find_first_of("/?#", scheme.size());
    const std::string origin = path == std::string::npos ? "/" : target.substr(path);
    return origin[0] == '/' ? origin : "/" + origin;
}

std::string ambiguity_of(const http::request_header<>& head) {
    if (head.version() != 11 && head.version() != 10) {
        return "another version than HTTP/1.1";
    }
    if (head.count(http::field::content_length) > 1) {
        return "more than one Content-Length";
    }
    const size_t encodings = head.count(http::field::transfer_encoding);
    if (encodings > 1 || (encodings == 1 && !boost::beast::iequals(head[http::field::transfer_encoding], "chunked"))) {
        return "a Transfer-Encoding other than chunked";
    }
    if (encodings != 0 && (head.count(http::field::content_length) != 0 || head.version() == 10)) {
        return "a length that is told in two ways";
    }
    for (const auto& field : head) {
        const auto value = field.value();
        if (std::any_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\t'; })) {
            return "a control character in a header";
        }
    }
    return "";
}

HttpReading read_http_head(std::string_view bytes) {
    http::request_parser<http::empty_body> parser;
    parser.header_limit(max_http_head);
    parser.body_limit(boost::none);
    HttpReading reading;
    boost::beast::error_code problem;
    parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), problem);
    if (parser.is_header_done()) {
        if (reading.problem = ambiguity_of(parser.get()); reading.problem.empty()) {
            reading.state = HttpReading::State::Complete;
            reading.request = facts_of(parser.get());
            return reading;
        }
    } else if (!problem || problem == http::error::need_more) {
        return reading;
    } else {
        reading.problem = problem.message();
    }
    reading.state = HttpReading::State::Invalid;
    return reading;
}

Refusal refusal_of(const Violation& violation) {
    nlohmann::json body = {{"error", "denied by treadline"}, {"object", violation.object}, {"reason", violation.reason}};
    if (!violation.rule.empty()) {
        body["rule"] = violation.rule;
        body["section"] = violation.section;
    }
    Refusal refusal;
    refusal.json = body.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    // A header is ASCII on one line; reasons quote what a program sent.
    refusal.reason = printable(violation.reason);
    std::replace_if(refusal.reason.begin(), refusal.reason.end(), [](char c) { return c < 0x20 || c == 0x7F; }, '?');
    return refusal;
}

std::string refusal_response(const Violation& violation) {
    const Refusal refusal = refusal_of(violation);
    return "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nTreadline-Denied: " + refusal.reason +
           "\r\nContent-Length: " + std::to_string(refusal.json.size()) + "\r\nConnection: close\r\n\r\n" + refusal.json;
}

} // namespace treadline::egress

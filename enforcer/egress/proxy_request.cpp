#include "enforcer/egress/proxy_request.h"

#include <algorithm>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "base/text.h"
#include "enforcer/egress/http_request.h"
#include "profiles/profile_reader.h"

namespace treadline::egress {
namespace http = boost::beast::http;
namespace {

ProxyReading invalid(std::string problem) {
    ProxyReading reading;
    reading.state = ProxyReading::State::Invalid;
    reading.problem = std::move(problem);
    return reading;
}

std::string written(const http::request_header<>& head) {
    std::string all = text(head.method_string()) + " " + text(head.target()) + (head.version() == 10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    for (const auto& field : head) {
        all += text(field.name_string()) + ": " + text(field.value()) + "\r\n";
    }
    return all + "\r\n";
}

} // namespace

ProxyReading read_proxy_request(std::string_view bytes) {
    const size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        return bytes.size() > max_http_head ? invalid("a head of more than 32 KiB") : ProxyReading{};
    }
    ProxyReading reading;
    reading.size = end + 4;
    http::request_parser<http::empty_body> parser;
    parser.header_limit(max_http_head);
    parser.body_limit(boost::none);
    boost::beast::error_code problem;
    parser.put(boost::asio::const_buffer(bytes.data(), reading.size), problem);
    if (!parser.is_header_done()) {
        return invalid(problem && problem != http::error::need_more ? problem.message() : "a head that does not end");
    }
    auto& head = parser.get();
    if (const std::string ambiguous = ambiguity_of(head); !ambiguous.empty()) {
        return invalid(ambiguous);
    }
    const std::string target = text(head.target());
    reading.state = ProxyReading::State::Complete;
    reading.connect = head.method() == http::verb::connect;
    if (reading.connect) {
        if (head.count(http::field::content_length) + head.count(http::field::transfer_encoding) != 0) {
            return invalid("a CONNECT with a body");
        }
        reading.authority = target;
        return reading;
    }
    constexpr std::string_view scheme = "http://";
    if (!boost::beast::iequals(target.substr(0, scheme.size()), scheme)) {
        return invalid("a request to a proxy whose target '" + printable(target.substr(0, 200)) + "' is no http:// address");
    }
    const size_t path = std::min(target.find_first_of("/?#", scheme.size()), target.size());
    reading.authority = target.substr(scheme.size(), path - scheme.size());
    head.target((path < target.size() && target[path] == '/' ? "" : "/") + target.substr(path));
    for (const char* name : {"Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate", "Keep-Alive"}) {
        head.erase(name);
    }
    head.keep_alive(false);
    reading.head = written(head);
    return reading;
}

std::optional<Contact> contact_asked_for(const std::string& host_port) {
    const auto parsed = parse_host_port(host_port);
    if (!parsed || host_port.find('/') != std::string::npos || parsed->host[0] == '*' || parsed->host == host_loopback) {
        return std::nullopt;
    }
    Contact contact;
    (parsed->address ? contact.address : contact.name) = parsed->host;
    contact.port = parsed->port;
    return contact;
}

} // namespace treadline::egress

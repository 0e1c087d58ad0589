#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <nlohmann/json.hpp>

#include "enforcer/egress/http_request.h"

using namespace treadline;
using namespace treadline::egress;
using State = HttpReading::State;

TEST_CASE("an HTTP request is known by its method", "[egress][http]") {
    CHECK(looks_like_http("GET / HTTP/1.1\r\n") == true);
    CHECK(looks_like_http("M-SEARCH * HTTP/1.1\r\n") == true);
    CHECK_FALSE(looks_like_http("GE"));
    CHECK(looks_like_http("SSH-2.0-OpenSSH\r\n") == false);
    CHECK(looks_like_http(" GET / HTTP/1.1") == false);
    CHECK(looks_like_http("get / HTTP/1.1") == false);
    CHECK(looks_like_http(std::string(24, 'A')) == false);
    CHECK(looks_like_http(std::string("\0\0\0\x2F", 4)) == false);
}

TEST_CASE("a request head is read whole", "[egress][http]") {
    const HttpReading reading = read_http_head("POST /x?y HTTP/1.1\r\nHost: a.test:80\r\nConnection: keep-alive, Upgrade\r\nContent-Length: 3\r\n\r\nabc");
    REQUIRE(reading.state == State::Complete);
    CHECK(reading.request.method == "POST");
    CHECK(reading.request.target == "/x?y");
    CHECK(reading.request.hosts == std::vector<std::string>{"a.test:80"});
    CHECK(reading.request.upgrade);
    CHECK(read_http_head("GET / HTTP/1.1\r\nHost: a.test\r\n").state == State::Incomplete);
    const HttpReading two = read_http_head("GET / HTTP/1.1\r\nHost: a.test\r\nHOST: b.test\r\n\r\n");
    REQUIRE(two.state == State::Complete);
    CHECK(two.request.hosts.size() == 2); // which the decision refuses
}

TEST_CASE("what two servers would read differently is refused", "[egress][http]") {
    const std::string field = GENERATE(as<std::string>(), "Content-Length: 3\r\nContent-Length: 3", "Content-Length: 3\r\nContent-Length: 4",
                                       "Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3",
                                       "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                                       "Content-Length: +3", "Content-Length: 3x", "Content-Length: -1", "X : 1", "X\x01: 1", "X: a\x01" "b",
                                       "X: a\nHost: b.test");
    CAPTURE(field);
    CHECK(read_http_head("POST / HTTP/1.1\r\nHost: a.test\r\n" + field + "\r\n\r\n").state == State::Invalid);
}

TEST_CASE("a folded header is one line, so that nothing hides behind it", "[egress][http]") {
    const HttpReading reading = read_http_head("GET / HTTP/1.1\r\nHost: a.test\r\n Host: b.test\r\n\r\n");
    REQUIRE(reading.state == State::Complete);
    CHECK(reading.request.hosts == std::vector<std::string>{"a.test Host: b.test"}); // which is no host
}

TEST_CASE("other versions, and heads without end, are refused", "[egress][http]") {
    CHECK(read_http_head("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").state == State::Invalid);
    CHECK(read_http_head("GET / HTTP/0.9\r\nHost: a.test\r\n\r\n").state == State::Invalid);
    CHECK(read_http_head("GET /\r\n\r\n").state == State::Invalid);
    CHECK(read_http_head("GET / HTTP/1.1\r\nX: " + std::string(max_http_head, 'x')).state == State::Invalid);
    CHECK(read_http_head("POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n").state == State::Invalid);
}

TEST_CASE("a refusal tells the program why, and cannot be split by what the program sent", "[egress][http]") {
    Violation violation;
    violation.object = "a.test:80";
    violation.reason = "Host 'x\r\nSet-Cookie: y'";
    violation.rule = "b.test:80";
    violation.section = "network.connect";
    const std::string response = refusal_response(violation);
    CHECK(response.starts_with("HTTP/1.1 403 Forbidden\r\n"));
    const size_t end = response.find("\r\n\r\n");
    CHECK(response.substr(0, end).find("\nSet-Cookie") == std::string::npos);
    const auto body = nlohmann::json::parse(response.substr(end + 4));
    CHECK(body.at("reason") == violation.reason);
    CHECK(body.at("rule") == "b.test:80");
}

TEST_CASE("an offer of HTTP/2 is no upgrade that is asked for, but anything beside it is", "[egress][http]") {
    const auto upgrades = [](const std::string& fields) {
        const HttpReading reading = read_http_head("GET / HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n");
        REQUIRE(reading.state == HttpReading::State::Complete);
        return reading.request.upgrade;
    };
    CHECK_FALSE(upgrades(""));
    CHECK_FALSE(upgrades("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"));
    CHECK(upgrades("Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n"));
    CHECK(upgrades("Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"));
    CHECK(upgrades("Connection: Upgrade\r\nUpgrade: h2\r\n"));
    CHECK(upgrades("Connection: Upgrade\r\n"));
}

TEST_CASE("of a withdrawn offer nothing is left, and what else the connection says stays", "[egress][http]") {
    boost::beast::http::request_header<> head;
    head.set("Host", "a.test");
    head.set("Connection", "Upgrade, close, HTTP2-Settings");
    head.set("Upgrade", "h2c");
    head.set("HTTP2-Settings", "AAMAAABk");
    withdraw_upgrade(head);
    CHECK(head["Connection"] == "close");
    CHECK(head.count("Upgrade") == 0);
    CHECK(head.count("HTTP2-Settings") == 0);
    CHECK(head.count("Host") == 1);
}

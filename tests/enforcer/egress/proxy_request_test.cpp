#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "enforcer/egress/http_request.h"
#include "enforcer/egress/proxy_request.h"

using namespace treadline::egress;
using State = ProxyReading::State;

TEST_CASE("CONNECT says who is asked for, and what follows it is not read", "[egress][proxy]") {
    const std::string head = "CONNECT web.test:443 HTTP/1.1\r\nHost: web.test:443\r\nProxy-Authorization: Basic eA==\r\n\r\n";
    const ProxyReading reading = read_proxy_request(head + "\x16\x03\x01");
    REQUIRE(reading.state == State::Complete);
    CHECK(reading.connect);
    CHECK(reading.authority == "web.test:443");
    CHECK(reading.size == head.size());
    CHECK(reading.head.empty());
    for (size_t size = 0; size < head.size(); ++size) {
        CAPTURE(size);
        CHECK(read_proxy_request(head.substr(0, size)).state == State::Incomplete);
    }
}

TEST_CASE("a request with a whole address goes on with its path, alone, and without what was meant for the proxy", "[egress][proxy]") {
    const ProxyReading reading = read_proxy_request("POST http://web.test:8080/x?y HTTP/1.1\r\nHost: web.test:8080\r\nProxy-Connection: keep-alive\r\n"
                                                    "proxy-authorization: Basic eA==\r\nContent-Length: 3\r\nX: a\r\n\r\nabc");
    REQUIRE(reading.state == State::Complete);
    CHECK_FALSE(reading.connect);
    CHECK(reading.authority == "web.test:8080");
    CHECK(reading.head == "POST /x?y HTTP/1.1\r\nHost: web.test:8080\r\nContent-Length: 3\r\nX: a\r\nConnection: close\r\n\r\n");
    const auto head_of = [](const std::string& target) { return read_proxy_request("GET " + target + " HTTP/1.1\r\nHost: web.test\r\n\r\n").head; };
    CHECK(head_of("http://web.test").starts_with("GET / HTTP/1.1\r\n"));
    CHECK(head_of("HTTP://web.test?q").starts_with("GET /?q HTTP/1.1\r\n"));
    CHECK(read_proxy_request("GET http://web.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head == "GET / HTTP/1.0\r\n\r\n");
}

TEST_CASE("what a proxy could read in two ways, or is no question to a proxy, is refused", "[egress][proxy]") {
    const std::string text = GENERATE(as<std::string>(), "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n", "GET https://web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n",
                                      "CONNECT web.test:443 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "CONNECT web.test:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                                      "POST http://web.test/ HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                                      "GET http://web.test/ HTTP/1.1\r\nX: a\rb\r\n\r\n", "GET http://web.test/ HTTP/1.1\r\nX : a\r\n\r\n", "GET http://web.test/ HTTP/1.2\r\n\r\n",
                                      "CONNECT web.test:443\r\n\r\n", "\r\n\r\n", "GET  http://web.test/ HTTP/1.1\r\n\r\n");
    CAPTURE(text);
    const ProxyReading reading = read_proxy_request(text);
    CHECK(reading.state == State::Invalid);
    CHECK_FALSE(reading.problem.empty());
}

TEST_CASE("a head that does not end is not waited for without end", "[egress][proxy]") {
    CHECK(read_proxy_request("GET http://web.test/" + std::string(max_http_head, 'x')).state == State::Invalid);
}

TEST_CASE("who is asked for is a name or an address as rules write them", "[egress][proxy]") {
    const auto name = contact_asked_for("WEB.test.:443");
    REQUIRE(name);
    CHECK(name->name == "web.test");
    CHECK(name->address.empty());
    CHECK(name->port == 443);
    REQUIRE(contact_asked_for("[::ffff:192.0.2.7]:80"));
    CHECK(contact_asked_for("[::ffff:192.0.2.7]:80")->address == "192.0.2.7");
    CHECK(contact_asked_for("192.0.2.7:80")->address == "192.0.2.7");
    for (const std::string text : {"web.test", "web.test:0", "web.test:99999", "web.test:443/tcp", "*.test:443", "*:443", "host:5432", "a@web.test:443", "web.test:443:443", ":443", "",
                                   "151587081:80", "0x7f.1:80", "web test:443", "web.test:0x50", "web.test:+80", "web.test: 80", "w\xc3\xa9" "b.test:80"}) {
        CAPTURE(text);
        CHECK_FALSE(contact_asked_for(text));
    }
    CHECK_FALSE(contact_asked_for(std::string("web.test\0.evil.test:80", 22)));
}

// Real hellos (of openssl s_client) and ones that are bent in one place each.
#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/client_hello.h"
#include "tests/enforcer/egress/hello_bytes.h"

using namespace treadline::egress;
using namespace treadline::test;
using State = HelloReading::State;

TEST_CASE("server name and protocols are read from a hello", "[egress][tls]") {
    const HelloReading reading = read_client_hello(record(hello({server_name("a.test"), protocols({"h2", "http/1.1"})})));
    REQUIRE(reading.state == State::Complete);
    CHECK(reading.hello.server_name == "a.test");
    CHECK(reading.hello.protocols == std::vector<std::string>{"h2", "http/1.1"});
    CHECK_FALSE(reading.hello.encrypted);
    const HelloReading none = read_client_hello(record(hello({})));
    REQUIRE(none.state == State::Complete);
    CHECK_FALSE(none.hello.server_name);
    CHECK(read_client_hello(record(hello_without_extensions())).state == State::Complete);
}

TEST_CASE("a hello is waited for until its last byte, however it is cut", "[egress][tls]") {
    const std::string message = hello({server_name("a.test")});
    const std::string whole = record(message);
    for (size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(read_client_hello(whole.substr(0, size)).state == State::Incomplete);
    }
    std::string records; // as many as there may be
    const size_t part = message.size() / 60 + 1;
    for (size_t at = 0; at < message.size(); at += part) {
        records += record(message.substr(at, part));
    }
    const HelloReading reading = read_client_hello(records);
    REQUIRE(reading.state == State::Complete);
    CHECK(reading.hello.server_name == "a.test");
}

TEST_CASE("what follows the hello in further records is not its matter", "[egress][tls]") {
    CHECK(read_client_hello(record(hello({server_name("a.test")})) + "early data").state == State::Complete);
    CHECK(read_client_hello(record(hello({server_name("a.test")}) + "x")).state == State::Invalid);
}

TEST_CASE("two names, or a name of another kind, are none", "[egress][tls]") {
    CHECK(read_client_hello(record(hello({server_name("a.test"), server_name("b.test")}))).state == State::Invalid);
    CHECK(read_client_hello(record(hello({server_names({"a.test", "b.test"})}))).state == State::Invalid);
    CHECK(read_client_hello(record(hello({server_name("")}))).state == State::Invalid);
    CHECK(read_client_hello(record(hello({extension(0, "")}))).state == State::Invalid);
    CHECK(read_client_hello(record(hello({extension(0, std::string("\0\x05\x01\0\x02" "aa", 7))}))).state == State::Invalid);
}

TEST_CASE("an encrypted hello is told apart", "[egress][tls]") {
    const HelloReading reading = read_client_hello(record(hello({server_name("a.test"), extension(0xFE0D, "xyz")})));
    REQUIRE(reading.state == State::Complete);
    CHECK(reading.hello.encrypted);
}

TEST_CASE("no size is believed beyond the bounds", "[egress][tls]") {
    CHECK(read_client_hello(std::string("\x16\x03\x01\xFF\xFF", 5)).state == State::Invalid);
    CHECK(read_client_hello(std::string("\x16\x03\x01\0\0", 5)).state == State::Invalid);
    CHECK(read_client_hello(std::string("\x16\x03\x01\0\x04\x01\xFF\xFF\xFF", 9)).state == State::Invalid);
    std::string many;
    for (int i = 0; i < 100; ++i) {
        many += record(i == 0 ? "\x01" : i < 4 ? std::string(1, i == 2 ? '\x3F' : '\0') : "x");
    }
    CHECK(read_client_hello(many).state == State::Invalid);
    std::string bent = hello({server_name("a.test")});
    bent[bent.size() - 9] = '\x7F';
    CHECK(read_client_hello(record(bent)).state == State::Invalid);
}

TEST_CASE("other records and handshakes are no hello", "[egress][tls]") {
    CHECK(read_client_hello("\x17\x03\x03").state == State::Invalid);
    CHECK(read_client_hello("\x16\x02").state == State::Invalid);
    CHECK(read_client_hello(record("\x02")).state == State::Invalid);
}

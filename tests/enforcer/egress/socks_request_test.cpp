#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/socks_request.h"

using namespace treadline::egress;
using State = SocksReading::State;

namespace {

std::string bytes(std::initializer_list<int> numbers) {
    std::string text;
    for (const int number : numbers) {
        text.push_back(static_cast<char>(number));
    }
    return text;
}

const std::string to_name = bytes({5, 1, 0, 3, 8}) + "web.test" + bytes({1, 187});

} // namespace

TEST_CASE("a SOCKS5 greeting offers no authentication, or is refused", "[egress][socks]") {
    const SocksReading plain = read_socks_greeting(bytes({5, 2, 0, 2}) + "more");
    CHECK(plain.state == State::Complete);
    CHECK(plain.size == 4);
    CHECK(read_socks_greeting(bytes({5, 2, 2, 0})).state == State::Complete);
    CHECK(read_socks_greeting(bytes({5, 1, 2})).state == State::Invalid);
    CHECK(read_socks_greeting(bytes({5, 0})).state == State::Invalid);
    CHECK(read_socks_greeting(bytes({4, 1, 0})).state == State::Invalid);
    CHECK(read_socks_greeting(bytes({5, 1, 2, 0})).state == State::Invalid); // 0 is not one of the methods
    CHECK(socks_method(true) == bytes({5, 0}));
    CHECK(socks_method(false) == bytes({5, 255}));
}

TEST_CASE("a SOCKS5 request names a host or an address, with a port", "[egress][socks]") {
    const SocksRequest name = read_socks_request(to_name + "\x16\x03");
    REQUIRE(name.state == State::Complete);
    CHECK(name.host == "web.test");
    CHECK_FALSE(name.address);
    CHECK(name.port == 443);
    CHECK(name.size == to_name.size());
    const SocksRequest four = read_socks_request(bytes({5, 1, 0, 1, 192, 0, 2, 7, 0, 80}));
    REQUIRE(four.state == State::Complete);
    CHECK(four.host == "192.0.2.7");
    CHECK(four.address);
    CHECK(four.port == 80);
    const SocksRequest six = read_socks_request(bytes({5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 80}));
    REQUIRE(six.state == State::Complete);
    CHECK(six.host == "2001:db8::9");
    const SocksRequest nul = read_socks_request(bytes({5, 1, 0, 3, 3, 'a', 0, 'b', 0, 80})); // for whoever judges names
    CHECK(nul.host == std::string("a\0b", 3));
}

TEST_CASE("a SOCKS5 request is waited for as long as it is not whole, however it is cut", "[egress][socks]") {
    for (size_t size = 0; size < to_name.size(); ++size) {
        CAPTURE(size);
        CHECK(read_socks_request(to_name.substr(0, size)).state == State::Incomplete);
    }
    const std::string greeting = bytes({5, 1, 0});
    for (size_t size = 0; size < greeting.size(); ++size) {
        CHECK(read_socks_greeting(greeting.substr(0, size)).state == State::Incomplete);
    }
}

TEST_CASE("another command, version or kind of address is refused in SOCKS5's own words", "[egress][socks]") {
    const auto refused = [](const std::string& request, SocksReply reply) {
        const SocksRequest reading = read_socks_request(request);
        CHECK(reading.state == State::Invalid);
        CHECK_FALSE(reading.problem.empty());
        CHECK(reading.reply == reply);
    };
    refused(bytes({5, 2, 0, 1, 0}), SocksReply::CommandNotSupported);
    refused(bytes({5, 3, 0, 1, 0}), SocksReply::CommandNotSupported);
    CHECK(read_socks_request(bytes({5, 3, 0, 1, 0})).problem.find("UDP") != std::string::npos);
    refused(bytes({5, 1, 0, 2, 0}), SocksReply::AddressTypeNotSupported);
    refused(bytes({5, 1, 1, 1, 0}), SocksReply::NotAllowed);
    refused(bytes({5, 1, 0, 3, 0}), SocksReply::NotAllowed);
    refused(bytes({4}), SocksReply::NotAllowed);
    CHECK(socks_answer(SocksReply::NotAllowed) == bytes({5, 2, 0, 1, 0, 0, 0, 0, 0, 0}));
}

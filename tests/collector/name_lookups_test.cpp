#include "collector/name_lookups.h"

#include <catch2/catch_test_macros.hpp>

#include "collector/varlink_message.h"
#include "tests/support/dns_bytes.h"

using namespace treadline;
using namespace treadline::test;
using Protocol = ResolverTraffic::Protocol;

namespace {

using Texts = std::vector<std::string>;
constexpr uint64_t a_socket = 11;
constexpr uint64_t another_socket = 12;
constexpr uint64_t always = ~uint64_t{0};

std::string query(const std::string& name, uint16_t id = 1) {
    return DnsBytes(id, 0x0100).question(dns_name(name), dns_a).bytes();
}
std::string answer(const std::string& name, char last, uint16_t id = 1) {
    return DnsBytes(id, 0x8180)
        .question(dns_name(name), dns_a)
        .answer(std::string(dns_question_pointer), dns_a, std::string("\x0a\0\0", 3) + last)
        .bytes();
}
std::string framed(const std::string& message) {
    return big_endian(static_cast<uint16_t>(message.size())) + message;
}
const std::string call =
    R"({"method":"io.systemd.Resolve.ResolveHostname","parameters":{"name":"A.example"}})";
const std::string reply =
    R"({"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[10,0,0,1]},)"
    R"({"family":10,"address":[32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1]}],"name":"edge.example","flags":1}})";

std::string nul(const std::string& text) {
    return text + '\0';
}

} // namespace

TEST_CASE("an answer counts when its question was sent on the same socket", "[collector][names]") {
    ResolverTraffic traffic;
    traffic.sent(a_socket, Protocol::Datagram, query("a.example"), true);
    CHECK(traffic.received(another_socket, Protocol::Datagram, answer("a.example", 1), true).empty());
    CHECK(traffic.received(a_socket, Protocol::Datagram, answer("a.example", 1, 2), true).empty()); // id
    CHECK(traffic.received(a_socket, Protocol::Datagram, answer("b.example", 1), true).empty());
    const auto got = traffic.received(a_socket, Protocol::Datagram, answer("A.Example", 1), true);
    REQUIRE(got.size() == 1);
    CHECK(got[0].name == "a.example");
    CHECK(got[0].addresses == Texts{"10.0.0.1"});
    CHECK_FALSE(got[0].truncated);
    // Whoever answers second is not believed.
    CHECK(traffic.received(a_socket, Protocol::Datagram, answer("a.example", 2), true).empty());
}

TEST_CASE("an answer that is to be asked for again over TCP says so", "[collector][names]") {
    ResolverTraffic traffic;
    traffic.sent(a_socket, Protocol::Datagram, query("a.example"), true);
    const auto got =
        traffic.received(a_socket, Protocol::Datagram,
                         DnsBytes(1, 0x8380).question(dns_name("a.example"), dns_a).bytes(), true);
    REQUIRE(got.size() == 1);
    CHECK(got[0].truncated);
}

TEST_CASE("a datagram that was cut off binds nothing", "[collector][names]") {
    ResolverTraffic traffic;
    traffic.sent(a_socket, Protocol::Datagram, query("a.example"), true);
    CHECK(traffic.received(a_socket, Protocol::Datagram, answer("a.example", 1), false).empty());
    CHECK(traffic.received(a_socket, Protocol::Datagram, answer("a.example", 1), true).size() == 1);
}

TEST_CASE("messages over TCP are put together whatever pieces they arrive in", "[collector][names]") {
    const std::string out = framed(query("a.example", 1)) + framed(query("b.example", 2));
    const std::string in = framed(answer("b.example", 2, 2)) + framed(answer("a.example", 1, 1));
    for (size_t piece = 1; piece <= in.size(); ++piece) {
        ResolverTraffic traffic;
        Texts names;
        for (size_t at = 0; at < out.size(); at += piece) {
            traffic.sent(a_socket, Protocol::Stream, out.substr(at, piece), true);
        }
        for (size_t at = 0; at < in.size(); at += piece) {
            for (const NameAnswer& got :
                 traffic.received(a_socket, Protocol::Stream, in.substr(at, piece), true)) {
                names.push_back(got.name);
            }
        }
        CHECK(names == Texts{"b.example", "a.example"});
    }
}

TEST_CASE("a stream goes on after a message that is too long, and ends where bytes are missing",
          "[collector][names]") {
    ResolverTraffic traffic;
    traffic.sent(a_socket, Protocol::Stream, framed(query("a.example")) + framed(query("b.example", 2)),
                 true);
    const std::string in = framed(std::string(max_dns_message + 1, 'x')) + framed(answer("a.example", 1));
    CHECK(traffic.received(a_socket, Protocol::Stream, in.substr(0, 100), true).empty());
    CHECK(traffic.received(a_socket, Protocol::Stream, in.substr(100), true).size() == 1);
    CHECK(traffic.received(a_socket, Protocol::Stream, "\x10", false).empty());
    CHECK(traffic.received(a_socket, Protocol::Stream, framed(answer("b.example", 1, 2)), true).empty());
}

TEST_CASE("answers of systemd-resolved's socket belong to its calls in their order", "[collector][names]") {
    ResolverTraffic traffic;
    const std::string other = R"({"method":"io.systemd.Resolve.ResolveAddress","parameters":{}})";
    traffic.sent(a_socket, Protocol::Varlink, nul(other) + nul(call).substr(0, 9), true);
    traffic.sent(a_socket, Protocol::Varlink, nul(call).substr(9), true);
    CHECK(traffic.received(a_socket, Protocol::Varlink, nul(R"({"parameters":{"names":[]}})"), true).empty());
    const auto got = traffic.received(a_socket, Protocol::Varlink, nul(reply), true);
    REQUIRE(got.size() == 1);
    CHECK(got[0].name == "a.example");
    CHECK(got[0].addresses == Texts{"10.0.0.1", "2001:db8::1"});
    CHECK(traffic.received(a_socket, Protocol::Varlink, nul(reply), true).empty());

    ResolverTraffic failing;
    failing.sent(a_socket, Protocol::Varlink, nul(call), true);
    const auto failed =
        failing.received(a_socket, Protocol::Varlink,
                         nul(R"({"error":"io.systemd.Resolve.DNSError","parameters":{"rcode":3}})"), true);
    REQUIRE(failed.size() == 1);
    CHECK(failed[0].addresses.empty());
}

TEST_CASE("varlink messages that are not what they should be are refused", "[collector][names]") {
    CHECK(parse_varlink_reply(reply)->addresses.size() == 2);
    for (size_t size = 0; size < reply.size(); ++size) {
        CHECK_FALSE(parse_varlink_reply(reply.substr(0, size)));
    }
    CHECK_FALSE(parse_varlink_call(R"({"parameters":{"name":"a.example"}})"));
    CHECK_FALSE(parse_varlink_call(R"([1])"));
    CHECK_FALSE(parse_varlink_reply(std::string(100'000, '[')));
    CHECK_FALSE(parse_varlink_reply(std::string(R"({"parameters":)") + std::string(40, '[') +
                                    std::string(40, ']') + "}"));
    for (const char* address :
         {"[10,0,0]", "[10,0,0,256]", "[10,0,0,-1]", "[10,0,0,1.5]", R"(["a",0,0,1])", "7", "{}", "null"}) {
        const std::string odd =
            R"({"parameters":{"addresses":[{"family":2,"address":)" + std::string(address) + "}]}}";
        INFO(odd);
        CHECK(parse_varlink_reply(odd)->addresses.empty());
    }
    CHECK(parse_varlink_call(R"({"method":"io.systemd.Resolve.ResolveHostname","parameters":{"name":7}})")
              ->name.empty());
}

TEST_CASE("who looked a name up is asked first, then whom it descends from, then everybody",
          "[collector][names]") {
    AddressNames names;
    const uint64_t grandparent = 1;
    const uint64_t parent = 2;
    const uint64_t child = 3;
    const uint64_t stranger = 9;
    const std::vector line = {child, parent, grandparent};
    CHECK(names.empty());
    REQUIRE(names.learn(stranger, "stranger.example", "10.0.0.1", 1));
    CHECK(names.find(line, "10.0.0.1", always) == Texts{"stranger.example"});
    REQUIRE(names.learn(grandparent, "old.example", "10.0.0.1", 2));
    CHECK(names.find(line, "10.0.0.1", always) == Texts{"old.example"});
    REQUIRE(names.learn(child, "own.example", "10.0.0.1", 3));
    CHECK(names.find(line, "10.0.0.1", always) == Texts{"own.example"});
    CHECK(names.find(line, "10.0.0.2", always).empty());
}

TEST_CASE("an address that two names gave is ambiguous, one that a name gave twice is not",
          "[collector][names]") {
    AddressNames names;
    REQUIRE(names.learn(1, "b.example", "10.0.0.1", 1));
    REQUIRE(names.learn(1, "b.example", "10.0.0.1", 2));
    CHECK(names.find(std::vector<uint64_t>{1}, "10.0.0.1", always) == Texts{"b.example"});
    REQUIRE(names.learn(1, "a.example", "10.0.0.1", 3));
    CHECK(names.find(std::vector<uint64_t>{1}, "10.0.0.1", always) == Texts{"a.example", "b.example"});
    CHECK(names.find(std::vector<uint64_t>{1}, "10.0.0.1", 2) ==
          Texts{"b.example"}); // a look at earlier times
}

#include "collector/dns_message.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/support/dns_bytes.h"

using namespace treadline;
using namespace treadline::test;

namespace {

using Texts = std::vector<std::string>;
const std::string ten_0_0_1("\x0a\x00\x00\x01", 4);
const std::string ten_0_0_2("\x0a\x00\x00\x02", 4);
const std::string asked(dns_question_pointer);

DnsBytes response(const std::string& name, uint16_t type = dns_a) {
    return DnsBytes(7, 0x8180).question(dns_name(name), type);
}

} // namespace

TEST_CASE("a query says which name it asks for, in lower case", "[collector][dns]") {
    const auto query = parse_dns(DnsBytes(513, 0x0100).question(dns_name("WWW.Example.org"), dns_a).bytes());
    REQUIRE(query);
    CHECK(query->id == 513);
    CHECK_FALSE(query->response);
    CHECK(query->name == "www.example.org");
    CHECK(query->asks_for_addresses());
    CHECK_FALSE(parse_dns(DnsBytes(1, 0x0100).question(dns_name("a.example"), dns_txt).bytes())
                    ->asks_for_addresses());
}

TEST_CASE("A and AAAA records of the name asked for are its addresses", "[collector][dns]") {
    auto both = response("a.example").answer(asked, dns_a, ten_0_0_1).answer(asked, dns_a, ten_0_0_2);
    CHECK(parse_dns(both.bytes())->addresses == Texts{"10.0.0.1", "10.0.0.2"});
    const std::string six("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    CHECK(parse_dns(response("a.example", dns_aaaa).answer(asked, dns_aaaa, six).bytes())->addresses ==
          Texts{"2001:db8::1"});
    const std::string mapped("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
    CHECK(parse_dns(response("a.example", dns_aaaa).answer(asked, dns_aaaa, mapped).bytes())->addresses ==
          Texts{"10.0.0.1"});
}

TEST_CASE("an alias leads from the name asked for to its addresses", "[collector][dns]") {
    // The second alias comes first: the order of records means nothing.
    auto chain = response("www.example")
                     .answer(dns_name("cdn.example"), dns_cname, dns_name("edge.example"))
                     .answer(dns_name("EDGE.example"), dns_a, ten_0_0_1)
                     .answer(asked, dns_cname, dns_name("cdn.example"));
    const auto parsed = parse_dns(chain.bytes());
    CHECK(parsed->name == "www.example");
    CHECK(parsed->addresses == Texts{"10.0.0.1"});
    auto circle = response("a.example")
                      .answer(asked, dns_cname, dns_name("b.example"))
                      .answer(dns_name("b.example"), dns_cname, dns_name("a.example"));
    CHECK(parse_dns(circle.bytes())->addresses.empty());
}

TEST_CASE("records that nobody asked for bind nothing", "[collector][dns]") {
    auto spoofed = response("evil.example")
                       .answer(asked, dns_a, ten_0_0_1)
                       .answer(dns_name("bank.example"), dns_a, ten_0_0_2)
                       .additional(dns_name("evil.example"), dns_a, ten_0_0_2);
    CHECK(parse_dns(spoofed.bytes())->addresses == Texts{"10.0.0.1"});
}

TEST_CASE("an error code is a failed lookup, whatever else the message holds", "[collector][dns]") {
    const auto missing = parse_dns(
        DnsBytes(7, 0x8183).question(dns_name("no.example"), dns_a).answer(asked, dns_a, ten_0_0_1).bytes());
    CHECK(missing->failed);
    CHECK(missing->addresses.empty());
    const auto no_data = parse_dns(response("a.example").bytes());
    CHECK_FALSE(no_data->failed);
    CHECK(no_data->addresses.empty());
}

TEST_CASE("what is no plain DNS message is refused", "[collector][dns]") {
    const std::string good = response("a.example").answer(asked, dns_a, ten_0_0_1).bytes();
    for (size_t size = 0; size < good.size(); ++size) {
        CHECK_FALSE(parse_dns(good.substr(0, size)));
    }
    CHECK_FALSE(parse_dns(DnsBytes(7, 0x8180).bytes())); // no question
    CHECK_FALSE(
        parse_dns(response("a.example").question(dns_name("b.example"), dns_a).bytes())); // two of them
    CHECK_FALSE(parse_dns(DnsBytes(7, 0x0100).question("\xc0\x0c", dns_a).bytes()));      // points to itself
    CHECK_FALSE(parse_dns(DnsBytes(7, 0x0100).question("\xc0\xff", dns_a).bytes()));      // points outside
    CHECK_FALSE(parse_dns(response("a.example").answer(asked, dns_a, "\x0a").bytes()));   // one byte
    CHECK_FALSE(parse_dns(DnsBytes(7, 0x2800).question(dns_name("a.example"), dns_a).bytes())); // an update
    CHECK_FALSE(parse_dns(good + std::string(max_dns_message, '\0')));
}

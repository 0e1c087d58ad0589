#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/dns_responder.h"
#include "tests/enforcer/egress/decided.h"

using namespace treadline;
using namespace treadline::egress;
using namespace treadline::test;

namespace {

constexpr unsigned a = 1;
constexpr unsigned txt = 16;
constexpr unsigned aaaa = 28;
constexpr unsigned https = 65;
constexpr unsigned any = 255;

// Its question; with `extended`, an OPT record that says it understands RFC 6891.
std::string question(const std::string& name, unsigned type, bool extended = false, unsigned klass = 1) {
    std::string bytes("\x12\x34\x01\0\0\x01\0\0\0\0\0", 11);
    bytes.push_back(extended ? '\x01' : '\0');
    for (const std::string_view label : split(name, '.')) {
        bytes.push_back(static_cast<char>(label.size()));
        bytes += label;
    }
    bytes.push_back('\0');
    for (const unsigned number : {type, klass}) {
        bytes.push_back(static_cast<char>(number >> 8));
        bytes.push_back(static_cast<char>(number & 0xFF));
    }
    return extended ? bytes + std::string("\0\0\x29\x04\xD0\0\0\0\0\0\0", 11) : bytes;
}

unsigned rcode(const std::string& reply) {
    return static_cast<unsigned char>(reply.at(3)) & 0xF;
}
unsigned answers(const std::string& reply) {
    return static_cast<unsigned char>(reply.at(7));
}

struct Resolver {
    egress::Decision decision;
    NameTable names;
    std::vector<Violation> violations;
    DnsResponder responder;

    explicit Resolver(const std::vector<std::string>& connect, std::vector<std::string> search = {})
        : decision(decided_by(connect)),
          responder(decision, names, std::move(search), [this](Violation violation) { violations.push_back(std::move(violation)); }) {}
    std::string ask(const std::string& message) { return responder.answer(message).value_or(""); }
};

} // namespace

TEST_CASE("an allowed name has an address of its own, in both families", "[egress][dns]") {
    Resolver resolver({"a.test:443", "b.test:80"});
    const std::string four = resolver.ask(question("a.test", a));
    REQUIRE(rcode(four) == 0);
    REQUIRE(answers(four) == 1);
    CHECK(four.substr(0, 2) == "\x12\x34");
    CHECK(four.substr(four.size() - 4) == std::string("\xC6\x12\x01\0", 4)); // 198.18.1.0
    CHECK(resolver.ask(question("A.Test", a)).substr(four.size() - 4) == four.substr(four.size() - 4));
    CHECK(resolver.ask(question("b.test", a)).substr(four.size() - 4) != four.substr(four.size() - 4));
    CHECK(answers(resolver.ask(question("a.test", aaaa))) == 1);
    CHECK(resolver.violations.empty());
    CHECK(resolver.names.name_of("198.18.1.0") == "a.test");
    CHECK(resolver.names.name_of("198.18.1.1") == "b.test");
}

TEST_CASE("a name no rule names does not exist, and is one violation", "[egress][dns]") {
    Resolver resolver({"a.test:443"});
    const std::string reply = resolver.ask(question("c2VjcmV0.evil.test", a));
    CHECK(rcode(reply) == 3);
    CHECK(answers(reply) == 0);
    REQUIRE(resolver.violations.size() == 1);
    CHECK(resolver.violations[0].object == "c2vjcmv0.evil.test");
    CHECK(resolver.violations[0].rule == "c2vjcmv0.evil.test:443");
}

TEST_CASE("who asks for it is told why, others are not", "[egress][dns]") {
    Resolver resolver({"a.test:443"});
    const std::string extended = resolver.ask(question("evil.test", a, true));
    CHECK(rcode(extended) == 3);
    CHECK(extended.find("treadline: no `connect` rule names 'evil.test'") != std::string::npos);
    CHECK(extended.find(std::string("\0\x12treadline", 11)) != std::string::npos); // code 18, prohibited
    CHECK(resolver.ask(question("evil.test", a)).find("treadline") == std::string::npos);
    CHECK(resolver.ask(question("a.test", a, true)).find("treadline") == std::string::npos);
}

TEST_CASE("of an allowed name nothing but addresses is known", "[egress][dns]") {
    Resolver resolver({"a.test:443"});
    for (const unsigned type : {txt, https, any, 64U, 10U}) {
        const std::string reply = resolver.ask(question("a.test", type));
        CHECK(rcode(reply) == 0);
        CHECK(answers(reply) == 0);
    }
    CHECK(rcode(resolver.ask(question("a.test", a, false, 3))) == 3); // CHAOS
    CHECK(rcode(resolver.ask(question("evil.test", txt))) == 3);
    CHECK(rcode(resolver.ask(question("1.0.0.10.in-addr.arpa", 12))) == 3);
}

TEST_CASE("a name that search domains were appended to is no denial of its own", "[egress][dns]") {
    Resolver resolver({"a.test:443"}, {"corp.example"});
    CHECK(rcode(resolver.ask(question("b.test.corp.example", a))) == 3);
    CHECK(resolver.violations.empty());
    CHECK(rcode(resolver.ask(question("b.test", a))) == 3);
    CHECK(resolver.violations.size() == 1);
}

TEST_CASE("labels that only look like a name are none", "[egress][dns]") {
    Resolver resolver({"a.test:443"});
    std::string dotted = question("aXtest", a);
    dotted[14] = '.'; // one label "a.test"
    CHECK(rcode(resolver.ask(dotted)) == 3);
    std::string zero = question("a.test", a);
    zero[13] = '\0';
    CHECK(answers(resolver.ask(zero)) == 0);
}

TEST_CASE("what is no question gets no answer, and what is odd an error", "[egress][dns]") {
    Resolver resolver({"a.test:443"});
    CHECK_FALSE(resolver.responder.answer(""));
    CHECK_FALSE(resolver.responder.answer("nonsense"));
    CHECK(rcode(resolver.ask(question("a.test", a).substr(0, 20))) == 1);
    std::string pointer = question("a.test", a);
    pointer[12] = '\xC0';
    CHECK(rcode(resolver.ask(pointer)) == 1);
    CHECK(rcode(resolver.ask(question(std::string(63, 'x') + "." + std::string(63, 'x') + "." + std::string(63, 'x') + "." + std::string(63, 'x'), a))) == 1);
    std::string response = question("a.test", a);
    response[2] = '\x81';
    CHECK_FALSE(resolver.responder.answer(response)); // else two responders would answer each other for ever
    std::string update = question("a.test", a);
    update[2] = '\x28';
    CHECK(rcode(resolver.ask(update)) == 4);
}

TEST_CASE("the number of names is bounded", "[egress][dns]") {
    Resolver resolver({"*.a.test:443"});
    for (size_t i = 0; i < NameTable::max_names; ++i) {
        REQUIRE(resolver.names.addresses_of(std::to_string(i) + ".a.test"));
    }
    CHECK(rcode(resolver.ask(question("0.a.test", a))) == 0);
    CHECK(rcode(resolver.ask(question("more.a.test", a))) == 3);
    CHECK(resolver.violations.size() == 1);
    CHECK_FALSE(resolver.names.name_of("198.18.17.0")); // one beyond
    CHECK(resolver.names.name_of("198.18.16.255") == "4095.a.test");
    CHECK_FALSE(resolver.names.name_of("198.18.0.255"));
}

TEST_CASE("what is asked about a name's services is the name's, and nothing else below it is", "[egress][dns]") {
    Resolver resolver({"a.test:8443"});
    for (const unsigned type : {33U, 64U, https}) { // SRV, SVCB, HTTPS
        const std::string reply = resolver.ask(question("_8443._https.a.test", type));
        CHECK(rcode(reply) == 0);
        CHECK(answers(reply) == 0);
    }
    CHECK(resolver.violations.empty());
    CHECK(rcode(resolver.ask(question("_8443._https.evil.test", https))) == 3);
    REQUIRE(resolver.violations.size() == 1);
    CHECK(resolver.violations[0].object == "evil.test");
    CHECK(rcode(resolver.ask(question("_8443._https.a.test", a))) == 3);
    CHECK(rcode(resolver.ask(question("_8443._https.a.test", txt))) == 3);
    CHECK(rcode(resolver.ask(question("_https.x.a.test", https))) == 3);
}

// What rules that name methods and paths let through, and what budgets count, with no socket near.
#include <limits>

#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/budget.h"
#include "enforcer/egress/http_request.h"
#include "tests/enforcer/egress/decided.h"

using namespace treadline;
using namespace treadline::egress;
using namespace treadline::test;

namespace {

egress::Decision held_by(const std::string& network) {
    const auto profile = read_profile("treadline: 1\nnetwork: {" + network + "}\n", "profile.yaml");
    REQUIRE(profile);
    auto policy = Policy::build(*profile, "profile.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; });
    REQUIRE(policy);
    return egress::Decision(std::make_shared<const Policy>(std::move(*policy)));
}

Budgets budgets(const std::string& list) {
    const auto profile = read_profile("treadline: 1\nnetwork: {budgets: [" + list + "]}\n", "profile.yaml");
    REQUIRE(profile);
    auto policy = Policy::build(*profile, "profile.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; });
    REQUIRE(policy);
    return Budgets(std::make_shared<const Policy>(std::move(*policy)));
}

const std::string mirror = "connect: [{host: \"mirror.test:80\", methods: [GET, HEAD], paths: [\"/debian/**\"]}]";

HttpRequest head(const std::string& text) {
    const HttpReading reading = read_http_head(text + "\r\n");
    REQUIRE(reading.state == HttpReading::State::Complete);
    return reading.request;
}

HttpRequest asking(const std::string& method, const std::string& target, const std::string& more = "") {
    return head(method + " " + target + " HTTP/1.1\r\nHost: mirror.test\r\n" + more);
}

TlsHello hello(const std::string& name) {
    TlsHello hello;
    hello.server_name = name;
    return hello;
}

} // namespace

TEST_CASE("a request passes if the rule for its host speaks of it", "[egress][requests]") {
    const egress::Decision decision = held_by(mirror);
    const Contact there = named("mirror.test", 80);
    CHECK(decision.lookup("mirror.test").allowed);
    CHECK(decision.contact(there).allowed);
    CHECK_FALSE(decision.any_protocol(there));
    CHECK(decision.http(there, asking("GET", "/debian/x")).allowed);
    CHECK(decision.http(there, asking("HEAD", "http://mirror.test/debian/x?y")).allowed);
    const Verdict post = decision.http(there, asking("POST", "/debian/x"));
    CHECK_FALSE(post.allowed);
    CHECK(post.violation.operation == "request");
    CHECK(post.violation.object == "mirror.test:80");
    CHECK(post.violation.section == "network.connect");
    CHECK(post.violation.rule == "{host: \"mirror.test:80\", methods: [POST], paths: [/debian/x]}");
    for (const char* target : {"/", "/ubuntu/x", "/debian", "/debian/../x", "/debian//x", "/debian/%2e%2e/x", "/debian/..;/x", "*", "http://mirror.test/x"}) {
        CAPTURE(target);
        CHECK_FALSE(decision.http(there, asking("GET", target)).allowed);
    }
    CHECK_FALSE(decision.http(there, asking("OPTIONS", "/debian/x")).allowed);
    CHECK_FALSE(decision.http(named("mirror.test", 81), asking("GET", "/debian/x")).allowed);
}

TEST_CASE("no header makes another request of one that passes", "[egress][requests]") {
    const egress::Decision decision = held_by(mirror);
    const egress::Decision free = held_by("connect: [\"mirror.test:80\"]");
    const Contact there = named("mirror.test", 80);
    for (const char* header : {"X-HTTP-Method-Override: DELETE\r\n", "x-method-override: PUT\r\n", "X-Original-URL: /admin\r\n", "X-Rewrite-URL: /admin\r\n",
                               "Connection: close, Host\r\n", "Connection: close\r\nConnection: X-Any\r\n"}) {
        CAPTURE(header);
        CHECK_FALSE(decision.http(there, asking("GET", "/debian/x", header)).allowed);
        CHECK(free.http(there, asking("GET", "/debian/x", header)).allowed); // where no rule names requests, nothing is gained by it
    }
    CHECK(decision.http(there, asking("GET", "/debian/x", "Connection: keep-alive, TE\r\nTE: trailers\r\n")).allowed);
}

TEST_CASE("TLS passes to a host whose requests are named only where it is looked into", "[egress][requests]") {
    const std::string rule = "connect: [{host: \"api.test:443\", methods: [GET]}]";
    const Contact api = named("api.test", 443);
    const Verdict hidden = held_by(rule).tls(api, hello("api.test"));
    CHECK_FALSE(hidden.allowed);
    CHECK(hidden.violation.section == "network.inspect");
    CHECK(hidden.violation.rule == "api.test:443");
    CHECK(held_by(rule + ", inspect: [\"api.test:443\"]").tls(api, hello("api.test")).allowed);
    CHECK(held_by(rule + ", credentials: [{host: api.test, header: Authorization, value: \"${env:KEY}\"}]").tls(api, hello("api.test")).allowed);
    CHECK(held_by("connect: [{host: \"api.test:443\", methods: [GET]}, \"api.test:443\"]").tls(api, hello("api.test")).allowed);
}

TEST_CASE("a budget counts all connections together, and nothing beyond it goes", "[egress][budgets]") {
    Budgets counted = budgets("{host: \"a.test:443\", sent: 1K, requests: 2}");
    auto one = counted.of("a.test", 443);
    auto two = counted.of("a.test", 443);
    CHECK_FALSE(one.send(1000));
    CHECK(two.send(25));
    CHECK_FALSE(two.send(24)); // what was refused has not been counted
    const auto over = one.send(1);
    REQUIRE(over);
    CHECK(over->layer == "egress");
    CHECK(over->operation == "send");
    CHECK(over->object == "a.test:443");
    CHECK(over->section == "network.budgets");
    CHECK(over->rule == "{host: \"a.test:443\", sent: 2K, requests: 4}");
    CHECK_FALSE(one.send(0));
    CHECK_FALSE(one.request());
    CHECK_FALSE(two.request());
    REQUIRE(counted.of("a.test", 443).request());
    CHECK(counted.of("a.test", 443).request()->operation == "request");
    for (const auto& [host, port] : {std::pair("a.test", 80), std::pair("x.a.test", 443), std::pair("b.test", 443), std::pair("10.0.0.5", 443)}) {
        auto other = counted.of(host, static_cast<uint16_t>(port));
        CHECK_FALSE(other.limited());
        CHECK_FALSE(other.send(std::numeric_limits<uint64_t>::max()));
    }
}

TEST_CASE("the hosts of a wildcard share a budget, and one with its own is held to both", "[egress][budgets]") {
    Budgets counted = budgets("{host: \"*.a.test:80\", sent: 2K}, {host: \"x.a.test:80\", sent: 1K}");
    CHECK_FALSE(counted.of("y.a.test", 80).send(1000));
    CHECK_FALSE(counted.of("x.a.test", 80).send(1024));
    CHECK(counted.of("x.a.test", 80).send(1));
    const auto over = counted.of("z.a.test", 80).send(25);
    REQUIRE(over);
    CHECK(over->object == "*.a.test:80"); // one denial, whatever names are made up
    CHECK_FALSE(counted.of("z.a.test", 80).send(24));
    CHECK_FALSE(counted.of("a.test", 80).limited());
}

TEST_CASE("an address, and a service on the host's loopback, have budgets of their own", "[egress][budgets]") {
    Budgets counted = budgets("{host: \"10.0.0.5:5432\", sent: 1K}, {host: \"[2001:db8::1]:80\", requests: 1}, {host: \"host:5432\", sent: 1K}");
    CHECK(counted.of("10.0.0.5", 5432).send(1025));
    CHECK_FALSE(counted.of("2001:db8::1", 80).request());
    CHECK(counted.of("2001:db8::1", 80).request()->rule == "{host: \"[2001:db8::1]:80\", requests: 2}");
    CHECK(counted.of("host", 5432).send(1025));
    CHECK_FALSE(counted.of("10.0.0.6", 5432).limited());
}

TEST_CASE("amounts near the largest number do not wrap around", "[egress][budgets]") {
    Budgets counted = budgets("{host: \"a.test:443\", sent: 16777215T, requests: 18446744073709551615}");
    auto account = counted.of("a.test", 443);
    CHECK(account.send(std::numeric_limits<uint64_t>::max()));
    CHECK_FALSE(account.send(16777215ULL << 40));
    CHECK(account.send(1));
    CHECK(account.send(std::numeric_limits<uint64_t>::max()));
    CHECK(account.send(1)->rule == "{host: \"a.test:443\", sent: 16777215T, requests: 18446744073709551615}");
}

// What the gateway decides, with no socket near: every allow has its deny.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "enforcer/egress/decision.h"
#include "tests/enforcer/egress/decided.h"

using namespace treadline;
using namespace treadline::egress;
using namespace treadline::test;

namespace {

TlsHello asking_for(const std::string& name) {
    TlsHello hello;
    hello.server_name = name;
    return hello;
}

HttpRequest get(const std::string& host, const std::string& target = "/") {
    return {"GET", target, {host}, false};
}

bool says(const Verdict& verdict, const std::string& text) {
    return verdict.violation.reason.find(text) != std::string::npos;
}

} // namespace

TEST_CASE("a host has one form, and what is read in two ways is none", "[egress][decision]") {
    CHECK(canonical_host("GitHub.COM.") == "github.com");
    CHECK(canonical_host("xn--bcher-kva.example") == "xn--bcher-kva.example");
    const std::string text = GENERATE(as<std::string>(), "", ".", "b\xC3\xBC" "cher.example", "10.0.0.5", "2130706433", "0x7f.1", "0177.0.0.1", "127.1",
                                      "[::1]", "::ffff:10.0.0.5", "*.example.org", "a.test:80", "a.test/tcp", "user@a.test", "a.test\r\n", "a..test",
                                      std::string("a.test\0.b.test", 14));
    CAPTURE(text);
    CHECK_FALSE(canonical_host(text));
}

TEST_CASE("a name is looked up only if a rule names it", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:443", "*.b.test:80"});
    CHECK(decision.lookup("a.test").allowed);
    CHECK(decision.lookup("A.Test.").allowed);
    CHECK(decision.lookup("x.b.test").allowed);
    for (const char* name : {"b.test", "evila.test", "xa.test", "a.test.evil.test", "b.test.", "xb.test", "data.a.test"}) {
        CAPTURE(name);
        const Verdict verdict = decision.lookup(name);
        CHECK_FALSE(verdict.allowed);
        CHECK(verdict.violation.layer == "egress");
        CHECK(verdict.violation.operation == "lookup");
    }
    CHECK(decision.lookup("c.test").violation.rule == "c.test:443");
    CHECK_FALSE(decided_by({}).lookup("a.test").allowed);
}

TEST_CASE("`host` is no name to be looked up, whatever rules say", "[egress][decision]") {
    const egress::Decision decision = decided_by({"host:80", "a.test:80"});
    CHECK_FALSE(decision.lookup("host").allowed);
    CHECK_FALSE(decision.lookup("HOST.").allowed);
    CHECK_FALSE(canonical_host("host"));
    // A name may lead to what the rule opens anyway, and nowhere else.
    CHECK(decision.addresses(named("a.test", 80), {"127.0.0.1"}).allowed);
    CHECK_FALSE(decision.addresses(named("a.test", 80), {"127.0.0.2"}).allowed);
    CHECK_FALSE(decided_by({"host:81", "a.test:80"}).addresses(named("a.test", 80), {"127.0.0.1"}).allowed);
}

TEST_CASE("host and port are allowed together, by the profile's own decision", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:443", "10.0.0.5:5432", "[2001:db8::1]:443"});
    CHECK(decision.contact(named("a.test", 443)).allowed);
    CHECK(decision.contact(named("a.test", 443)).rule == "a.test:443");
    CHECK(decision.contact(dialled("10.0.0.5", 5432)).allowed);
    CHECK(decision.contact(dialled("2001:db8::1", 443)).allowed);
    const Verdict port = decision.contact(named("a.test", 80));
    CHECK_FALSE(port.allowed);
    CHECK(port.violation.rule == "a.test:80");
    CHECK(port.violation.section == "network.connect");
    CHECK_FALSE(decision.contact(dialled("10.0.0.6", 5432)).allowed);
    CHECK_FALSE(decision.contact(dialled("10.0.0.5", 443)).allowed);
    const Verdict metadata = decision.contact(dialled("169.254.169.254", 80));
    CHECK_FALSE(metadata.allowed);
    CHECK(metadata.violation.risk.find("metadata") != std::string::npos);
}

TEST_CASE("what `listen` allows on the loopback inside opens nothing outside", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:3000"}, "  listen: [3000]\n");
    CHECK(decision.contact(named("a.test", 3000)).allowed);
    CHECK_FALSE(decision.contact(dialled("127.0.0.1", 3000)).allowed);
    CHECK_FALSE(decision.addresses(named("a.test", 3000), {"127.0.0.1"}).allowed);
}

TEST_CASE("any protocol needs a rule that says tcp, or names an address", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:22/tcp", "b.test:22", "10.0.0.5:22"});
    CHECK(decision.any_protocol(named("a.test", 22)));
    CHECK(decision.any_protocol(dialled("10.0.0.5", 22)));
    CHECK_FALSE(decision.any_protocol(named("b.test", 22)));
    const Verdict verdict = decision.other_protocol(named("b.test", 22), "it speaks something else");
    CHECK_FALSE(verdict.allowed);
    CHECK(verdict.violation.rule == "b.test:22/tcp");
}

TEST_CASE("TLS asks for the name that was looked up, or the connection ends", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:443", "b.test:443"});
    const Contact contact = named("a.test", 443);
    CHECK(decision.tls(contact, asking_for("a.test")).allowed);
    CHECK(decision.tls(contact, asking_for("A.TEST")).allowed);
    CHECK_FALSE(decision.tls(contact, asking_for("b.test")).allowed); // allowed by itself, but not looked up
    CHECK(says(decision.tls(contact, asking_for("b.test")), "asks for 'b.test' where 'a.test' was looked up"));
    CHECK_FALSE(decision.tls(contact, asking_for("evil.test")).allowed);
    CHECK_FALSE(decision.tls(contact, asking_for(std::string("a.test\0evil.test", 16))).allowed);
    CHECK_FALSE(decision.tls(contact, asking_for("a.test/tcp")).allowed);
    const Verdict none = decision.tls(contact, {});
    CHECK_FALSE(none.allowed);
    CHECK(none.violation.rule == "a.test:443/tcp");
    TlsHello encrypted = asking_for("a.test");
    encrypted.encrypted = true;
    CHECK_FALSE(decision.tls(contact, encrypted).allowed);
    CHECK_FALSE(decision.tls(named("c.test", 443), asking_for("c.test")).allowed);
}

TEST_CASE("each HTTP request is for the host that was looked up", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:8080", "b.test:8080"});
    const Contact contact = named("a.test", 8080);
    CHECK(decision.http(contact, get("a.test:8080")).allowed);
    CHECK(decision.http(contact, get("A.test.")).allowed);
    CHECK(decision.http(contact, get("a.test", "http://a.test:8080/x")).allowed);
    CHECK(decision.http(contact, {"OPTIONS", "*", {"a.test"}, false}).allowed);
    CHECK_FALSE(decision.http(contact, get("b.test:8080")).allowed);
    CHECK_FALSE(decision.http(contact, get("a.test:80")).allowed);
    CHECK_FALSE(decision.http(contact, get("")).allowed);
    CHECK_FALSE(decision.http(contact, get("a.test@evil.test")).allowed);
    CHECK_FALSE(decision.http(contact, get("a.test", "http://b.test:8080/")).allowed);
    CHECK_FALSE(decision.http(contact, get("a.test", "https://a.test/")).allowed);
    HttpRequest inside = get("a.test", "https://a.test:8080/");
    inside.secure = true;
    CHECK(decision.http(contact, inside).allowed);
    inside.target = "http://a.test:8080/";
    CHECK_FALSE(decision.http(contact, inside).allowed);
    CHECK_FALSE(decision.http(contact, get("a.test", "a.test:8080")).allowed);
    CHECK_FALSE(decision.http(contact, {"GET", "/", {}, false}).allowed);
    CHECK_FALSE(decision.http(contact, {"GET", "/", {"a.test", "a.test"}, false}).allowed);
    CHECK_FALSE(decision.http(contact, {"CONNECT", "evil.test:443", {"a.test"}, false}).allowed);
    const Verdict upgrade = decision.http(contact, {"GET", "/", {"a.test"}, true});
    CHECK_FALSE(upgrade.allowed);
    CHECK(upgrade.violation.rule == "a.test:8080/tcp");
    CHECK_FALSE(decision.http(named("c.test", 8080), get("c.test")).allowed);
}

TEST_CASE("a name that leads to what is not public is refused whole, unless a rule names that address", "[egress][decision]") {
    const Contact contact = named("a.test", 443);
    const egress::Decision decision = decided_by({"a.test:443"});
    CHECK(decision.addresses(contact, {"93.184.216.34", "2606:2800:220:1::1"}).allowed);
    for (const char* address : {"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "169.254.1.1", "0.0.0.0",
                                "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.1.0", "::1", "::",
                                "::ffff:10.1.2.3", "64:ff9b::a01:203", "fe80::1", "fd00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
                                "2002:a01:203::1", "nonsense"}) {
        CAPTURE(address);
        CHECK_FALSE(decision.addresses(contact, {"93.184.216.34", address}).allowed);
    }
    const Verdict one = decision.addresses(contact, {"10.1.2.3"});
    CHECK(one.violation.object == "a.test:443");
    CHECK(one.violation.rule == "10.1.2.3:443");
    CHECK_FALSE(one.violation.risk.empty());
    CHECK_FALSE(decision.addresses(contact, {}).allowed);

    const egress::Decision named_too = decided_by({"a.test:443", "10.1.2.3:443"});
    CHECK(named_too.addresses(contact, {"10.1.2.3"}).allowed);
    CHECK_FALSE(named_too.addresses(contact, {"10.1.2.4"}).allowed);
    CHECK_FALSE(named_too.addresses(named("a.test", 80), {"10.1.2.3"}).allowed);
}

TEST_CASE("this machine's own addresses are reached only by a rule that names them", "[egress][decision]") {
    const Contact contact = named("a.test", 443);
    CHECK_FALSE(decided_by({"a.test:443"}, "", {"93.184.216.34"}).addresses(contact, {"93.184.216.34"}).allowed);
    CHECK(decided_by({"a.test:443", "93.184.216.34:443"}, "", {"93.184.216.34"}).addresses(contact, {"93.184.216.34"}).allowed);
}

TEST_CASE("where all is only recorded, requests are compared with their host and held to no rule", "[egress][decision]") {
    const egress::Decision decision = egress::Decision::recording();
    const Contact contact{"a.test", "", 80, ""};
    HttpRequest request;
    request.method = "GET";
    request.target = "/x";
    request.hosts = {"a.test"};
    CHECK(decision.http(contact, request).allowed);
    request.hosts = {"b.test"};
    CHECK_FALSE(decision.http(contact, request).allowed);
}

TEST_CASE("inside TLS a request may change to a protocol that an inspect rule names, and to no other", "[egress][decision]") {
    const egress::Decision decision = decided_by({"a.test:443"}, "  inspect: [{host: \"a.test:443\", upgrades: [websocket]}]\n");
    HttpRequest request;
    request.method = "GET";
    request.target = "/chat";
    request.hosts = {"a.test"};
    request.upgrade = true;
    request.upgrade_to = "websocket";
    request.secure = true;
    CHECK(decision.http(named("a.test", 443), request).allowed);
    request.upgrade_to = "other";
    const Verdict other = decision.http(named("a.test", 443), request);
    CHECK_FALSE(other.allowed);
    CHECK(other.violation.rule == "{host: \"a.test:443\", upgrades: [other]}");
    CHECK(other.violation.section == "network.inspect");
    request.upgrade_to = ""; // several, or none by name
    CHECK_FALSE(decision.http(named("a.test", 443), request).allowed);
    request.upgrade_to = "websocket";
    request.hosts = {"b.test"};
    CHECK_FALSE(decision.http(named("a.test", 443), request).allowed);
    request.hosts = {"a.test"};
    request.secure = false;
    CHECK(decision.http(named("a.test", 443), request).violation.rule == "a.test:443/tcp");
}

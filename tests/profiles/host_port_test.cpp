#include <catch2/generators/catch_generators.hpp>

#include "profiles/profile_reader.h"
#include "tests/profiles/example.h"

using namespace treadline;

TEST_CASE("a host is compared in lower case and without its last dot", "[profiles][network]") {
    CHECK(parse_host_port("GitHub.COM.:443")->host == "github.com");
    CHECK(parse_host_port("github.com:443")->port == 443);
    CHECK(parse_host_port("*.Example.org:443")->host == "*.example.org");
}

TEST_CASE("an address has one form", "[profiles][network]") {
    CHECK(parse_host_port("10.0.0.5:5432")->address);
    CHECK(parse_host_port("[2001:DB8:0:0::1]:443")->host == "2001:db8::1");
    CHECK(parse_host_port("[::ffff:10.0.0.5]:80")->host == "10.0.0.5");
}

TEST_CASE("any protocol is asked for by name", "[profiles][network]") {
    CHECK(parse_host_port("github.com:22/tcp")->any_protocol);
    CHECK(parse_host_port("github.com:22/tcp")->port == 22);
    CHECK_FALSE(parse_host_port("github.com:22")->any_protocol);
    for (const char* text : {"github.com:22/udp", "github.com:22/", "github.com:/tcp", "github.com/tcp", "github.com:22/tcp/tcp", "github.com/tcp:22"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_host_port(text));
    }
}

TEST_CASE("`host` is the host's loopback, and of any protocol", "[profiles][network]") {
    CHECK(parse_host_port("host:5432")->host == host_loopback);
    CHECK(parse_host_port("HOST:5432")->any_protocol);
    CHECK_FALSE(parse_host_port("host.example.org:5432")->any_protocol);
}

TEST_CASE("what programs read differently is no host", "[profiles][network]") {
    const std::string text = GENERATE(
        as<std::string>(), "2130706433:80", "0x7f000001:80", "127.1:80", "0177.0.0.1:80", "10.0.0.5.:80",
        "host", ":443", "host:", "host:0", "host:65536", "host:443x", "host:0443", "user@host:443",
        "host name:80", "ho\r\nst:80", "::1:443", "[::1]", "[host]:80", "[10.0.0.1]:80", "*:443", "*.com:443",
        "a.*.com:443", "*.*.com:443", "**.com:443", "gіthub.com:443", "a..b:80", "-a.com:80",
        "http://a.com:80", std::string("a.com\0.b:80", 11));
    INFO(text);
    CHECK_FALSE(parse_host_port(text));
}

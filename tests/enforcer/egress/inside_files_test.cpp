#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/inside_files.h"

using namespace treadline::egress;

TEST_CASE("inside, the gateway is the resolver, with the host's search domains", "[egress][dns]") {
    const InsideFiles files = inside_files("# comment\nnameserver 10.0.0.1\ndomain old.example\nsearch\tCorp.Example. b.example\noptions timeout:1 ndots:2\n", "builder");
    CHECK(files.search == std::vector<std::string>{"corp.example", "b.example"});
    CHECK(files.content.at("/etc/resolv.conf") == "nameserver 198.18.0.2\nsearch corp.example b.example\noptions ndots:2\n");
    CHECK(files.content.at("/etc/hosts") == "127.0.0.1 localhost builder\n::1 localhost ip6-localhost ip6-loopback\n");
    CHECK(inside_files("", "").content.at("/etc/resolv.conf") == "nameserver 198.18.0.2\n");
}

TEST_CASE("nothing but names gets from the host's files to the inside", "[egress][dns]") {
    const InsideFiles files = inside_files("search .\nsearch a b;c $(x)\n", "na me\n10.0.0.1 evil.test");
    CHECK(files.search == std::vector<std::string>{"a"});
    CHECK(files.content.at("/etc/hosts").find("evil") == std::string::npos);
}

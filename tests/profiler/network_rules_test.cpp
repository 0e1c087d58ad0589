#include "base/addresses.h"
#include "profiler/network_rules.h"
#include "profiler/public_suffix.h"
#include "profiles/profile_reader.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

using Lines = std::vector<std::string>;
const std::string start =
    "run project=/p home=/home/ann\nprocess 1 0 /usr/bin/node\nprocess 2 1 /usr/bin/curl\n";

Lines section(Section section, const std::string& rest) {
    return test::lines_of(test::reduced(start + rest), section);
}

} // namespace

TEST_CASE("a connection is a host and a port, by name where one is known", "[profiler][network]") {
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.7 443 API.Example.org.") ==
          Lines{"api.example.org:443"});
    CHECK(section(Section::Connect,
                  "lookup 1 cdn.example.org 203.0.113.8\nsocket 1 connect tcp 203.0.113.8 443") ==
          Lines{"cdn.example.org:443"});
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.9 80") == Lines{"203.0.113.9:80"});
    CHECK(section(Section::Connect, "socket 1 connect tcp 2001:db8::1 443") == Lines{"[2001:db8::1]:443"});
    CHECK(section(Section::Connect, "socket 1 connect tcp ::ffff:203.0.113.9 80") == Lines{"203.0.113.9:80"});
}

TEST_CASE("a name's port that is known for neither TLS nor HTTP is any protocol's", "[profiler][network]") {
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.7 22 git.example.org") == Lines{"git.example.org:22/tcp"});
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.7 8022 git.example.org") == Lines{"git.example.org:8022"});
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.7 22") == Lines{"203.0.113.7:22"}); // as an address's is
}

TEST_CASE("an address two names share is the name this process looked up", "[profiler][network]") {
    CHECK(section(Section::Connect, "lookup 2 a.example.org 203.0.113.8\nlookup 1 b.example.org 203.0.113.8\n"
                                    "socket 1 connect tcp 203.0.113.8 443") == Lines{"b.example.org:443"});
}

TEST_CASE("an address that several names gave is not taken for one of them", "[profiler][network]") {
    CHECK(section(Section::Connect, "lookup 1 a.example.org 203.0.113.8\nlookup 1 b.example.org 203.0.113.8\n"
                                    "socket 1 connect tcp 203.0.113.8 443") == Lines{"203.0.113.8:443"});
    CHECK(section(Section::Connect, "lookup 2 a.example.org 203.0.113.8\nlookup 3 b.example.org 203.0.113.8\n"
                                    "socket 1 connect tcp 203.0.113.8 443") == Lines{"203.0.113.8:443"});
}

TEST_CASE("a connection that failed is no rule", "[profiler][network]") {
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.9 80 ECONNREFUSED").empty());
}

TEST_CASE("a port the run listens on is its own loopback's business", "[profiler][network]") {
    const std::string server = "socket 1 bind tcp 127.0.0.1 3000\nsocket 1 listen tcp 127.0.0.1 3000\n";
    CHECK(section(Section::Connect,
                  server + "socket 2 connect tcp 127.0.0.1 3000\nsocket 2 connect tcp ::1 3000")
              .empty());
    CHECK(section(Section::Listen, server) == Lines{"3000"});
    // Another port on loopback is some service of the machine's.
    CHECK(section(Section::Connect, server + "socket 2 connect tcp 127.0.0.1 5432") ==
          Lines{"# host:5432"});
    // A public address does not become local by its port.
    CHECK(section(Section::Connect, server + "socket 2 connect tcp 203.0.113.9 3000") ==
          Lines{"203.0.113.9:3000"});
}

TEST_CASE("a port the kernel picked is any port", "[profiler][network]") {
    CHECK(section(Section::Listen, "socket 1 bind tcp 127.0.0.1 0\nsocket 1 listen tcp 127.0.0.1 40213") ==
          Lines{"0"});
    CHECK(section(Section::Listen, "socket 1 listen tcp 0.0.0.0 38111") == Lines{"0"});
    CHECK(section(Section::Listen, "socket 1 bind udp 0.0.0.0 0").empty()); // a client
    CHECK(section(Section::Listen, "socket 1 bind udp 0.0.0.0 5353") == Lines{"5353"});
}

TEST_CASE("a port the kernel picked is the run's own, too, and only one of that range",
          "[profiler][network]") {
    const std::string server = "socket 1 bind tcp 127.0.0.1 0\nsocket 1 listen tcp 127.0.0.1 0\n";
    CHECK(section(Section::Connect, server + "socket 2 connect tcp 127.0.0.1 33127").empty());
    CHECK(section(Section::Connect, server + "socket 2 connect tcp 127.0.0.1 5432") ==
          Lines{"# host:5432"});
    CHECK(section(Section::Connect, "socket 2 connect tcp 127.0.0.1 33127") == Lines{"# host:33127"});
}

TEST_CASE("a fixed datagram port is a service, and one after the other are a resolver's", "[profiler][network]") {
    const auto bound = [](int ports) {
        std::string text;
        for (int port = 0; port < ports; ++port) {
            text += "socket 1 bind udp 0.0.0.0 " + std::to_string(20011 + 7 * port) + "\n";
        }
        return text;
    };
    CHECK(section(Section::Listen, bound(1)) == Lines{"20011"});
    CHECK(section(Section::Listen, bound(4)).size() == 4);
    CHECK(section(Section::Listen, bound(5)).empty());
    CHECK(section(Section::Listen, bound(5) + "socket 1 bind tcp 127.0.0.1 3000") == Lines{"3000"});
}

TEST_CASE("ports that differ from run to run are any port", "[profiler][network]") {
    const auto listening = [](int port) {
        return start + "socket 1 bind tcp 127.0.0.1 " + std::to_string(port) +
               "\nsocket 1 bind tcp 127.0.0.1 8080\n";
    };
    CHECK(test::lines_of(test::reduced(listening(41234) + listening(42345)), Section::Listen) ==
          Lines{"0", "8080"});
    CHECK(test::lines_of(test::reduced(listening(3000) + listening(3000)), Section::Listen) ==
          Lines{"3000", "8080"});
}

TEST_CASE("private, link-local and metadata addresses wait for a person", "[profiler][network]") {
    for (const char* address : {"10.0.0.5",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.168.1.4",
                                "169.254.169.254",
                                "169.254.1.1",
                                "100.64.0.1",
                                "127.0.0.53",
                                "0.0.0.0",
                                "224.0.0.251",
                                "::1",
                                "fd00::1",
                                "fe80::1%eth0",
                                "::ffff:10.0.0.5",
                                "ff02::1",
                                "168.63.129.16",
                                "192.0.0.192",
                                "192.88.99.1",
                                "::ffff:168.63.129.16",
                                "::10.0.0.5",
                                "64:ff9b::169.254.169.254",
                                "64:ff9b::a00:5",
                                "64:ff9b:1::203.0.113.1",
                                "2002:a00:5::1",
                                "2002:cb00:7101::1",
                                "2001:0:cb00:7101::f5ff:fffa",
                                "2001:0:cb00:7101::34ff:8efe",
                                "fec0::1"}) {
        INFO(address);
        CHECK_FALSE(why_not_public(address).empty());
        const Lines lines =
            section(Section::Connect, std::string("socket 1 connect tcp ") + address + " 9999");
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].rfind("# ", 0) == 0);
    }
    for (const char* address : {"9.255.255.255",
                                "11.0.0.1",
                                "172.15.0.1",
                                "172.32.0.1",
                                "192.167.1.1",
                                "100.63.0.1",
                                "100.128.0.1",
                                "169.253.0.1",
                                "203.0.113.1",
                                "2001:db8::1",
                                "168.63.129.15",
                                "168.63.129.17",
                                "192.0.1.1",
                                "198.17.0.1",
                                "198.20.0.1",
                                "::ffff:203.0.113.1",
                                "64:ff9b::203.0.113.1",
                                "64:ff9c::10.0.0.5",
                                "2003::1",
                                "2001:1::10.0.0.5"}) {
        INFO(address);
        CHECK(why_not_public(address).empty());
    }
}

TEST_CASE("an address that carries another says which, and why that one waits", "[profiler][network]") {
    CHECK(why_not_public("64:ff9b::169.254.169.254") ==
          "NAT64 of 169.254.169.254: the cloud's metadata service, which hands out credentials");
    CHECK(why_not_public("2002:a00:5::1") == "6to4 tunnel to 10.0.0.5: an address of the private network");
    CHECK(why_not_public("2002:cb00:7101::1") == "a 6to4 tunnel");
    CHECK(why_not_public("2001:0:cb00:7101::f5ff:fffa") ==
          "Teredo tunnel to 10.0.0.5: an address of the private network");
    CHECK(why_not_public("::ffff:10.0.0.5") == "an address of the private network");
    // A person may name an address for examples; a name that leads there is answered by somebody who knows no better.
    CHECK(why_not_public("203.0.113.80").empty());
    CHECK(why_not_led_to("203.0.113.80") == "an address for examples in documents");
    CHECK(why_not_led_to("2001:db8::1") == "an address for examples in documents");
    CHECK(why_not_led_to("10.0.0.5") == "an address of the private network");
    CHECK(why_not_led_to("93.184.216.34").empty());
    CHECK(why_not_public("fd00:ec2::254") == "the cloud's metadata service, which hands out credentials");
    CHECK(why_not_public("168.63.129.16").find("Azure") != std::string::npos);
}

TEST_CASE("names that come and go below one owner's domain become a wildcard", "[profiler][network]") {
    const auto connecting = [](const std::string& name) {
        return start + "socket 1 connect tcp 203.0.113.7 443 " + name + "\n";
    };
    const auto learned = [](const std::string& runs) {
        return test::lines_of(test::reduced(runs), Section::Connect);
    };
    CHECK(learned(connecting("r1.cdn.example.org") + connecting("r2.cdn.example.org")) ==
          Lines{"*.cdn.example.org:443"});
    CHECK(learned(connecting("r1.example.org") + connecting("r2.example.org")) == Lines{"*.example.org:443"});
    // Every run needed both, or there was but one run: they stay two names.
    const std::string both =
        connecting("a.example.org") + "socket 1 connect tcp 203.0.113.8 443 b.example.org\n";
    CHECK(learned(both) == Lines{"a.example.org:443", "b.example.org:443"});
    CHECK(learned(both + both) == Lines{"a.example.org:443", "b.example.org:443"});
    // One that was needed only once is not drawn.
    CHECK(learned(both + connecting("a.example.org")) == Lines{"a.example.org:443", "? b.example.org:443"});
    // Another port is another rule.
    CHECK(learned(connecting("a.example.org") + start +
                  "socket 1 connect tcp 203.0.113.7 80 b.example.org\n") ==
          Lines{"? a.example.org:443", "? b.example.org:80"});
}

TEST_CASE("no wildcard spans a public suffix, and none takes in what waits for a person",
          "[profiler][network]") {
    const auto learned = [](const std::string& first, const std::string& second) {
        return test::lines_of(test::reduced(start + "socket 1 connect tcp 203.0.113.7 443 " + first + "\n" +
                                            start + "socket 1 connect tcp 203.0.113.8 443 " + second + "\n"),
                              Section::Connect);
    };
    for (const char* suffix : {"org", "co.uk", "github.io", "s3.amazonaws.com"}) {
        INFO(suffix);
        CHECK_FALSE(has_one_owner(suffix));
        CHECK(has_one_owner(std::string("mine.") + suffix));
        CHECK(learned(std::string("a.") + suffix, std::string("b.") + suffix).size() == 2);
    }
    CHECK(learned("x.a.github.io", "y.a.github.io") == Lines{"*.a.github.io:443"});
    CHECK(test::lines_of(test::reduced(start + "socket 1 connect tcp 10.0.0.7 443 a.example.org\n" + start +
                                       "socket 1 connect tcp 203.0.113.8 443 b.example.org\n"),
                         Section::Connect) == Lines{"# a.example.org:443", "? b.example.org:443"});
    CHECK(test::lines_of(test::reduced(start + "socket 1 connect tcp 203.0.113.7 443\n" + start +
                                       "socket 1 connect tcp 203.0.113.8 443\n"),
                         Section::Connect) == Lines{"? 203.0.113.7:443", "? 203.0.113.8:443"});
}

TEST_CASE("a public name that resolves to a private address waits, too", "[profiler][network]") {
    CHECK(section(Section::Connect, "socket 1 connect tcp 10.0.0.5 443 intra.example.org") ==
          Lines{"# intra.example.org:443"});
}

TEST_CASE("lookups are no connections once names are known", "[profiler][network]") {
    const std::string dns = "socket 1 connect udp 203.0.113.53 53\n";
    CHECK(section(Section::Connect, dns + "socket 1 connect tcp 203.0.113.7 443 api.example.org") ==
          Lines{"api.example.org:443"});
    CHECK(section(Section::Connect, dns) == Lines{"# 203.0.113.53:53"}); // by datagram: waits as all do
    CHECK(section(Section::Connect, "socket 1 connect udp 203.0.113.7 0").empty()); // getaddrinfo sorting
}

TEST_CASE("what only got datagrams waits, since no rule carries them; what TCP reaches, too, does not", "[profiler][network]") {
    const std::string quic = "socket 1 connect udp 203.0.113.7 443 a.example.org\nsocket 1 send udp 203.0.113.9 514\n";
    CHECK(section(Section::Connect, quic) == Lines{"# 203.0.113.9:514", "# a.example.org:443"});
    CHECK(section(Section::Connect, quic + "socket 2 connect tcp 203.0.113.7 443 a.example.org\n") ==
          Lines{"# 203.0.113.9:514", "a.example.org:443"});
}

TEST_CASE("a name that could not stand in a rule is not believed", "[profiler][network]") {
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.9 443 a.test:443\\n#") ==
          Lines{"203.0.113.9:443"});
    CHECK(section(Section::Connect, "socket 1 connect tcp 203.0.113.9 443 *.test") ==
          Lines{"203.0.113.9:443"});
}

TEST_CASE("UNIX sockets: the ones others serve, portable; its own and nscd's vanish", "[profiler][network]") {
    CHECK(section(Section::Unix, "socket 1 connect unix /run/user/1000/bus 0") == Lines{"${runtime}/bus"});
    CHECK(section(Section::Unix, "socket 1 connect unix @svc 0") == Lines{"@svc"});
    CHECK(section(Section::Unix, "socket 1 connect unix /run/svc-4711.sock 0") == Lines{"/run/svc-*.sock"});
    CHECK(section(Section::Unix, "socket 1 connect unix /run/4711 0") == Lines{"# /run/*"});
    CHECK(section(Section::Unix, "socket 1 connect unix /run/nscd/socket 0").empty());
    CHECK(section(Section::Unix, "socket 1 connect unix /var/run/nscd/socket 0 ENOENT").empty());
    CHECK(section(Section::Unix, "socket 1 bind unix @own 0\nsocket 2 connect unix @own 0").empty());
    CHECK(section(Section::Unix, "file 1 connect /run/x.sock") == Lines{"/run/x.sock"});
}

TEST_CASE("a socket the run made in a private directory needs no rule, one that was there does",
          "[profiler][network]") {
    const std::string made = "file 1 create made gone directory {tmp}/pymp-kuvf2hpk\n";
    const std::string connect = "file 2 connect {tmp}/pymp-kuvf2hpk/listener-zpxc_osw\n"
                                "socket 2 connect unix {tmp}/pymp-kuvf2hpk/listener-zpxc_osw 0\n";
    REQUIRE(section(Section::Private, made + connect) == Lines{"${tmp}"});
    CHECK(section(Section::Unix, made + connect).empty());
    CHECK(section(Section::Unix, made + "socket 2 connect unix {tmp}/.X11-unix/X0 0") ==
          Lines{"${tmp}/.X11-unix/X0"});
    // Where nothing is private the socket is some program's in the shared directory.
    CHECK(section(Section::Unix, "socket 2 connect unix {tmp}/other/sock 0") == Lines{"${tmp}/other/sock"});
}

TEST_CASE("a private directory of the profile that is there counts as a proposed one",
          "[profiler][network]") {
    const auto profile = read_profile("treadline: 1\nprivate: [\"${tmp}\"]\n", "p");
    REQUIRE(profile.has_value());
    const auto fixture = test::read_fixture(start + "file 1 create made directory {tmp}/svc-4711\n"
                                                    "socket 2 connect unix {tmp}/svc-4711/s 0\n");
    const auto policy = Policy::build(*profile, "p", fixture.variables(), test::fixture_abstractions());
    REQUIRE(policy.has_value());
    ReduceInput input = fixture.input();
    input.existing = &*policy;
    CHECK(test::lines_of(*reduce(input), Section::Unix).empty());
}

TEST_CASE("a socket that hands out rights waits for a person", "[profiler][network]") {
    const Lines lines = section(Section::Unix, "socket 1 connect unix /run/docker.sock 0");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0] == "# /run/docker.sock");
}

namespace {

const std::string gated = "run project=/p home=/home/ann network=gateway\nprocess 1 0 /usr/bin/node\nprocess 2 1 /usr/bin/curl\n";

Lines learned(const std::string& rest) {
    return test::lines_of(test::reduced(gated + rest), Section::Connect);
}

} // namespace

TEST_CASE("behind the gateway a rule says what was spoken, whatever the port is known for", "[profiler][network][gateway]") {
    CHECK(learned("socket 1 connect tcp 198.18.1.0 5432 db.example.org\nexchange db.example.org 93.184.216.7 5432 tls") == Lines{"db.example.org:5432"});
    CHECK(learned("socket 1 connect tcp 198.18.1.0 443 git.example.org\nexchange git.example.org 93.184.216.7 443 other") == Lines{"git.example.org:443/tcp"});
    CHECK(learned("socket 1 connect tcp fd74:7265:6164::1:0:1 80 a.example.org\nexchange a.example.org 93.184.216.7 80 http") == Lines{"a.example.org:80"});
    // Both at one endpoint: the rule that carries both.
    CHECK(learned("socket 1 connect tcp 198.18.1.0 443 a.example.org\nexchange a.example.org 93.184.216.7 443 tls\n"
                  "exchange a.example.org 93.184.216.7 443 other") == Lines{"a.example.org:443/tcp"});
    // Nothing was said, so the port's use decides, as without a gateway.
    CHECK(learned("socket 1 connect tcp 198.18.1.0 22 a.example.org\nexchange a.example.org 93.184.216.7 22 -") == Lines{"a.example.org:22/tcp"});
    CHECK(learned("socket 1 connect tcp 198.18.1.0 443 a.example.org\nexchange a.example.org 93.184.216.7 443 -") == Lines{"a.example.org:443"});
}

TEST_CASE("an address dialled behind the gateway stays an address", "[profiler][network][gateway]") {
    CHECK(learned("socket 1 connect tcp 203.0.113.7 443\nexchange - 203.0.113.7 443 tls") == Lines{"203.0.113.7:443"});
    CHECK(learned("socket 1 connect tcp 203.0.113.7 22\nexchange - 203.0.113.7 22 other") == Lines{"203.0.113.7:22"});
    CHECK(learned("socket 1 connect tcp 10.0.0.5 5432\nexchange - 10.0.0.5 5432 other") == Lines{"# 10.0.0.5:5432"});
}

TEST_CASE("no address that stood for a name is ever a rule", "[profiler][network][gateway]") {
    CHECK(learned("socket 1 connect tcp 198.18.1.0 443").empty());
    CHECK(learned("socket 1 connect tcp fd74:7265:6164::1:0:1 443").empty());
    CHECK(learned("socket 1 connect tcp 198.18.1.0 443 a.test:443\\n#").empty());
    CHECK(learned("socket 1 connect udp 198.18.0.2 53").empty());
    CHECK(learned("socket 1 connect udp 203.0.113.53 53").empty()); // the gateway answered
    CHECK(learned("socket 1 connect udp ::1 80").empty());          // getaddrinfo sorts
    // Of a gateway around a run that has none itself, whose names are what lookups say.
    CHECK(section(Section::Connect, "socket 1 connect tcp 198.18.1.0 443\nsocket 1 connect tcp 198.19.255.255 443").empty());
    CHECK(section(Section::Connect, "socket 1 connect tcp 198.18.1.0 443 a.example.org") == Lines{"a.example.org:443"});
}

TEST_CASE("datagrams that found no route behind the gateway wait as those that were sent do", "[profiler][network][gateway]") {
    CHECK(learned("socket 1 connect udp 2001:db8::8 443 ENETUNREACH\nsocket 1 send udp 203.0.113.9 514 ENETUNREACH") ==
          Lines{"# 203.0.113.9:514", "# [2001:db8::8]:443"});
    CHECK(learned("socket 1 connect udp 198.18.1.0 443 a.example.org ENETUNREACH").empty()); // getaddrinfo sorts, or QUIC tries
    CHECK(section(Section::Connect, "socket 1 connect udp 203.0.113.9 443 ENETUNREACH").empty());
}

TEST_CASE("what could not be reached through the gateway is no rule", "[profiler][network][gateway]") {
    const std::string tried = "socket 1 connect tcp 198.18.1.0 443 a.example.org\nexchange a.example.org - 443 - ECONNREFUSED\n";
    CHECK(learned(tried).empty());
    CHECK(learned("socket 1 connect tcp 127.0.0.1 3000").empty()); // nobody listened, which no exchange tells
    CHECK(learned(tried + "exchange a.example.org 93.184.216.7 443 tls") == Lines{"a.example.org:443"});
}

TEST_CASE("what names another host than was looked up waits for a person", "[profiler][network][gateway]") {
    const std::string contact = "socket 1 connect tcp 198.18.1.0 443 a.example.org\n";
    CHECK(learned(contact + "exchange a.example.org 93.184.216.7 443 tls TLS\\sasks\\sfor\\sanother\\sname\\sthan\\swas\\slooked\\sup") ==
          Lines{"a.example.org:443", "# a.example.org:443/tcp"});
    CHECK(learned(contact + "exchange a.example.org 93.184.216.7 443 tls TLS\\sencrypts\\sthe\\sname\\sit\\sasks\\sfor") ==
          Lines{"a.example.org:443", "# a.example.org:443/tcp"});
    // Only carried by "/tcp", and no other host is meant.
    CHECK(learned(contact + "exchange a.example.org 93.184.216.7 443 tls TLS\\snames\\sno\\sserver") == Lines{"a.example.org:443/tcp"});
    CHECK(learned(contact + "exchange a.example.org 93.184.216.7 443 http HTTP\\sasks\\sfor\\sanother\\sprotocol\\s(Upgrade)") ==
          Lines{"a.example.org:443/tcp"});
}

TEST_CASE("a name that led to a private address is a rule, and that address waits for a person", "[profiler][network][gateway]") {
    CHECK(learned("socket 1 connect tcp 198.18.1.0 443 intra.example.org\nexchange intra.example.org 10.0.0.5 443 tls") ==
          Lines{"# 10.0.0.5:443", "intra.example.org:443"});
}

TEST_CASE("requests are no connections of their own", "[profiler][network][gateway]") {
    Trace trace = test::read_fixture(gated + "socket 1 connect tcp 198.18.1.0 80 a.example.org\nexchange a.example.org 93.184.216.7 80 http").traces.at(0);
    Exchange request = trace.exchanges.at(0);
    request.method = "GET";
    request.protocol = "other";
    trace.exchanges.push_back(request);
    const auto none = Policy::build(Profile{}, "", test::fixture_variables(trace.run), nullptr);
    const auto rules = network_rules({trace}, test::fixture_variables, {}, *none, [](const std::string&) { return false; });
    REQUIRE(rules.size() == 1);
    CHECK(rules[0].text == "a.example.org:80");
}

TEST_CASE("runs with and without a gateway teach together", "[profiler][network][gateway]") {
    CHECK(test::lines_of(test::reduced(start + "socket 1 connect tcp 203.0.113.7 8022 a.example.org\n" + gated +
                                       "socket 1 connect tcp 198.18.1.0 8022 a.example.org\nexchange a.example.org 93.184.216.7 8022 other\n"),
                         Section::Connect) == Lines{"a.example.org:8022/tcp"});
}

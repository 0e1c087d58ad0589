#include <algorithm>

#include "base/text.h"
#include "tests/bpf/traced.h"

using namespace treadline;
using namespace treadline::test;

namespace {

using Texts = std::vector<std::string>;

// Traces a command beside the test's name server (tests/programs/resolver.py), in namespaces of its own.
Traced with_resolver(const std::vector<std::string>& command, const std::string& resolver_options = "") {
    const Finished namespaces = run({"unshare", "-rnm", "true"});
    REQUIRE_CAPABILITY(namespaces.status == 0, "user namespaces: " + namespaces.err);
    std::vector<std::string> argv = {"unshare", "-rnm",
                                     "env",     "RESOLVER_OPTIONS=" + resolver_options,
                                     "python3", std::string(TREADLINE_PROGRAM_SOURCES) + "/resolver.py"};
    argv.insert(argv.end(), command.begin(), command.end());
    Traced done = traced(argv);
    CHECK(done.status == 0);
    CAPTURE(done.summary.incomplete_because);
    CHECK(done.summary.complete);
    return done;
}

Traced lookups(const std::string& way, const std::string& name) {
    return with_resolver({program("lookups"), way, name});
}

Traced python(const std::string& script, const std::string& resolver_options = "") {
    return with_resolver({"python3", "-c",
                          "import socket\n"
                          "def contact(name, port=7):\n"
                          "    try:\n"
                          "        return socket.create_connection((name, port), timeout=5)\n"
                          "    except OSError:\n"
                          "        pass\n" +
                              script},
                         resolver_options);
}

// "host" or "host|host" of each contact of port 7 at an address: the lookups' own contacts left out.
Texts hosts(const Trace& trace, const std::string& address) {
    Texts found;
    for (const SocketAccess& access : trace.sockets) {
        if (access.address == address && access.port == 7 && access.protocol == "tcp") {
            CHECK((access.host.empty() || access.candidates.empty()));
            found.push_back(access.candidates.empty() ? access.host : join(access.candidates, "|"));
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

Texts addresses(const Trace& trace, const std::string& name) {
    for (const NameLookup& lookup : trace.names) {
        if (lookup.name == name) {
            return lookup.addresses;
        }
    }
    return {"never looked up"};
}

} // namespace

TEST_CASE("a connect bears the name its process looked up, whatever calls carried the lookup",
          "[bpf][names]") {
    for (const char* way : {"sendto-recvfrom", "sendmsg-recvmsg", "sendmmsg-recvmmsg", "write-read",
                            "writev-readv", "peek", "stream", "resolved"}) {
        INFO(way);
        const Traced run = lookups(way, "one.test");
        CHECK(hosts(run.trace, "127.0.1.1") == Texts{"one.test"});
        CHECK(addresses(run.trace, "one.test") == Texts{"127.0.1.1"});
    }
}

TEST_CASE("a connect to an address that nobody looked up bears no name", "[bpf][names]") {
    const Traced run = with_resolver({program("lookups"), "contact", "127.0.1.1"});
    CHECK(hosts(run.trace, "127.0.1.1") == Texts{""});
    CHECK(run.trace.names.empty());
}

TEST_CASE("names resolved by the C library are bound: IPv4, IPv6, aliases, datagrams and TCP",
          "[bpf][names]") {
    for (const char* options : {"", "use-vc"}) {
        INFO(options);
        const Traced run = python("for name in ('one.test', 'six.test', 'WWW.test'): contact(name)", options);
        CHECK(hosts(run.trace, "127.0.1.1") == Texts{"one.test"});
        CHECK(hosts(run.trace, "::1") == Texts{"six.test"});
        CHECK(hosts(run.trace, "127.0.1.2") == Texts{"www.test"}); // the name that was asked for
        CHECK(addresses(run.trace, "www.test") == Texts{"127.0.1.2"});
        CHECK(addresses(run.trace, "edge.test") == Texts{"never looked up"});
    }
}

TEST_CASE("an answer too big for a datagram is read from TCP", "[bpf][names]") {
    const Traced run = python("contact('big.test')");
    CHECK(hosts(run.trace, "127.0.2.1") == Texts{"big.test"});
    CHECK(addresses(run.trace, "big.test").size() == 60);
}

TEST_CASE("an address that two names gave is marked ambiguous, from the second lookup on", "[bpf][names]") {
    const Traced run = python("contact('twin-a.test')\n"
                              "contact('twin-b.test')\n");
    // The second contact is a repeat to the kernel: it may have meant either.
    CHECK(hosts(run.trace, "127.0.1.3") == Texts{"twin-a.test", "twin-a.test|twin-b.test"});
    const Traced both = python("for name in ('twin-a.test', 'twin-b.test'): socket.gethostbyname(name)\n"
                               "contact('127.0.1.3')");
    CHECK(hosts(both.trace, "127.0.1.3") == Texts{"twin-a.test|twin-b.test"});
    const Traced apart = with_resolver({"sh", "-c",
                                        program("lookups") + " write-read twin-a.test && " +
                                            program("lookups") + " write-read twin-b.test"});
    CHECK(hosts(apart.trace, "127.0.1.3") ==
          Texts{"twin-a.test", "twin-b.test"}); // each process knows its own
}

TEST_CASE("a name that another process of the run looked up explains an address, too", "[bpf][names]") {
    const std::string print = "import socket; print(socket.gethostbyname('one.test'))";
    const Traced run =
        with_resolver({"sh", "-c", program("lookups") + " contact $(python3 -c \"" + print + "\")"});
    CHECK(hosts(run.trace, "127.0.1.1") == Texts{"one.test"});
}

TEST_CASE("a server's answers bind nothing that was not asked", "[bpf][names]") {
    const Traced run = python("contact('liar.test')\n"
                              "contact('127.0.1.5')\n"
                              "contact('forged.test')\n"
                              "contact('127.0.1.66')");
    CHECK(hosts(run.trace, "127.0.1.4") == Texts{"liar.test"});
    CHECK(hosts(run.trace, "127.0.1.5") == Texts{""});
    CHECK(hosts(run.trace, "127.0.1.6") == Texts{"forged.test"});
    CHECK(hosts(run.trace, "127.0.1.66") == Texts{""});
    CHECK(addresses(run.trace, "bank.test") == Texts{"never looked up"});
}

TEST_CASE("a lookup that fails is recorded without an address", "[bpf][names]") {
    const Traced run = python("contact('missing.test')\ncontact('one.test')");
    CHECK(addresses(run.trace, "missing.test").empty());
    CHECK(addresses(run.trace, "one.test") == Texts{"127.0.1.1"}); // though it has no IPv6 address
    const Traced resolved = lookups("resolved", "missing.test");
    CHECK(addresses(resolved.trace, "missing.test").empty());
}

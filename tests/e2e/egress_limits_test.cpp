// Rules that name requests, and budgets, against a program that wants more than they allow. Each attack is shown to work where
// the rule names the host alone, or where there is no budget.
#include <algorithm>
#include <cstdlib>

#include <catch2/catch_test_macros.hpp>

#include "tests/e2e/egress_world.h"
#include "tests/e2e/outside_world.h"

using namespace treadline::test;

namespace {

struct Attack {
    std::string name;
    std::string script;
    std::string sign; // what is seen outside when it works
};

size_t bytes_to(const Sent& sent, int port) {
    size_t bytes = 0;
    for (const std::string& line : sent.seen) {
        if (line.starts_with("said " + std::to_string(port) + " ")) {
            bytes += std::stoul(line.substr(line.rfind(' ') + 1));
        }
    }
    return bytes;
}

// Under the first nothing of them is seen, and one violation tells of it; under the second they work.
void all_fail(const std::string& network, const std::string& control, const std::vector<Attack>& attacks) {
    const OutsideWorld world;
    for (const Attack& attack : attacks) {
        INFO("attack: " << attack.name);
        const Sent free = world.held(control, attack.script);
        INFO("control: " << nlohmann::json(free.seen).dump() << free.err << free.out << free.violations.dump(1));
        CHECK(free.saw(attack.sign));
        const Sent held = world.held(network, attack.script);
        INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.out << held.violations.dump(1));
        CHECK_FALSE(held.saw(attack.sign));
        CHECK(held.violations.size() == 1);
    }
}

struct Spending {
    std::string name;
    std::string script;
    int port;
};

void none_goes_beyond(const std::string& connect, const std::string& budget, size_t limit, const std::vector<Spending>& attacks) {
    const OutsideWorld world;
    for (const Spending& attack : attacks) {
        INFO("attack: " << attack.name);
        const Sent free = world.held(connect, attack.script);
        INFO("control: " << bytes_to(free, attack.port) << free.err.substr(0, 1000) << free.violations.dump(1));
        CHECK(bytes_to(free, attack.port) > limit);
        CHECK(free.violations.empty());
        const Sent held = world.held(connect + ", budgets: [" + budget + "]", attack.script);
        INFO("held: " << bytes_to(held, attack.port) << held.err.substr(0, 1000) << held.violations.dump(1));
        CHECK(bytes_to(held, attack.port) <= limit);
        REQUIRE(held.violations.size() == 1);
        CHECK(held.violations[0].at("layer") == "egress");
        CHECK(held.violations[0].at("section") == "network.budgets");
        CHECK(held.violations[0].at("rule").get<std::string>().starts_with("{host: "));
    }
}

const std::string in_threads = "import threading\n"
                               "def many(count, function):\n"
                               "    threads = [threading.Thread(target=quietly, args=(function, i)) for i in range(count)]\n"
                               "    [t.start() for t in threads]; [t.join() for t in threads]\n";

} // namespace

TEST_CASE("requests that a rule names arrive, and nothing is told of them", "[e2e][egress][requests]") {
    const OutsideWorld world;
    const Sent sent = world.held("connect: [{host: \"web.test:80\", methods: [GET, HEAD], paths: [\"/debian/**\"]}]",
                                 "print(http('web.test', 'GET /debian/a HTTP/1.1\\nHost: web.test\\n\\n', 'GET /debian/b?c HTTP/1.1\\nHost: web.test\\n\\n'))\n");
    INFO(sent.err << sent.out << nlohmann::json(sent.seen).dump());
    CHECK(sent.violations.empty());
    CHECK(sent.saw("474554202f64656269616e2f61"));   // GET /debian/a
    CHECK(sent.saw("474554202f64656269616e2f623f63")); // GET /debian/b?c
}

TEST_CASE("no request that no rule names leaves, however it is put", "[e2e][egress][requests][attack]") {
    const auto web = [](const std::string& request) {
        std::string escaped;
        for (const char c : request) {
            escaped += c == '\n' ? "\\n" : std::string(1, c);
        }
        return "print(http('web.test', '" + escaped + "'))\n";
    };
    const std::string host = " HTTP/1.1\nHost: web.test\n";
    const std::string post = "504f5354202f"; // POST /
    const std::string secret = "2f534543524554"; // /SECRET
    all_fail("connect: [{host: \"web.test:80\", methods: [GET], paths: [\"/ok/**\"]}]", "connect: [\"web.test:80\"]", {
        {"another method", web("POST /ok/x" + host + "Content-Length: 6\n\nSECRET"), post},
        {"another path", web("GET /SECRET" + host + "\n"), secret},
        {"a path that climbs out", web("GET /ok/../SECRET" + host + "\n"), secret},
        {"an encoded climb", web("GET /ok/%2e%2e/SECRET" + host + "\n"), secret},
        {"a doubled slash", web("GET /ok//SECRET" + host + "\n"), secret},
        {"behind a good one, on the same connection", web("GET /ok/x" + host + "\nPOST /SECRET" + host + "Content-Length: 0\n\n"), secret},
        {"in the body of a good one", web("GET /ok/x" + host + "Content-Length: 0\n\nPOST /SECRET" + host + "\n"), secret},
        {"as an absolute address", web("GET http://web.test/SECRET" + host + "\n"), secret},
        {"in a header that overrides the method", web("GET /ok/x" + host + "X-HTTP-Method-Override: DELETE\n\n"), "582d485454502d4d6574686f642d4f76657272696465"},
        {"in a header that overrides the path", web("GET /ok/x" + host + "X-Original-URL: /SECRET\n\n"), secret},
    });
}

TEST_CASE("what stands behind a body never becomes part of the head", "[e2e][egress][attack]") {
    const OutsideWorld world;
    for (const char* length : {"5\\r\\nhello\\r\\n0\\r\\n", "0\\r\\n"}) {
        const Sent sent = world.held("connect: [\"web.test:80\"]", "print(tcp('web.test', 80, b'POST /x HTTP/1.1\\r\\nHost: web.test\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n" +
                                                                       std::string(length) + "Host: SECRET.test\\r\\nX-Original-URL: /SECRET\\r\\n\\r\\n'))\n");
        INFO(sent.err << sent.out << nlohmann::json(sent.seen).dump());
        CHECK(sent.saw("504f5354202f78"));
        CHECK_FALSE(sent.saw("534543524554"));
    }
}

TEST_CASE("TLS does not carry past rules that name requests", "[e2e][egress][requests][attack]") {
    all_fail("connect: [{host: \"web.test:443\", methods: [GET]}]", "connect: [\"web.test:443\"]",
             {{"TLS that nobody looks into", "print(tcp('web.test', 443, hello(names(b'web.test'))))\n", "said 443"}});
    const OutsideWorld world;
    const Sent other = world.held("connect: [{host: \"web.test:8080\", methods: [GET]}]", "print(tcp('web.test', 8080, b'\\0SECRET'))\n");
    CHECK_FALSE(other.saw("said 8080"));
    REQUIRE(other.violations.size() == 1);
    const Sent posted = world.held("connect: [{host: \"web.test:80\", methods: [GET]}]", "print(http('web.test', 'POST /up HTTP/1.1\\nHost: web.test\\nContent-Length: 0\\n\\n'))\n");
    REQUIRE(posted.violations.size() == 1);
    CHECK(posted.violations[0].at("rule") == "{host: \"web.test:80\", methods: [POST], paths: [/up]}");
    CHECK(posted.out.find("403 Forbidden") != std::string::npos);
}

TEST_CASE("what stays within a budget passes, and one violation tells of what does not", "[e2e][egress][budgets]") {
    const OutsideWorld world;
    const std::string rules = "connect: [\"web.test:80\", \"web.test:5432/tcp\"], budgets: [{host: \"web.test:80\", requests: 2}, {host: \"web.test:5432\", sent: 1K}]";
    const Sent within = world.held(rules, "for i in range(2): print(http('web.test', 'GET /x HTTP/1.1\\nHost: web.test\\n\\n'))\n"
                                          "print(tcp('web.test', 5432, b'x' * 1000, b'y' * 24))\n");
    INFO(within.err << within.out << within.violations.dump(1));
    CHECK(within.violations.empty());
    CHECK(bytes_to(within, 5432) == 1024);
    CHECK(within.out.find("hello") != std::string::npos);
    const Sent beyond = world.held(rules, "for i in range(5): print(http('web.test', 'GET /x HTTP/1.1\\nHost: web.test\\n\\n'))\n");
    INFO(beyond.err << beyond.out << beyond.violations.dump(1));
    REQUIRE(beyond.violations.size() == 1);
    CHECK(beyond.violations[0].at("count") == 3);
    CHECK(beyond.violations[0].at("operation") == "request");
    CHECK(beyond.violations[0].at("object") == "web.test:80");
    CHECK(beyond.violations[0].at("rule") == "{host: \"web.test:80\", requests: 4}");
    CHECK(beyond.out.find("403 Forbidden") != std::string::npos);
    CHECK(std::count_if(beyond.seen.begin(), beyond.seen.end(), [](const std::string& line) { return line.starts_with("said 80"); }) == 2);
}

TEST_CASE("no way of sending goes beyond a budget of bytes", "[e2e][egress][budgets][attack]") {
    none_goes_beyond("connect: [\"web.test:5432/tcp\"]", "{host: \"web.test:5432\", sent: 1K}", 1024, {
        {"all at once", "tcp('web.test', 5432, b'x' * 20000)\n", 5432},
        {"in small parts", "tcp('web.test', 5432, *[b'x' * 100] * 50)\n", 5432},
        {"a byte a connection", in_threads + "for n in range(30): many(50, lambda i: tcp('web.test', 5432, b'x'))\n", 5432},
        {"many connections at once, for the last bytes", in_threads + "many(60, lambda i: tcp('web.test', 5432, b'x' * 400, b'y' * 400))\n", 5432},
        {"connections that are open already",
         in_threads + "import time\ns = [socket.create_connection(('web.test', 5432)) for i in range(20)]\n"
                      "for one in s: one.recv(6)\nmany(20, lambda i: s[i].sendall(b'x' * 300))\ntime.sleep(0.5)\n", 5432},
        {"both directions closed in turn", "import time\nfor i in range(20):\n    s = socket.create_connection(('web.test', 5432)); s.sendall(b'x' * 200); s.shutdown(1); time.sleep(0.02); s.close()\n", 5432},
        {"reset as soon as it is sent",
         "import time\nfor i in range(20):\n    s = socket.create_connection(('web.test', 5432)); s.sendall(b'x' * 200); time.sleep(0.05)\n"
         "    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()\n", 5432},
        {"urgent data", "import time\nfor i in range(20):\n    s = socket.create_connection(('web.test', 5432)); s.sendall(b'x' * 100); s.send(b'y' * 100, socket.MSG_OOB); time.sleep(0.05); s.close()\n", 5432},
    });
    none_goes_beyond("connect: [\"web.test:5432/tcp\"]", "{host: \"web.test:5432\", sent: 1M}", 1024 * 1024,
                     {{"in bulk", "quietly(tcp, 'web.test', 5432, b'x' * 8000000)\n", 5432}});
    none_goes_beyond("connect: [\"host:5432\"]", "{host: \"host:5432\", sent: 1K}", 1024,
                     {{"to a service of the host's", "tcp('127.0.0.1', 5432, b'x' * 20000)\n", 5432},
                      {"to it by many connections", in_threads + "many(20, lambda i: tcp('127.0.0.1', 5432, b'x' * 300))\n", 5432}});
    none_goes_beyond("connect: [\"9.9.9.9:5432\"]", "{host: \"9.9.9.9:5432\", sent: 1K}", 1024, {{"to an address", "tcp('9.9.9.9', 5432, b'x' * 20000)\n", 5432}});
    none_goes_beyond("connect: [\"web.test:443\"]", "{host: \"web.test:443\", sent: 1K}", 1024,
                     {{"hellos of TLS", "for i in range(20): tcp('web.test', 443, hello(names(b'web.test')))\n", 443}});
}

TEST_CASE("no form of a request goes beyond a budget", "[e2e][egress][budgets][attack]") {
    const std::string get = "GET /x HTTP/1.1\\nHost: web.test\\n\\n";
    none_goes_beyond("connect: [\"web.test:80\"]", "{host: \"web.test:80\", sent: 1K}", 1024, {
        {"pipelined", "http('web.test', '" + get + "' * 60)\n", 80},
        {"one a connection", "for i in range(60): http('web.test', '" + get + "')\n", 80},
        {"at once", in_threads + "many(60, lambda i: http('web.test', '" + get + "'))\n", 80},
        {"a long path", "http('web.test', 'GET /' + 'x' * 5000 + ' HTTP/1.1\\nHost: web.test\\n\\n')\n", 80},
        {"a long header", "http('web.test', 'GET / HTTP/1.1\\nHost: web.test\\nX: ' + 'x' * 5000 + '\\n\\n')\n", 80},
        {"a body of a known length", "http('web.test', 'POST / HTTP/1.1\\nHost: web.test\\nContent-Length: 9000\\n\\n', 'x' * 9000)\n", 80},
        {"a body in chunks", "http('web.test', 'POST / HTTP/1.1\\nHost: web.test\\nTransfer-Encoding: chunked\\n\\n', *['64\\n' + 'x' * 100 + '\\n'] * 40, '0\\n\\n')\n", 80},
        {"a body in chunks of a byte", "http('web.test', 'POST / HTTP/1.1\\nHost: web.test\\nTransfer-Encoding: chunked\\n\\n' + '1\\nx\\n' * 900 + '0\\n\\n')\n", 80},
        {"chunks with extensions", "http('web.test', ('POST / HTTP/1.1\\nHost: web.test\\nTransfer-Encoding: chunked\\n\\n' + ('1;' + 'e' * 500 + '\\nx\\n') * 8 + '0\\n\\n') * 12)\n", 80},
    });
    none_goes_beyond("connect: [\"*.wild.test:80\"]", "{host: \"*.wild.test:80\", sent: 1K}", 1024,
                     {{"to many names below a wildcard", "for i in range(40): n = 'x%d.wild.test' % i; http(n, 'GET /x HTTP/1.1\\nHost: ' + n + '\\n\\n')\n", 80}});
}

TEST_CASE("inside TLS that is looked into, requests are held to their rule, and counted", "[e2e][egress][requests][budgets]") {
    const EgressWorld world;
    ::setenv("SSL_CERT_FILE", world.filled("%ca").c_str(), 1);
    ::unsetenv("SSL_CERT_DIR");
    const std::string curl = "curl -sS -o /dev/null -w '%{http_code} ' ";
    const std::string inspect = "  inspect: [\"web.test:%https\"]\n";
    const auto held = [&](const std::string& more, const std::string& script) {
        const Gated gated = world.run({"web.test:%https", "127.0.0.1:%https"}, script, inspect + more);
        INFO(gated.err << gated.violations.dump(1));
        return gated;
    };
    const Gated within = held("  budgets: [{host: \"web.test:%https\", sent: 64K, requests: 2}]\n", "for i in 1 2; do " + curl + "https://web.test:%https/?seen$i; done");
    CHECK(within.egress() == 0);
    CHECK(within.out == "200 200 ");
    const Gated asked = held("  budgets: [{host: \"web.test:%https\", requests: 2}]\n", curl + "https://web.test:%https/?one https://web.test:%https/?two https://web.test:%https/?three");
    CHECK(asked.out.ends_with("403 "));
    CHECK(asked.egress() == 1);
    CHECK_FALSE(contains(world.observed(), "?three"));
    const Gated sent = held("  budgets: [{host: \"web.test:%https\", sent: 8K}]\n", "head -c 200000 /dev/zero | " + curl + "--data-binary @- https://web.test:%https/upload");
    CHECK(sent.out == "403 ");
    REQUIRE(sent.egress() == 1);
    CHECK(sent.violations.dump().find("network.budgets") != std::string::npos);
    const Gated hello = held("  budgets: [{host: \"web.test:%https\", sent: 1K}]\n", "for i in 1 2 3 4 5 6; do " + curl + "https://web.test:%https/?hello$i; done");
    CHECK(hello.out.ends_with("403 "));
    CHECK(hello.egress() == 1);
}

TEST_CASE("when all addresses for names are given out, further names have none, and the others go on", "[e2e][egress][budgets]") {
    const OutsideWorld world;
    const Sent sent = world.held("connect: [\"*.wild.test:80\"]",
                                 "print(http('first.wild.test', 'GET /first HTTP/1.1\\nHost: first.wild.test\\n\\n'))\n"
                                 "for i in range(4095): dns('n%d.wild.test' % i)\n"
                                 "print([len(quietly(look_up, n)) for n in ('first.wild.test', 'n4094.wild.test')])\n"
                                 "print(type(quietly(look_up, 'data.wild.test')).__name__, type(quietly(look_up, 'more.wild.test')).__name__)\n"
                                 "print(http('n7.wild.test', 'GET /then HTTP/1.1\\nHost: n7.wild.test\\n\\n'))\n");
    INFO(sent.err << sent.out << nlohmann::json(sent.seen).dump() << sent.violations.dump(1));
    CHECK(sent.out.find("gaierror gaierror") != std::string::npos);
    CHECK(sent.saw("474554202f7468656e")); // GET /then
    CHECK_FALSE(sent.saw("data.wild.test"));
    CHECK_FALSE(sent.saw("n8.wild.test")); // looked up only where it is used
    REQUIRE(sent.violations.size() == 2);
    CHECK(sent.violations[0].at("operation") == "lookup");
    CHECK(sent.violations[0].at("reason").get<std::string>().find("more than 4096") != std::string::npos);
}

TEST_CASE("no way of asking goes beyond a budget of requests", "[e2e][egress][budgets][attack]") {
    const OutsideWorld world;
    const std::string get = "GET /x HTTP/1.1\\nHost: web.test\\n\\n";
    for (const std::string& script : {"http('web.test', '" + get + "' * 30)\n", in_threads + "many(30, lambda i: http('web.test', '" + get + "'))\n"}) {
        const Sent held = world.held("connect: [\"web.test:80\"], budgets: [{host: \"web.test:80\", requests: 4}]", script);
        INFO(script << held.err << nlohmann::json(held.seen).dump() << held.violations.dump(1));
        CHECK(std::count_if(held.seen.begin(), held.seen.end(), [](const std::string& line) { return line.starts_with("said 80"); }) <= 4);
        CHECK(held.saw("said 80"));
        CHECK(held.violations.size() == 1);
    }
    const Sent tls = world.held("connect: [\"web.test:443\"], budgets: [{host: \"web.test:443\", requests: 2}]",
                                in_threads + "many(10, lambda i: tcp('web.test', 443, hello(names(b'web.test'))))\n");
    CHECK(std::count_if(tls.seen.begin(), tls.seen.end(), [](const std::string& line) { return line.starts_with("said 443"); }) == 2);
    CHECK(tls.violations.size() == 1);
}

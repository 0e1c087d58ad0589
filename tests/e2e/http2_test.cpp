// HTTP/2 and WebSockets where the gateway looks inside: real clients, each with its deny twin, and what a hostile one says.
#include <algorithm>
#include <cstdlib>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;

namespace {

const std::string real = "sk-Real7-aB3dE5fG7hJ9kL2mN4pQ";
const std::string bearer = "  credentials:\n    - {host: \"web.test:%h2\", header: Authorization, value: \"Bearer ${env:API_KEY}\"}\n";
const std::vector<std::string> servers = {"web.test:%h2", "web.test:%https", "web.test:%grpc", "web.test:%wss", "127.0.0.1:%h2", "127.0.0.1:%https", "127.0.0.1:%grpc", "127.0.0.1:%wss"};

#define REQUIRE_MODULE(name) \
    REQUIRE_CAPABILITY(run({"/usr/bin/python3", "-c", std::string("import ") + (name)}).status == 0, std::string("python3's ") + (name) + ", which tools/install-deps installs")
#define REQUIRE_PROGRAM(name) REQUIRE_CAPABILITY(run({"sh", "-c", std::string("command -v ") + (name)}).status == 0, std::string(name) + ", which tools/install-deps installs")

// Servers of HTTP/2, gRPC and WebSockets that this machine trusts.
struct Trusting : EgressWorld {
    explicit Trusting(const std::string& more) : EgressWorld(Servers::More) {
        more_network = more;
        ::setenv("SSL_CERT_FILE", filled("%ca").c_str(), 1);
        ::unsetenv("SSL_CERT_DIR");
        ::setenv("API_KEY", real.c_str(), 1);
        loop.write("attack.py", slurp(HTTP2_ATTACKS));
    }
};

void check_unseen(const Trusting& world, const Gated& gated) {
    CHECK_FALSE(contains(gated.out, real));
    CHECK_FALSE(contains(gated.err, real));
    CHECK_FALSE(contains(gated.violations.dump(), real));
    const Finished kept = run({"grep", "-rlF", real, world.loop.home(), world.loop.project()});
    CHECK(kept.status == 1);
}

} // namespace

TEST_CASE("curl, nghttp, node and Go speak HTTP/2 where the gateway looks inside, and each request is judged", "[e2e][http2]") {
    REQUIRE_PROGRAM("nghttp");
    const Trusting world("  inspect: [{host: \"web.test:%h2\", paths: [\"/\", \"/big\"]}]\n");
    world.loop.write("get.go", "package main\nimport (\"fmt\"; \"io\"; \"net/http\"; \"os\")\nfunc main() { for _, u := range os.Args[1:] { r, err := http.Get(u); if err != nil { panic(err) }\n"
                               "b, _ := io.ReadAll(r.Body); fmt.Println(r.Proto, r.StatusCode, len(b)) } }\n");
    const Finished built = world.outside("GO111MODULE=off GOCACHE=$PWD/cache go build -o get get.go");
    INFO(built.err);
    REQUIRE(built.status == 0);
    world.loop.write("get.js", "const c = require('http2').connect(process.argv[2]); let left = 2; for (const path of ['/', '/secret']) {\n"
                               "const s = c.request({':path': path}); s.on('response', h => console.log('node', path, h[':status'], h['treadline-denied'] !== undefined)); s.resume();\n"
                               "s.on('end', () => { if (--left === 0) c.close(); }); }\n");
    const Gated gated = world.run(servers, "U=https://web.test:%h2; curl -sS --http2 -w '%{http_version} %{http_code}\\n' $U/; curl -sS --http2 -o /dev/null -w '%{http_version} %{http_code}\\n' $U/secret; "
                                       "curl -sS --http1.1 -w '%{http_version} %{http_code}\\n' $U/; curl -sS --http2 $U/big | wc -c; "
                                       "nghttp -n -s $U/ $U/secret | grep -oE '(200|403) .*/.*' | sed 's/ .* / /' | sort; node get.js $U | sort; ./get $U/ $U/secret $U/big");
    INFO(gated.out);
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(contains(gated.out, "hello by 2.0\n2 200\n2 403\nhello by 1.1\n1.1 200\n3000000\n"));
    CHECK(contains(gated.out, "200 /\n403 /secret\n"));
    CHECK(contains(gated.out, "node / 200 false\nnode /secret 403 true\n"));
    CHECK(contains(gated.out, "HTTP/2.0 200 13\nHTTP/2.0 403 "));
    CHECK(contains(gated.out, "HTTP/2.0 200 3000000\n"));
    CHECK(gated.about(world.filled("web.test:%h2")).size() == 4); // one for each program
    CHECK(gated.egress() == 4);
    const auto seen = world.observed();
    CHECK(contains(seen, "h2.0 GET web.test"));
    CHECK_FALSE(contains(seen, "secret"));
}

TEST_CASE("gRPC calls a service through the gateway's own TLS, and only the methods that a rule names", "[e2e][http2]") {
    REQUIRE_MODULE("grpc");
    const Trusting world("  inspect: [{host: \"web.test:%grpc\", methods: [POST], paths: [\"/demo.Demo/Echo\"]}]\n");
    const Gated gated = world.run(servers, "/usr/bin/python3 -c 'import grpc, os\n"
                                       "channel = grpc.secure_channel(\"web.test:%grpc\", grpc.ssl_channel_credentials(open(os.environ[\"SSL_CERT_FILE\"], \"rb\").read()))\n"
                                       "print(channel.unary_unary(\"/demo.Demo/Echo\")(b\"x\" * 300000, timeout=20)[:8])\n"
                                       "try:\n    channel.unary_unary(\"/demo.Demo/Delete\")(b\"hello\", timeout=20)\n"
                                       "except grpc.RpcError as e: print(e.code())\n"
                                       "print(channel.unary_unary(\"/demo.Demo/Echo\")(b\"again\", timeout=20))'");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "b'echo xxx'\nStatusCode.PERMISSION_DENIED\nb'echo again'\n");
    CHECK(gated.egress() == 1);
    const auto seen = world.observed();
    CHECK(contains(seen, "grpc /demo.Demo/Echo"));
    CHECK_FALSE(contains(seen, "Delete"));
}

TEST_CASE("a budget counts the requests of each stream, and ends a connection before more goes out", "[e2e][http2]") {
    const Trusting world("  inspect: [\"web.test:%h2\"]\n  budgets: [{host: \"web.test:%h2\", requests: 2, sent: 64K}]\n");
    const Gated counted = world.run(servers, "U=https://web.test:%h2; curl -sS -w '%{http_version} %{http_code}\\n' -o /dev/null $U/ -o /dev/null $U/ -o /dev/null $U/");
    INFO(counted.err);
    CHECK(counted.out == "2 200\n2 200\n2 403\n");
    CHECK(counted.egress() == 1);
    const auto asked = world.observed();
    CHECK(std::count_if(asked.begin(), asked.end(), [](const std::string& line) { return contains(line, "h2.0 GET"); }) == 2);
    const Gated stopped = world.run(servers, "head -c 2000000 /dev/zero > /tmp/big; curl -sS -m 20 --data-binary @/tmp/big https://web.test:%h2/ || echo broken off");
    INFO(stopped.err);
    CHECK(stopped.out == "broken off\n");
    CHECK(stopped.egress() == 1);
    CHECK(contains(stopped.violations.dump(), "is used up"));
}

TEST_CASE("a client that speaks only HTTP/2 to a server that does not is refused with that reason", "[e2e][http2]") {
    REQUIRE_MODULE("h2");
    const Trusting world("  inspect: [\"web.test:%https\"]\n");
    const Gated gated = world.run(servers, "/usr/bin/python3 attack.py %https %ca authority; curl -sS --http2 -o /dev/null -w '%{http_version}\\n' https://web.test:%https/");
    INFO(gated.err);
    CHECK(contains(gated.out, "no TLS"));
    CHECK(contains(gated.out, "1.1\n"));
    REQUIRE(gated.egress() == 1);
    CHECK(contains(gated.violations.dump(), "speaks only HTTP/2, and the server does not"));
    CHECK_FALSE(contains(world.observed(), "/attack"));
}

TEST_CASE("over HTTP/2 the real value is put in outside, and no answer brings it back", "[e2e][http2][credentials]") {
    const Trusting world(bearer);
    const Gated gated = world.run(servers, "U=https://web.test:%h2; A=\"Authorization: Bearer $API_KEY\"; curl -sS -H \"$A\" $U/; head -c 2000000 /dev/zero > /tmp/big; "
                                       "curl -sS -H \"$A\" --data-binary @/tmp/big $U/; curl -sS -H \"$A\" -H 'Range: bytes=1-2' $U/big | wc -c");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "hello by 2.0\ngot 2000000\n3000000\n");
    CHECK(gated.egress() == 0);
    check_unseen(world, gated);
    CHECK(contains(world.observed(), "authorization Bearer " + real));
    const std::string form = GENERATE(as<std::string>(), "", "?header", "?bytes", "?trailer");
    CAPTURE(form);
    REQUIRE(contains(world.outside("curl -sS -i --http2 --cacert %ca --resolve web.test:%h2:127.0.0.1 -H \"Authorization: Bearer $API_KEY\" 'https://web.test:%h2/echo" + form + "'").out, real));
    const Gated echoed = world.run(servers, "curl -sS -i -m 20 -H \"Authorization: Bearer $API_KEY\" 'https://web.test:%h2/echo" + form + "'");
    INFO(echoed.out);
    CHECK(echoed.egress() == 1);
    check_unseen(world, echoed);
    CHECK_FALSE(contains(echoed.out, real.substr(0, real.size() - 1)));
}

TEST_CASE("what a hostile program says by HTTP/2 does not go on, and the stream beside it does", "[e2e][http2][attacks]") {
    REQUIRE_MODULE("h2");
    const Trusting world(bearer);
    const std::string attack = GENERATE(as<std::string>(), "authority", "host", "crlf", "nul", "upper", "connection", "encoding", "connect", "websocket", "absolute", "path", "header");
    CAPTURE(attack);
    const Gated gated = world.run(servers, "/usr/bin/python3 attack.py %h2 $SSL_CERT_FILE " + attack + " $API_KEY");
    INFO(gated.out);
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK((gated.out == "200 403 \n" || gated.out == "200 reset \n"));
    CHECK(gated.egress() == 1);
    const auto seen = world.observed();
    CHECK(contains(seen, "/good"));
    CHECK_FALSE(contains(seen, "/attack"));
    CHECK_FALSE(contains(seen, "evil.test"));
}

TEST_CASE("a placeholder in a body or behind it does not go on by HTTP/2", "[e2e][http2][attacks]") {
    REQUIRE_MODULE("h2");
    const Trusting world(bearer);
    const std::string attack = GENERATE(as<std::string>(), "body", "trailer");
    CAPTURE(attack);
    const Gated gated = world.run(servers, "/usr/bin/python3 attack.py %h2 $SSL_CERT_FILE " + attack + " $API_KEY");
    INFO(gated.err);
    CHECK(contains(gated.out, "403"));
    CHECK(gated.egress() == 1);
    CHECK_FALSE(contains(world.observed(), "trailers"));
    check_unseen(world, gated);
}

TEST_CASE("floods by HTTP/2 end their connection, and the gateway serves the next one", "[e2e][http2][attacks]") {
    REQUIRE_MODULE("h2");
    const Trusting world("  inspect: [\"web.test:%h2\"]\n");
    const std::string attack = GENERATE(as<std::string>(), "reset", "continuation");
    CAPTURE(attack);
    const Gated gated = world.run(servers, "/usr/bin/python3 attack.py %h2 $SSL_CERT_FILE " + attack + "; curl -sS https://web.test:%h2/");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "ended\nhello by 2.0\n");
    REQUIRE(gated.egress() == 1);
    CHECK(contains(gated.violations.dump(), "flood"));
    const auto seen = world.observed();
    CHECK(std::count_if(seen.begin(), seen.end(), [](const std::string& line) { return contains(line, "/never"); }) <= 500);
}

TEST_CASE("a WebSocket inside TLS that is looked into is opened where a rule names it, and elsewhere refused with that rule", "[e2e][http2][websocket]") {
    REQUIRE_MODULE("websockets");
    const std::string script = "/usr/bin/python3 -c 'import asyncio, ssl, websockets\n"
                               "async def main():\n"
                               "    async with websockets.connect(\"wss://web.test:%wss/\") as s:\n"
                               "        for word in (\"hello\", \"x\" * 200000): await s.send(word); print((await s.recv())[:10])\n"
                               "asyncio.run(main())' 2>&1 | tail -n 2";
    {
        const Trusting world("  inspect: [{host: \"web.test:%wss\", upgrades: [websocket]}]\n");
        const Gated gated = world.run(servers, script);
        INFO(gated.err);
        INFO(gated.violations.dump(1));
        CHECK(gated.out == "echo hello\necho xxxxx\n");
        CHECK(gated.egress() == 0);
        CHECK(contains(world.observed(), "websocket hello"));
    }
    struct Denied {
        const char* rules;
        const char* rule; // that would allow it
    };
    const Denied denied = GENERATE(Denied{"  inspect: [\"web.test:%wss\"]\n", "{host: \"web.test:%wss\", upgrades: [websocket]}"},
                                   Denied{"  inspect: [{host: \"web.test:%wss\", upgrades: [chat]}]\n", "{host: \"web.test:%wss\", upgrades: [websocket]}"},
                                   Denied{"  inspect: [{host: \"web.test:%wss\", paths: [/ws], upgrades: [websocket]}, \"web.test:%wss\"]\n", "{host: \"web.test:%wss\", upgrades: [websocket]}"},
                                   Denied{"  inspect: [{host: \"web.test:%wss\", methods: [GET], paths: [/]}]\n", "{host: \"web.test:%wss\", methods: [GET], paths: [\"/\"], upgrades: [websocket]}"},
                                   Denied{"  inspect: [{host: \"web.test:%wss\", upgrades: [websocket]}]\n  credentials: [{host: \"web.test:%wss\", header: X-Key, value: \"${env:API_KEY}\"}]\n", ""});
    CAPTURE(denied.rules);
    const Trusting world(denied.rules);
    const Gated gated = world.run(servers, script);
    INFO(gated.out);
    CHECK_FALSE(contains(gated.out, "echo"));
    REQUIRE(gated.egress() == 1);
    const auto about = gated.about(world.filled("web.test:%wss"));
    REQUIRE(about.size() == 1);
    CHECK((about[0].at("rule").is_null() ? "" : about[0].at("rule").get<std::string>()) == world.filled(denied.rule));
    CHECK_FALSE(contains(world.observed(), "websocket"));
}

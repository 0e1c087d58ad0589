// Between the sandbox's loopback and the host's: published ports, and services of the host's that a rule names.
#include <catch2/catch_test_macros.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;

namespace {

std::string free_port() {
    return run({"python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], end='')"}).out;
}

// Listens at the address and says what it is to whoever connects, until `done` stands in the project.
std::string serve(const std::string& address, const std::string& port) {
    return "python3 - <<'P' &\n"
           "import os, socket, threading\n"
           "s = socket.create_server(('" + address + "', " + port + "), family=socket.AF_INET6 if ':' in '" + address + "' else socket.AF_INET)\n"
           "def answer():\n"
           "    while True:\n"
           "        c, peer = s.accept()\n"
           "        c.sendall(('inside " + address + " ' + c.recv(100).decode()).encode())\n"
           "        c.close()\n"
           "threading.Thread(target=answer, daemon=True).start()\n"
           "import time\n"
           "while not os.path.exists('done'): time.sleep(0.02)\n"
           "P\n";
}

// Outside, once the project has a `listening`: asks each port, writes the answers to `answers`, and lets the server inside go.
std::string ask(const std::vector<std::string>& endpoints) {
    std::string list;
    for (const std::string& endpoint : endpoints) {
        list += "('" + endpoint.substr(0, endpoint.rfind(':')) + "', " + endpoint.substr(endpoint.rfind(':') + 1) + "), ";
    }
    return "cat > ask.py <<'P'\n"
           "import os, socket, time\n"
           "while not os.path.exists('listening'): time.sleep(0.02)\n"
           "answers = open('answers', 'w')\n"
           "for to in [" + list + "]:\n"
           "    for _ in range(100):\n"
           "        try:\n"
           "            s = socket.create_connection(to, 5); s.sendall(b'hello'); said = b''\n"
           "            while part := s.recv(100): said += part\n"
           "            print(said.decode(), file=answers)\n"
           "            break\n"
           "        except ConnectionResetError: time.sleep(0.05)\n" // nobody listens inside yet
           "        except OSError as e:\n"
           "            print(type(e).__name__, file=answers)\n"
           "            break\n"
           "answers.close(); open('done', 'w').close()\n"
           "P\n"
           "(python3 ask.py > /dev/null 2> asked &)";
}

} // namespace

TEST_CASE("a published port is reached at the host's 127.0.0.1, whatever address it listens at inside, and nothing else is", "[e2e][egress][publish]") {
    const EgressWorld world;
    const std::string four = free_port();
    const std::string six = free_port();
    const std::string any = free_port();
    const std::string own = free_port();
    const std::string hidden = free_port();
    std::vector<std::string> asked = {"127.0.0.1:" + four, "127.0.0.1:" + six, "127.0.0.1:" + any, "127.0.0.1:" + own, "127.0.0.1:" + hidden, "::1:" + four};
    if (world.has_own_address()) {
        asked.push_back(world.filled("%own:") + any);
    }
    REQUIRE(world.outside(ask(asked)).status == 0);
    const Gated gated = world.run({}, serve("127.0.0.1", four) + serve("::1", six) + serve("0.0.0.0", any) + serve("198.18.0.1", own) + serve("127.0.0.1", hidden) +
                                          "touch listening; wait", "  listen: [" + four + ", " + six + ", " + any + ", " + own + ", " + hidden + "]\n  publish: [" +
                                          four + ", " + six + ", " + any + ", " + own + "]\n");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.status == 0);
    std::string expected = "inside 127.0.0.1 hello\ninside ::1 hello\ninside 0.0.0.0 hello\ninside 198.18.0.1 hello\nConnectionRefusedError\nConnectionRefusedError\n";
    expected += world.has_own_address() ? "ConnectionRefusedError\n" : "";
    CHECK(slurp(world.loop.project() + "/answers") == expected);
    CHECK(gated.egress() == 0);
    // With the run it is over.
    CHECK(world.outside("curl -sS -m 5 http://127.0.0.1:" + four + "/").status == 7);
}

TEST_CASE("without `publish` a port that listens inside is not reached from outside", "[e2e][egress][publish]") {
    const EgressWorld world;
    const std::string port = free_port();
    REQUIRE(world.outside(ask({"127.0.0.1:" + port})).status == 0);
    const Gated gated = world.run({}, serve("0.0.0.0", port) + "touch listening; wait", "  listen: [" + port + "]\n");
    INFO(gated.err);
    CHECK(slurp(world.loop.project() + "/answers") == "ConnectionRefusedError\n");
}

TEST_CASE("a port in use is not published: the start is refused, and says what to do", "[e2e][egress][publish]") {
    const EgressWorld world;
    world.loop.write(".treadline/profile.yaml", world.filled("treadline: 1\nname: t\ninclude: [base, coreutils]\nfiles:\n  ${project}/**: rwc\n"
                                                             "network: {listen: [%tcp], publish: [%tcp]}\n"));
    const Finished refused = world.loop.treadline({"enforce", "--", "touch", "ran"});
    INFO(refused.err);
    CHECK(refused.status == 126);
    CHECK(refused.err.find(world.filled("cannot publish port %tcp at 127.0.0.1 (end what listens there")) != std::string::npos);
    CHECK(world.loop.shell("test ! -e ran").status == 0);
}

TEST_CASE("a service of the host's loopback is reached at the loopback inside by the rule that names its port", "[e2e][egress][host]") {
    const EgressWorld world;
    const std::string talk = "python3 -c 'import socket, sys\n"
                             "for to in (\"127.0.0.1\", \"::1\", \"localhost\"):\n"
                             "    s = socket.create_connection((to, %tcp), 5); s.sendall(b\"x\\n\"); print(to, s.recv(6).decode(), end=\"\")\n"
                             "'";
    const Gated gated = world.run({"host:%tcp"}, talk);
    INFO(gated.err);
    CHECK(gated.out == "127.0.0.1 hello\n::1 hello\nlocalhost hello\n");
    CHECK(gated.egress() == 0);
    CHECK_FALSE(world.observed().empty());
    CHECK(world.outside("treadline query connect host:%tcp 127.0.0.1:%tcp").out == world.filled("allow\thost:%tcp\nallow\thost:%tcp\n"));
    // As outside, the port is taken.
    const Gated bind = world.run({"host:%tcp"}, "python3 -c 'import socket; socket.create_server((\"127.0.0.1\", %tcp))' 2>&1 | tail -n 1", "  listen: [%tcp]\n");
    CHECK(bind.out.find("Address already in use") != std::string::npos);
    // Nobody there: refused, as outside.
    const std::string nobody = free_port();
    CHECK(world.run({"host:" + nobody}, "curl -sS -m 5 http://127.0.0.1:" + nobody + "/; echo $?").out == "56\n");
}

TEST_CASE("the host's loopback is not reached without a rule, in whatever form its address is written", "[e2e][egress][host]") {
    const EgressWorld world;
    const std::string attack = "python3 - <<'P'\n"
                               "import socket\n"
                               "for family, to in ((2, '127.0.0.1'), (2, '127.1'), (2, '2130706433'), (2, '0x7f000001'), (2, '0177.0.0.1'), (2, '0.0.0.0'), (2, 'localhost'),\n"
                               "                   (10, '::ffff:127.0.0.1'), (10, '::'), (10, '::1'), (2, '127.0.0.2'), (10, '64:ff9b::127.0.0.1'), (10, '::127.0.0.1'), (10, 'fe80::1%lo')):\n"
                               "    s = socket.socket(family); s.settimeout(5)\n"
                               "    try:\n"
                               "        s.connect((to, %tcp)); s.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')\n"
                               "        if s.recv(5) == b'hello': print('reached by', to)\n"
                               "    except OSError: pass\n"
                               "P";
    const Finished outside = world.outside(attack);
    CHECK(outside.out.find("reached by 127.1\n") != std::string::npos);
    CHECK(outside.out.find("reached by ::ffff:127.0.0.1\n") != std::string::npos);
    (void)world.observed();
    const Gated gated = world.run({"web.test:%http"}, attack);
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out.empty());
    CHECK(world.observed().empty());
    REQUIRE(gated.about(world.filled("127.0.0.1:%tcp")).size() == 1); // however it was written
    CHECK(gated.about(world.filled("127.0.0.1:%tcp"))[0].at("rule") == world.filled("host:%tcp"));
    REQUIRE(gated.about(world.filled("127.0.0.2:%tcp")).size() == 1);
    CHECK(gated.about(world.filled("127.0.0.2:%tcp"))[0].at("rule").is_null());
}

TEST_CASE("without what makes sockets inside the gateway ends, and one violation says so", "[e2e][egress][publish]") {
    const EgressWorld world;
    const std::string port = free_port();
    REQUIRE(world.outside("cat > kill-maker <<'E'\n"
                          "while [ ! -e listening ]; do sleep 0.05; done\n"
                          "for p in /proc/[0-9]*; do\n"
                          "  [ \"$(cat $p/comm 2> /dev/null)\" = treadline-dial ] || continue\n"
                          "  parent=$(sed -n 's/^PPid:[[:space:]]*//p' $p/status)\n"
                          "  tr '\\0' ' ' < /proc/$parent/cmdline | grep -q \"$PWD/listening\" && kill -9 ${p#/proc/}\n"
                          "done\n"
                          "for i in 1 2 3 4 5 6 7 8; do curl -sS -m 5 http://127.0.0.1:" + port + "/ > /dev/null 2>&1; done\n" // what was made ahead is used up
                          "touch done\n"
                          "E\n"
                          "(sh kill-maker > /dev/null 2>&1 &)").status == 0);
    const Gated gated = world.run({}, "touch " + world.loop.project() + "/listening; while [ ! -e done ]; do sleep 0.05; done; sleep 0.2",
                                  "  listen: [" + port + "]\n  publish: [" + port + "]\n");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    REQUIRE(gated.about("(everything)").size() == 1);
    CHECK(gated.about("(everything)")[0].at("reason").get<std::string>().find("the egress gateway ended") != std::string::npos);
}

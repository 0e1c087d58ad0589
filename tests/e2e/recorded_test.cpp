// Learning behind the egress gateway: what is recorded, the rules that come of it, and that what is enforced then is what was
// learned. The servers outside write down what reaches them.
#include <filesystem>
#include <sstream>

#include <catch2/catch_test_macros.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;
using nlohmann::json;

namespace {

const std::vector<std::string> names = {"--resolve", "web.test=127.0.0.1", "--resolve", "other.test=127.0.0.1", "--resolve", "evil.test=127.0.0.1"};

class Learning {
public:
    Learning() { REQUIRE_CAPABILITY(can_trace(), "the collector has no capabilities; tests/run sets them"); }

    [[nodiscard]] Finished learn(const std::string& script, const std::vector<std::string>& more = {}) const {
        return run("learn", more, script);
    }
    // The last run, by `show --json`.
    [[nodiscard]] json shown() const {
        const json runs = json::parse(world.loop.treadline({"runs", "--json"}).out);
        return json::parse(world.loop.treadline({"show", runs.back().at("id").dump(), "--json"}).out);
    }
    [[nodiscard]] json exchange(const std::string& host, const std::string& port, const std::string& method = "") const {
        const json run = shown();
        for (const json& one : run.at("exchanges")) {
            if (one.at("host") == host && one.at("port").dump() == world.filled(port) && one.value("method", "") == method) {
                return one;
            }
        }
        return nullptr;
    }
    // What a person does who has read the withheld rules and wants those that hold one of these texts.
    void accept(const std::vector<std::string>& texts) const {
        std::string profile = world.loop.profile();
        for (const std::string& text : texts) {
            const size_t at = profile.find(world.filled(text));
            INFO("no line '" << world.filled(text) << "' in\n" << profile);
            REQUIRE(at != std::string::npos);
            const size_t start = profile.rfind('\n', at) + 1;
            REQUIRE(profile[start] == '#');
            profile.erase(start, 1);
        }
        world.loop.write(".treadline/profile.yaml", profile);
    }
    // Violations of layer egress in an enforced run.
    [[nodiscard]] std::vector<json> enforce(const std::string& script, Finished* done = nullptr) const {
        const std::string report = world.loop.home() + "/report.json";
        std::filesystem::remove(report);
        const Finished enforced = run("enforce", {"--report", "json:" + report}, script);
        INFO("profile:\n" << world.loop.profile() << enforced.err);
        REQUIRE(std::filesystem::exists(report));
        std::vector<json> denied;
        const json told = json::parse(slurp(report));
        for (const json& violation : told.at("violations")) {
            if (violation.at("layer") == "egress") {
                denied.push_back(violation);
            }
        }
        if (done != nullptr) {
            *done = enforced;
        }
        return denied;
    }
    // The rules of `connect` that stand, and those withheld.
    [[nodiscard]] bool has_rule(const std::string& rule) const { return has_line("\"" + world.filled(rule) + "\"", false) || has_line("- " + world.filled(rule), false); }
    [[nodiscard]] bool withholds(const std::string& rule) const { return has_line(world.filled(rule), true); }

    // In any rule, withheld ones included; their reasons may name it.
    [[nodiscard]] bool profile_lacks(const std::string& text) const {
        for (const std::string& line : lines()) {
            const size_t reason = line.find("  #");
            if (line.substr(0, reason).find(text) != std::string::npos && line.find("command:") == std::string::npos) {
                return false;
            }
        }
        return true;
    }

    EgressWorld world;

private:
    [[nodiscard]] bool has_line(const std::string& text, bool comment) const {
        for (const std::string& line : lines()) {
            const size_t at = line.find(text);
            const char after = at == std::string::npos || at + text.size() == line.size() ? ' ' : line[at + text.size()];
            if (at != std::string::npos && line.starts_with('#') == comment && after != '/') {
                return true;
            }
        }
        return false;
    }
    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> lines;
        std::istringstream all(world.loop.profile());
        for (std::string line; std::getline(all, line);) {
            lines.push_back(line);
        }
        return lines;
    }
    [[nodiscard]] Finished run(const std::string& verb, const std::vector<std::string>& more, const std::string& script) const {
        std::vector<std::string> words = {verb};
        words.insert(words.end(), names.begin(), names.end());
        words.insert(words.end(), more.begin(), more.end());
        for (const std::string& word : {std::string("--"), std::string("sh"), std::string("-c"), world.filled(script)}) {
            words.push_back(word);
        }
        return world.loop.treadline(words);
    }
};


} // namespace

TEST_CASE("curl, python, node and git are learned through the gateway, and pass under what was learned", "[e2e][egress][record]") {
    const Learning learning;
    const EgressWorld& world = learning.world;
    REQUIRE(world.outside("git init -q --bare %www/repo.git && git init -q seed && cd seed && git config user.email t@t.test && "
                          "git config user.name t && echo file > file && git add . && git commit -qm one && "
                          "git push -q %www/repo.git HEAD:refs/heads/main && git -C %www/repo.git symbolic-ref HEAD refs/heads/main && "
                          "git -C %www/repo.git update-server-info && rm -rf ../seed").status == 0);
    const std::string script = "rm -rf clone; curl -sS http://web.test:%http/ && curl -sS --cacert %ca https://web.test:%https/ && "
                               "SSL_CERT_FILE=%ca python3 -c 'import urllib.request as r; print(r.urlopen(\"https://web.test:%https/\").read())' && "
                               "NODE_EXTRA_CA_CERTS=%ca node -e 'fetch(\"https://web.test:%https/\").then(r => r.text()).then(t => console.log(\"node\", t))' && "
                               "GIT_SSL_CAINFO=%ca git clone -q https://web.test:%https/repo.git clone && cat clone/file";
    const std::string said = "hello\nhello\nb'hello\\n'\nnode hello\n\nfile\n";
    const Finished learned = learning.learn(script);
    INFO(learned.err);
    CHECK(learned.status == 0);
    CHECK(learned.out == said);
    CHECK(contains(world.observed(), "tls web.test"));
    const json shown = learning.shown();
    CHECK(shown.at("info").at("network") == "gateway");
    CHECK(shown.at("info").at("complete") == true);
    CHECK(learning.exchange("web.test", "%https").at("protocol") == "tls");
    CHECK(learning.exchange("web.test", "%https").at("server_name") == "web.test");
    const json plain = learning.exchange("web.test", "%http");
    CHECK(plain.at("protocol") == "http");
    CHECK(plain.at("address") == "127.0.0.1");
    CHECK(plain.at("exe").get<std::string>().find("curl") != std::string::npos);
    CHECK(plain.at("bytes_down").get<int>() > 6);
    CHECK(learning.exchange("web.test", "%http", "GET").at("path") == "/");
    const auto named = [&](const json& connection) { return connection.at("host") == "web.test"; };
    CHECK(std::any_of(shown.at("connections").begin(), shown.at("connections").end(), named));
    CHECK(learning.has_rule("web.test:%http"));
    CHECK(learning.has_rule("web.test:%https"));
    CHECK(world.loop.profile().find("198.18.") == std::string::npos);
    CHECK(world.loop.profile().find("fd74:") == std::string::npos);
    // The name leads to this machine, which waits for a person.
    learning.accept({"127.0.0.1:%http", "127.0.0.1:%https"});
    Finished enforced;
    const auto denied = learning.enforce(script, &enforced);
    INFO(enforced.err);
    CHECK(denied.empty());
    CHECK(enforced.status == 0);
    CHECK(enforced.out == said);
    (void)world.observed();
    const auto other = learning.enforce("curl -sS -m 5 http://other.test:%http/; true", &enforced);
    INFO(enforced.err << enforced.out);
    CHECK(other.size() == 1);
    CHECK(world.observed().empty());
}

TEST_CASE("another protocol is learned as one, whoever speaks first, and only it needs tcp", "[e2e][egress][record]") {
    const Learning learning;
    const std::string talk = "timeout 20 bash -c 'exec 3<>/dev/tcp/web.test/%tcp; head -n 1 <&3; echo SECRET >&3; head -n 1 <&3'";
    const Finished learned = learning.learn(talk);
    INFO(learned.err);
    CHECK(learned.out == "hello\nSECRET\n");
    CHECK(learning.exchange("web.test", "%tcp").at("protocol") == "other");
    CHECK(learning.exchange("web.test", "%tcp").at("bytes_up") == 7);
    CHECK(learning.has_rule("web.test:%tcp/tcp"));
    learning.accept({"127.0.0.1:%tcp"});
    Finished enforced;
    CHECK(learning.enforce(talk, &enforced).empty());
    CHECK(enforced.out == "hello\nSECRET\n");
}

TEST_CASE("a name that does not exist does not exist while learning, and an address stays one", "[e2e][egress][record]") {
    const Learning learning;
    REQUIRE_CAPABILITY(learning.world.has_own_address(), "a network address besides the loopback's");
    const Finished learned = learning.learn("getent hosts no-such-name.invalid; echo $?; curl -sS http://%own:%http/; "
                                            "python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b\"x\", (\"%own\", %udp))' 2>&1 | tail -n 1");
    INFO(learned.err);
    CHECK(learned.out.starts_with("2\nhello\n"));
    CHECK(learned.out.find("unreachable") != std::string::npos);
    CHECK(learned.err.find("only TCP passes") != std::string::npos);
    CHECK(learned.err.find(learning.world.filled("udp to %own:%udp")) != std::string::npos);
    CHECK(learned.err.find("--network host") != std::string::npos);
    CHECK(learning.exchange("", "%http").at("address") == learning.world.filled("%own"));
    CHECK((learning.withholds("%own:%http") || learning.has_rule("%own:%http"))); // by what kind of address it is
    // What stands for a name, but for none here.
    CHECK(learning.learn("curl -sS -m 20 http://198.18.77.7:80/; curl -sS -m 20 http://198.18.0.3:1/; true").status == 0);
    CHECK(learning.profile_lacks("198.18."));
}

TEST_CASE("why an address could not be reached while learning is kept as it was", "[e2e][egress][record]") {
    const Learning learning;
    const Finished learned = learning.learn("curl -sS http://web.test:1/; curl -sS http://far.test:80/; true", {"--resolve", "far.test=224.0.0.1"}); // which TCP never reaches
    INFO(learned.err);
    CHECK(learned.status == 0);
    CHECK(learning.exchange("web.test", "1").value("result", "") == "ECONNREFUSED");
    CHECK(learning.exchange("far.test", "80").value("result", "") == "ENETUNREACH");
    const Finished shown = learning.world.loop.treadline({"show", "1"});
    CHECK(contains(shown.out, "ENETUNREACH"));
}

TEST_CASE("a name whose address cannot be reached does not lead to this machine's loopback while learning", "[e2e][egress][record]") {
    const Learning learning;
    CHECK(contains(learning.learn("curl -sS http://web.test:%http/", {}).out, "hello"));
    const Finished learned = learning.learn("curl -sS -H 'Host: web.test:%http' http://far.test:%http/ || echo unreached", {"--resolve", "far.test=224.0.0.1"});
    CHECK(contains(learned.out, "unreached"));
    CHECK_FALSE(contains(learned.out, "hello"));
}

TEST_CASE("a service of this machine's loopback is reached while learning, and waits for a person", "[e2e][egress][record]") {
    const Learning learning;
    const Finished learned = learning.learn("curl -sS http://127.0.0.1:%http/; curl -sS http://localhost:%http/; curl -sS -m 5 http://127.0.0.1:1/; echo $?");
    INFO(learned.err);
    CHECK(learned.out == "hello\nhello\n7\n");
    CHECK(learning.withholds("host:%http"));
    CHECK(learning.profile_lacks("host:1 ")); // where nobody was
    Finished enforced;
    (void)learning.world.observed();
    CHECK_FALSE(learning.has_rule("host:%http"));
    (void)learning.enforce("curl -sS -m 5 http://127.0.0.1:%http/; true", &enforced);
    CHECK(enforced.out.empty());
    CHECK(learning.world.observed().empty());
    learning.accept({"network:", "connect:", "- host:%http"});
    CHECK(learning.enforce("curl -sS http://127.0.0.1:%http/", &enforced).empty());
    CHECK(enforced.out == "hello\n");
}

TEST_CASE("what names another host while learning is withheld, and hostile names make no rule", "[e2e][egress][record]") {
    const Learning learning;
    const Finished learned = learning.learn(
        "curl -sS -H 'Host: evil.test' http://web.test:%http/; echo | timeout 10 openssl s_client -connect other.test:%https -servername evil.test > /dev/null 2>&1; "
        "python3 - <<'P'\n"
        "import socket, struct\n"
        "def ask(labels, kind):\n"
        "    q = struct.pack('>6H', 7, 256, 1, 0, 0, 0) + b''.join(bytes([len(l)]) + l for l in labels) + b'\\0' + struct.pack('>2H', kind, 1)\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20); s.connect(('8.8.8.8', 53)); s.send(q); s.recv(512)\n"
        "ask([b'*', b'test'], 1)\n"
        "ask([b'a\\n    - \"*.test:443\"\\n#', b'test'], 1)\n"
        "ask([b'_x', b'_tcp', b'web', b'test'], 33)\n"
        "for head in (b'GET /\\x1b[2J\\n HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n', b'GET / HTTP/1.1\\r\\nHost: \"]\\r\\n  - \"*\\r\\n\\r\\n'):\n"
        "    s = socket.create_connection(('web.test', %http)); s.sendall(head); s.recv(10)\n"
        "P");
    INFO(learned.err << learning.world.loop.profile());
    CHECK(learned.status == 0);
    CHECK(learning.has_rule("web.test:%http"));
    CHECK(learning.withholds("web.test:%http/tcp"));
    CHECK(learning.withholds("other.test:%https/tcp"));
    CHECK(learning.profile_lacks("evil.test"));
    CHECK(learned.err.find("the lookup SRV _x._tcp.web.test") != std::string::npos);
    CHECK(learning.world.loop.treadline({"lint"}).status == 0);
    CHECK(learning.exchange("other.test", "%https").at("server_name") == "evil.test");
    CHECK(learning.world.loop.treadline({"show", "1"}).out.find('\x1b') == std::string::npos);
}

TEST_CASE("two names at one address are two rules, also where another process uses what one looked up", "[e2e][egress][record]") {
    const Learning learning;
    const Finished learned = learning.learn("A=$(getent ahostsv4 other.test | head -n 1 | cut -d' ' -f1); curl -sS http://web.test:%http/; "
                                            "python3 -c \"import socket; s = socket.create_connection(('$A', %https)); s.close()\"; echo $A");
    INFO(learned.err << learning.world.loop.profile());
    CHECK(learned.out.find("198.18.") != std::string::npos);
    CHECK(learning.has_rule("web.test:%http"));
    CHECK(learning.has_rule("other.test:%https"));
    CHECK_FALSE(learning.has_rule("web.test:%https"));
    CHECK(learning.profile_lacks("198.18."));
}

TEST_CASE("a learning run whose gateway is killed is partial, has no network from then on, and makes no rule of its addresses", "[e2e][egress][record]") {
    const Learning learning;
    const EgressWorld& world = learning.world;
    world.kill_gateway_later();
    const Finished learned = learning.learn("curl -sS http://web.test:%http/; touch " + world.loop.project() + "/first; "
                                            "while [ ! -e second ]; do sleep 0.05; done; curl -sS -m 5 http://web.test:%http/; true");
    INFO(learned.err);
    CHECK(learned.out == "hello\n");
    CHECK(learned.err.find("the trace is partial: the egress gateway ended before the command did") != std::string::npos);
    CHECK(learning.shown().at("info").at("complete") == false);
    CHECK(world.loop.profile().find("complete: false") != std::string::npos);
    CHECK(learning.profile_lacks("198.18."));
    CHECK(learning.profile_lacks("web.test"));
}

TEST_CASE("on the host's network learning sees what it saw before, and says which it was", "[e2e][egress][record]") {
    const Learning learning;
    const Finished learned = learning.learn("python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b\"x\", (\"127.0.0.1\", %udp))'; "
                                            "curl -sS http://127.0.0.1:%http/",
                                            {"--network", "host"});
    INFO(learned.err);
    CHECK(learned.out == "hello\n");
    CHECK(learning.shown().at("info").at("network") == "host");
    CHECK(learning.shown().at("exchanges").empty());
    CHECK(contains(learning.world.observed(), "udp"));
    CHECK(learning.learn("true", {"--network", "vpn"}).status == 125);
}

TEST_CASE("while learning a server of the command's is reached from this machine, and is not when it has ended", "[e2e][egress][record]") {
    const Learning learning;
    const std::string port = run({"python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], end='')"}).out;
    REQUIRE(learning.world.outside("(for i in $(seq 300); do curl -s http://127.0.0.1:" + port + "/page > answer && break; sleep 0.1; done; touch asked; "
                                   "for i in $(seq 100); do curl -s http://127.0.0.1:" + port + "/page || break; sleep 0.1; done; touch gone) > /dev/null 2>&1 &").status == 0);
    const Finished learned = learning.learn("echo served > page; python3 -m http.server --bind 0.0.0.0 " + port + " > /dev/null 2>&1 & server=$!; "
                                            "while [ ! -e asked ]; do sleep 0.05; done; kill $server; for i in $(seq 300); do [ -e gone ] && break; sleep 0.05; done; ls gone");
    INFO(learned.err);
    CHECK(learned.out == "gone\n");
    CHECK(slurp(learning.world.loop.project() + "/answer") == "served\n");
    CHECK(learning.world.loop.profile().find("listen:") != std::string::npos);
}

TEST_CASE("a service that begins to listen on this machine while learning is reached inside", "[e2e][egress][record]") {
    const Learning learning;
    const std::string port = run({"python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], end='')"}).out;
    REQUIRE(learning.world.outside("(while [ ! -e begun ]; do sleep 0.05; done; echo late > page; exec timeout 20 python3 -m http.server --bind 127.0.0.1 " + port +
                                   ") > /dev/null 2>&1 &").status == 0);
    const Finished learned = learning.learn("curl -sS http://127.0.0.1:" + port + "/page 2> /dev/null; echo $?; touch begun; "
                                            "for i in $(seq 200); do curl -s http://127.0.0.1:" + port + "/page && break; sleep 0.1; done");
    INFO(learned.err);
    CHECK(learned.out == "7\nlate\n");
    CHECK(learning.withholds("host:" + port));
}

TEST_CASE("where the gateway cannot be set up learning says so in a sentence, and learns on the host's network", "[e2e][egress][record]") {
    const Learning learning;
    // A library that is none: what the capture needs cannot be loaded.
    const Finished learned = learning.world.outside("mkdir broken && : > broken/libnftables.so.1 && LD_LIBRARY_PATH=$PWD/broken "
                                                    "treadline learn -- curl -sS http://127.0.0.1:%http/");
    INFO(learned.err);
    CHECK(learned.status == 0);
    CHECK(learned.out == "hello\n");
    CHECK(learned.err.find("the command has this machine's own network, because the egress gateway cannot be set up: ") != std::string::npos);
    CHECK(learned.err.find("libnftables") != std::string::npos);
    CHECK(learning.shown().at("info").at("network") == "host");
    CHECK(learning.withholds("host:%http"));
}

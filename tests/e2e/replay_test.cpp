// What was captured, served back: real clients with the servers gone, what is not served, and what hostile bytes in a store or
// from a server can do. The servers outside write down what reaches them.
#include <cstdlib>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <sqlite3.h>

#include "tests/e2e/egress_world.h"
#include "tests/e2e/outside_world.h"

using namespace treadline::test;

namespace {

const std::string real = "sk-Real7-aB3dE5fG7hJ9kL2mN4pQ";
const std::vector<std::string> rules = {"web.test:%http", "web.test:%https", "other.test:%http", "other.test:%https", "web.test:%tcp/tcp", "127.0.0.1:%http", "127.0.0.1:%https", "127.0.0.1:%tcp"};

// The number of the run that was captured, as the last line says it.
std::string run_of(const std::string& err) {
    const size_t at = err.find("as run ");
    INFO(err);
    REQUIRE(at != std::string::npos);
    return err.substr(at + 7, err.find_first_not_of("0123456789", at + 7) - at - 7);
}

struct Capturing : EgressWorld {
    explicit Capturing(const std::string& more = "  inspect: [\"web.test:%https\"]\n", Servers servers = Servers::Web) : EgressWorld(servers) {
        more_network = more;
        ::setenv("SSL_CERT_FILE", filled("%ca").c_str(), 1);
        ::unsetenv("SSL_CERT_DIR");
    }
    Gated capture(const std::string& script, const std::string& files = "") {
        more_arguments = {"--capture"};
        Gated gated = run(rules, script, "", files);
        number = run_of(gated.err);
        more_arguments = {"--replay", number};
        static_cast<void>(observed());
        return gated;
    }
    [[nodiscard]] std::string store() const {
        for (const auto& file : std::filesystem::recursive_directory_iterator(loop.home())) {
            if (file.path().filename() == "trace.db") {
                return file.path();
            }
        }
        FAIL("no store");
        return "";
    }
    void change_store(const std::string& sql) const {
        sqlite3* database = nullptr;
        REQUIRE(sqlite3_open(store().c_str(), &database) == SQLITE_OK);
        CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(database);
    }
    std::string number;
};

} // namespace

TEST_CASE("what curl, urllib, pip, npm and apt fetched is served back byte for byte with the servers gone", "[e2e][egress][replay]") {
    Capturing world;
    const Finished made = world.outside(
        "mkdir -p %www/simple/demo %www/npm package deb/DEBIAN %www/apt && head -c 3000000 /dev/urandom > %www/big && cd package && "
        "printf '{\"name\":\"demo\",\"version\":\"1.0.0\",\"main\":\"index.js\"}' > package.json && echo 'module.exports = \"from the registry\"' > index.js && cd .. && "
        "tar czf %www/npm/demo-1.0.0.tgz package && printf '{\"name\":\"demo\",\"dist-tags\":{\"latest\":\"1.0.0\"},\"versions\":{\"1.0.0\":{\"name\":\"demo\","
        "\"version\":\"1.0.0\",\"dist\":{\"tarball\":\"https://web.test:%https/npm/demo-1.0.0.tgz\"}}}}' > %www/npm/demo && python3 - <<'P'\n"
        "import zipfile, os\n"
        "os.chdir(os.path.realpath('%www/simple/demo'))\n"
        "with zipfile.ZipFile('demo-1.0-py3-none-any.whl', 'w') as z:\n"
        "    z.writestr('demo.py', 'two = 2\\n')\n"
        "    z.writestr('demo-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n')\n"
        "    z.writestr('demo-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "    z.writestr('demo-1.0.dist-info/RECORD', '')\n"
        "open('index.html', 'w').write('<a href=\"demo-1.0-py3-none-any.whl\">demo-1.0-py3-none-any.whl</a>')\n"
        "P\n"
        "printf 'Package: demo\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: t <t@example.org>\\nDescription: demo\\n' > deb/DEBIAN/control && "
        "dpkg-deb -b deb %www/apt/demo.deb > /dev/null && cd %www/apt && "
        "{ dpkg-deb -f demo.deb; echo Filename: ./demo.deb; echo Size: $(stat -c %s demo.deb); echo SHA256: $(sha256sum < demo.deb | cut -d' ' -f1); } > Packages");
    INFO(made.err);
    REQUIRE(made.status == 0);
    const std::string script =
        "set -e; U=https://web.test:%https; mkdir -p /tmp/w && cd /tmp/w; curl -sS $U/big | sha256sum; curl -sS http://web.test:%http/big | sha256sum; "
        "python3 -c 'import urllib.request as r, hashlib, sys; print(\"urllib\", hashlib.sha256(r.urlopen(sys.argv[1]).read()).hexdigest())' $U/big; "
        "/usr/bin/pip download -q --no-cache-dir --retries 0 --disable-pip-version-check --index-url $U/simple/ demo && sha256sum *.whl; "
        "mkdir app && cd app && npm install --cache /tmp/w/cache --registry $U/npm/ --fetch-retries 0 demo > log 2>&1; node -p 'require(\"demo\")'; cd ..; "
        "mkdir -p a/lists/partial a/cache/archives/partial a/etc a/log && cd a && touch status && echo \"deb [trusted=yes] http://web.test:%http/apt ./\" > sources && "
        "O=\"-o Dir::Etc=$PWD/etc -o Dir::Etc::SourceList=$PWD/sources -o Dir::State=$PWD -o Dir::State::status=$PWD/status -o Dir::Cache=$PWD/cache "
        "-o Dir::Log=$PWD/log -o APT::Sandbox::User=$(id -un)\"; apt-get $O -q update > out 2>&1; apt-get $O -q download demo > out 2>&1; sha256sum *.deb";
    const Gated captured = world.capture(script);
    INFO(captured.err << captured.out << captured.violations.dump(1));
    REQUIRE(captured.status == 0);
    REQUIRE(captured.egress() == 0);
    CHECK(contains(captured.out, "from the registry"));
    world.stop_servers();
    const Gated replayed = world.run(rules, script);
    INFO(replayed.err << replayed.out << replayed.violations.dump(1));
    CHECK(replayed.status == 0);
    CHECK(replayed.out == captured.out);
    CHECK(replayed.egress() == 0);
    world.more_arguments.clear(); // nobody is there any more without it
    CHECK_FALSE(contains(world.run(rules, script).out, "from the registry"));
}

TEST_CASE("HEAD, 304, redirections, chunks, many requests on a connection, pipelines and Expect are served back as they came", "[e2e][egress][replay]") {
    Capturing world;
    const std::string script =
        "U=https://web.test:%https; H=http://web.test:%http; curl -sSI $U/index.html | grep -iv '^date'; curl -sS $U/slow; echo; curl -sS -L -w '%{num_redirects} %{http_code}\\n' "
        "\"$U/redirect?/index.html\"; curl -sS -H 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT' -o /dev/null -w '%{http_code}\\n' $U/index.html; "
        "curl -sS $U/ $U/ $U/index.html -w '%{num_connects}\\n'; curl -sS -H 'Expect: 100-continue' -d body $H/; curl -sS -d other $H/; curl -sS -0 $H/; "
        "curl -sS -o /dev/null -w '%{http_code}\\n' $U/missing; head -c 300000 /dev/zero | curl -sS -H 'Transfer-Encoding: chunked' --data-binary @- $H/; "
        "python3 - <<'P'\n"
        "import socket\n"
        "s = socket.create_connection(('web.test', %http)); r = 'GET %s HTTP/1.1\\r\\nHost: web.test:%http\\r\\n%s\\r\\n'\n"
        "s.sendall((r % ('/', '') + r % ('/index.html', '') + r % ('/slow', 'Connection: close\\r\\n')).encode()); got = b''\n"
        "while part := s.recv(65536): got += part\n"
        "print(got.count(b'HTTP/1.1 200'), got.count(b'hello'), got.count(b'two'))\n"
        "P";
    const Gated captured = world.capture(script);
    INFO(captured.err << captured.out);
    CHECK(captured.egress() == 0);
    CHECK(contains(captured.out, "one two\nhello\n1 200\n304\n"));
    CHECK(contains(captured.out, "got 300000\n3 2 1\n"));
    const Gated replayed = world.run(rules, script);
    INFO(replayed.err << replayed.out << replayed.violations.dump(1));
    CHECK(replayed.egress() == 0);
    CHECK(replayed.out == captured.out);
    CHECK(world.observed().empty()); // though they are still there
}

TEST_CASE("what was not captured is answered by a reason, is a violation, and nothing is reached for it", "[e2e][egress][replay]") {
    Capturing world("  inspect: [\"web.test:%https\"]\n  listen: [3999]\n");
    world.capture("curl -sS https://web.test:%https/index.html http://web.test:%http/ -d x > /dev/null; curl -sS https://web.test:%https/index.html");
    const std::string code = "curl -sS -m 10 -w '%{http_code}\\n' ";
    const Gated gated = world.run(rules, code + "https://web.test:%https/index.htm; " + code + "http://web.test:%http/ -d y; " + code + "http://other.test:%http/; " +
                                             code + "--cacert %ca https://other.test:%https/; " + code + "http://evil.test:%http/; " +
                                             code + "-H 'Host: other.test' http://web.test:%http/; timeout 5 python3 -c 'import socket\ns = socket.create_connection((\"web.test\", %tcp)); "
                                             "s.sendall(b\"\\0\\1\"); print(s.recv(9))'; curl -sS -m 10 http://127.0.0.1:%http/ ; curl -sS -m 10 http://10.1.2.3/; true");
    INFO(gated.out << gated.err << gated.violations.dump(1));
    CHECK(contains(gated.out, "\"closest\":\"GET https://web.test:"));
    CHECK(contains(gated.out, "\"reason\":\"nothing like it was captured\""));
    CHECK(contains(gated.out, "with another body"));
    CHECK_FALSE(contains(gated.out, "hello"));
    CHECK(gated.about(world.filled("GET https://web.test:%https/index.htm")).size() == 1);
    CHECK(gated.about(world.filled("POST http://web.test:%http/")).size() == 1);
    CHECK(gated.about(world.filled("GET http://other.test:%http/")).size() == 1);
    CHECK(gated.about(world.filled("other.test:%https")).size() == 1); // TLS that is not looked into
    CHECK(gated.about("evil.test").size() == 1);                        // which no rule names
    REQUIRE(gated.about(world.filled("web.test:%tcp")).size() == 1); // any protocol by the rule, and none here
    CHECK(contains(gated.about(world.filled("web.test:%tcp"))[0].at("reason").get<std::string>(), "only HTTP is captured"));
    CHECK(world.observed().empty());
    const Gated strict = [&] {
        world.more_arguments.push_back("--strict");
        return world.run(rules, "curl -sS https://web.test:%https/unknown; true");
    }();
    CHECK(strict.status == 77);
}

TEST_CASE("a replayed run sends nothing at all, as a watcher of the whole network sees", "[e2e][egress][replay][attack]") {
    OutsideWorld world;
    const std::string network = "connect: [\"web.test:80\", \"*.wild.test:80\", \"other.test:443\"]";
    const std::string asks = "print(http('web.test', 'GET /MARK HTTP/1.1\\nHost: web.test\\nConnection: close\\n\\n'))\n";
    world.more_arguments = {"--capture"};
    const Sent captured = world.held(network, asks);
    INFO(captured.err << captured.out);
    REQUIRE(captured.saw("tcp 93.184.216.34 80"));
    world.more_arguments = {"--replay", run_of(captured.err)};
    const Sent replayed = world.held(network, asks + "print(http('x.wild.test', 'GET /secret HTTP/1.1\\nHost: x.wild.test\\n\\n'))\n"
                                                     "print(tcp('other.test', 443, hello(names(b'other.test'))))\n"
                                                     "print(tcp('9.9.9.9', 80))\n");
    INFO(replayed.err << replayed.out << nlohmann::json(replayed.seen).dump() << replayed.violations.dump(1));
    CHECK(replayed.seen.empty());
    CHECK(contains(captured.out, "hello"));
    CHECK(contains(replayed.out, "200 OK"));
    CHECK(contains(replayed.out, "hello"));
    CHECK(replayed.violations.size() == 3);
}

TEST_CASE("no secret is in the store, whatever the command sends and servers send back", "[e2e][egress][replay][attack]") {
    ::setenv("API_KEY", real.c_str(), 1);
    Capturing world("  credentials:\n    - {host: \"web.test:%https\", header: Authorization, value: \"Bearer ${env:API_KEY}\"}\n");
    const std::string own = "own-Token.9xQ2w7";
    const std::string cookie = "session-Value-42xyz";
    world.loop.write("script.sh", world.filled( // the command's own words are stored as they are, as those of any run
        "H=http://web.test:%http; curl -sS -H \"Authorization: Bearer $API_KEY\" https://web.test:%https/; curl -sS -H 'Authorization: Bearer " + own + "' $H/echo; curl -sS -H 'Authorization: Bearer " + own +
        "' \"$H/echo?base64\"; curl -sS -H 'Authorization: Bearer " + own + "' \"$H/echo?header\" -i; curl -sS -b 'sid=" + cookie + "' $H/echo; curl -sS -u 'me:pass-Word-11' $H/echo; "
        "curl -sS \"$H/index.html?access_token=" + own + "\"; curl -sS \"$H/redirect?http://me:" + own + "@other.test:%http/index.html\"; curl -sS -d 'password=" + own + "' $H/; curl -sS $H/" + own + "; "
        "curl -sS -H 'Authorization: Bearer " + own + "' --compressed \"$H/echo?gzip\" > /dev/null"));
    const Gated captured = world.capture("sh script.sh");
    INFO(captured.err << captured.out << captured.violations.dump(1));
    CHECK(contains(captured.out, own)); // it did go to and fro
    for (const std::string& secret : {real, own, cookie, std::string("pass-Word-11"), std::string("bWU6cGFzcy1Xb3JkLTEx")}) {
        const Finished kept = run({"grep", "-rlaF", secret, std::filesystem::path(world.store()).parent_path()});
        INFO(secret << " in " << kept.out);
        CHECK(kept.status == 1);
        const Finished shown = world.loop.treadline({"show", world.number});
        CHECK_FALSE(contains(shown.out, secret));
    }
    // What is left is served back, to whoever has another key, or none.
    ::unsetenv("API_KEY");
    const Gated replayed = world.run(rules, "curl -sS -H \"Authorization: Bearer $API_KEY\" https://web.test:%https/; curl -sS \"http://web.test:%http/index.html?access_token=another-token-1\"; "
                                            "curl -sS -o /dev/null -w '%{http_code}\\n' http://web.test:%http/echo");
    INFO(replayed.err << replayed.out);
    CHECK(replayed.out == "hello\nhello\n504\n");
    CHECK(world.observed().empty());
}

TEST_CASE("a store that somebody has changed is refused before the command runs", "[e2e][egress][replay][attack]") {
    Capturing world;
    world.capture("curl -sS http://web.test:%http/");
    const auto refused = [&](const std::string& sql, const std::string& reason) {
        const std::string copy = slurp(world.store());
        world.change_store(sql);
        std::vector<std::string> words = {"enforce"};
        words.insert(words.end(), world.more_arguments.begin(), world.more_arguments.end());
        words.insert(words.end(), {"--", "sh", "-c", "echo ran"});
        const Finished done = world.loop.treadline(words);
        INFO(sql << "\n" << done.err << done.out);
        CHECK(done.status == 126);
        CHECK(contains(done.err, reason));
        CHECK_FALSE(contains(done.out, "ran"));
        world.change_store("PRAGMA wal_checkpoint(TRUNCATE)");
        std::filesystem::remove(world.store() + "-wal");
        std::filesystem::remove(world.store() + "-shm");
        world.loop.write("copy", copy);
        std::filesystem::copy_file(world.loop.project() + "/copy", world.store(), std::filesystem::copy_options::overwrite_existing);
    };
    refused("UPDATE captured SET fields = CAST('X: a' || char(13, 10) || 'Set-Cookie: b' || char(10) AS BLOB)", "a header that is none");
    refused("UPDATE captured SET fields = CAST('Content-Length: 5' || char(10) AS BLOB)", "where the answer ends");
    refused("UPDATE captured SET reason = CAST('OK' || char(13, 10, 13, 10) || 'body' AS BLOB)", "a control character");
    refused("UPDATE captured SET status = 101", "a status");
    refused("UPDATE captured SET body = zeroblob(17000000)", "more than is kept");
    refused("UPDATE run SET uid = uid + 1", "another user's");
    refused("DELETE FROM captured", "no exchanges were captured");
    world.more_arguments = {"--replay", "77"};
    refused("SELECT 1", "there is no stored run 77");
    world.more_arguments = {"--replay", world.number, "--capture"};
    refused("SELECT 1", "nor with each other");
}

TEST_CASE("a run serves back its own exchanges only, and no profile is learned from it", "[e2e][egress][replay]") {
    Capturing world;
    world.capture("curl -sS http://web.test:%http/index.html");
    const std::string first = world.number;
    world.capture("curl -sS http://web.test:%http/missing");
    REQUIRE(world.number != first);
    const Gated second = world.run(rules, "curl -sS -o /dev/null -o /dev/null -w '%{http_code}\\n' http://web.test:%http/missing http://web.test:%http/index.html");
    CHECK(second.out == "404\n504\n");
    const auto runs = nlohmann::json::parse(world.loop.treadline({"runs", "--json"}).out);
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].at("probes") == "none");
    const auto shown = nlohmann::json::parse(world.loop.treadline({"show", first, "--json"}).out).at("captured");
    REQUIRE(shown.size() == 1);
    CHECK(shown[0].at("target") == "/index.html");
    CHECK(shown[0].at("status") == 200);
    const Finished profile = world.loop.treadline({"profile", "--run", first});
    CHECK(profile.status == 2);
    CHECK(contains(profile.err, "of which anything was traced"));
}

TEST_CASE("a capturing run whose gateway is killed says that what it captured is lost, and stores nothing", "[e2e][egress][replay]") {
    Capturing world;
    world.kill_gateway_later();
    world.more_arguments = {"--capture"};
    const Gated gated = world.run(rules, "curl -sS http://web.test:%http/; touch " + world.loop.project() + "/first; while [ ! -e second ]; do sleep 0.05; done; true");
    INFO(gated.err);
    CHECK(gated.out == "hello\n");
    CHECK(gated.status == 125);
    CHECK(contains(gated.err, "what it captured is lost"));
    CHECK(world.loop.treadline({"runs", "--json"}).status == 2); // there is no store
}

TEST_CASE("hostile answers are kept as the bytes they are: none of them ends early, grows or changes what follows", "[e2e][egress][replay][attack]") {
    Capturing world;
    const Finished made = world.outside("head -c 20000000 /dev/zero > %www/huge; python3 - <<'P'\n"
                                        "import gzip\n"
                                        "open('%www/bomb.gz', 'wb').write(gzip.compress(bytes(50_000_000)))\n"
                                        "open('%www/odd', 'wb').write(b'\\0\\r\\n\\r\\nHTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nevil\\0\\xff')\n"
                                        "P");
    REQUIRE(made.status == 0);
    const std::string script = "for f in huge bomb.gz odd; do curl -sS http://web.test:%http/$f | sha256sum; done; "
                               "curl -sS http://web.test:%http/odd http://web.test:%http/index.html | sha256sum; curl -sS -m 1 http://web.test:%http/endless 2> /dev/null | head -c 5; "
                               "curl -sS http://web.test:%http/index.html";
    const Gated captured = world.capture(script);
    const Gated replayed = world.run(rules, script);
    INFO(captured.out << captured.err << replayed.out << replayed.err);
    const auto lines = [](const std::string& text, size_t from, size_t to) { return text.substr(from * 68, (to - from) * 68); };
    CHECK(lines(replayed.out, 0, 1) != lines(captured.out, 0, 1)); // larger than what is kept, and told
    CHECK(replayed.about(world.filled("GET http://web.test:%http/huge")).size() == 1);
    CHECK(lines(replayed.out, 1, 4) == lines(captured.out, 1, 4));
    CHECK(replayed.about(world.filled("GET http://web.test:%http/endless")).size() == 1);
    CHECK(replayed.out.ends_with("hello\n"));
}

TEST_CASE("a published port is reached while replaying, and a service of this machine's is not", "[e2e][egress][replay][publish]") {
    Capturing world("  publish: [3987]\n  listen: [3987]\n");
    world.capture("curl -sS http://web.test:%http/");
    REQUIRE(world.outside("(for i in $(seq 200); do curl -sS http://127.0.0.1:3987/made > asked 2> /dev/null && break; sleep 0.05; done; touch done) > /dev/null 2>&1 &").status == 0);
    std::vector<std::string> with_host = rules;
    with_host.emplace_back("host:%tcp");
    const Gated gated = world.run(with_host, "echo inside > made; (python3 -m http.server 3987 --bind 127.0.0.1 > /dev/null 2>&1 & P=$!; for i in $(seq 300); do [ -e done ] && break; sleep 0.05; done; kill $P); "
                                             "timeout 5 python3 -c 'import socket\ns = socket.create_connection((\"127.0.0.1\", %tcp)); print(s.recv(9))'; true");
    INFO(gated.out << gated.err << gated.violations.dump(1));
    CHECK(slurp(world.loop.project() + "/asked") == "inside\n");
    CHECK(gated.about(world.filled("host:%tcp")).size() == 1);
    CHECK(world.observed().empty());
}

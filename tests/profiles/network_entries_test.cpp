// Entries of `network` that say more than a host and a port: requests in `connect`, and budgets.
#include "profiles/profile_editor.h"
#include "profiles/profile_writer.h"
#include "tests/profiles/example.h"

using namespace treadline;
using treadline::test::contains;
using treadline::test::policy;
using treadline::test::read;
using treadline::test::refusal;

namespace {

const std::string mirror = "network: {connect: [{host: \"mirror.test:80\", methods: [GET, HEAD], paths: [\"/debian/**\"]}, \"a.test:443\"]}\n";

bool allows(const Policy& policy, const std::string& object) {
    return policy.decide(Operation::Connect, object).allowed;
}

std::string network(const std::string& body) {
    return "treadline: 1\nnetwork:\n  " + body + "\n";
}

} // namespace

TEST_CASE("a `connect` rule may name methods and paths, and is written as it was read", "[profiles][connect]") {
    const Profile profile = read("treadline: 1\n" + mirror);
    REQUIRE(profile.network.connect.size() == 2);
    CHECK(profile.network.connect[0] == ConnectRule{"mirror.test:80", {}, {{"GET", "HEAD"}, {"/debian/**"}}});
    CHECK(profile.network.connect[1] == ConnectRule{"a.test:443", {}, {}});
    const std::string written = write_profile(profile);
    CHECK(contains(written, "    - {host: \"mirror.test:80\", methods: [GET, HEAD], paths: [/debian/**]}\n    - a.test:443\n"));
    CHECK(read(written) == profile);
    CHECK(read(network("connect: [{host: \"a.test:80\"}]")).network.connect == read(network("connect: [\"a.test:80\"]")).network.connect);
    CHECK(read(write_profile(read("treadline: 1\nreview:\n  " + mirror))).review == profile); // waits, as any other
}

TEST_CASE("methods and paths stand only behind a name and port, and where they are understood", "[profiles][connect]") {
    for (const char* entry : {"{host: \"10.0.0.5:80\", methods: [GET]}", "{host: \"[2001:db8::1]:80\", methods: [GET]}", "{host: \"host:80\", methods: [GET]}",
                              "{host: \"a.test:80/tcp\", paths: [/a]}"}) {
        CHECK(contains(refusal(network("connect: [" + std::string(entry) + "]")), "p.yaml:3:13: '"));
        CHECK(contains(refusal(network("connect: [" + std::string(entry) + "]")), "only of HTTP that names its host"));
    }
    for (const char* entry : {"{methods: [GET]}", "{host: \"a.test\"}", "{host: \"a.test:80\", methods: []}", "{host: \"a.test:80\", methods: [get]}",
                              "{host: \"a.test:80\", paths: [a]}", "{host: \"a.test:80\", paths: [/a/../b]}", "{host: \"a.test:80\", verbs: [GET]}",
                              "{host: \"a.test:80\", methods: [GET]}, {host: \"a.test:80\", methods: [GET]}", "[\"a.test:80\"]"}) {
        INFO(entry);
        CHECK_FALSE(read_profile(network("connect: [" + std::string(entry) + "]"), "p.yaml"));
    }
}

TEST_CASE("the host is reached, but asked only for what the rule names", "[profiles][connect]") {
    const Policy held = policy(mirror);
    const Decision reached = held.decide(Operation::Connect, "mirror.test:80");
    CHECK(reached.allowed);
    CHECK(reached.rule == "mirror.test:80 GET,HEAD /debian/**");
    CHECK_FALSE(allows(held, "mirror.test:80/tcp"));
    CHECK(allows(held, "GET http://mirror.test/debian/x"));
    CHECK(allows(held, "HEAD http://MIRROR.test:80/debian/?x=1"));
    for (const char* request : {"POST http://mirror.test/debian/x", "GET http://mirror.test/ubuntu/x", "GET http://mirror.test/debian", "GET http://mirror.test",
                                "GET http://mirror.test/debian/../x", "GET http://mirror.test/debian/%2e%2e/x", "GET http://mirror.test:81/debian/x",
                                "GET https://mirror.test/debian/x", "GET ftp://mirror.test/debian/x", "GET mirror.test/debian/x", "GET http:///debian/x",
                                "get http://mirror.test/debian/x", "GET http://user@mirror.test/debian/x", " http://mirror.test/debian/x"}) {
        INFO(request);
        CHECK_FALSE(allows(held, request));
    }
    CHECK(allows(held, "POST https://a.test/any?x"));
    const Decision post = held.decide(Operation::Connect, "POST http://mirror.test/upload?x=1");
    CHECK(post.section == "network.connect");
    CHECK(post.remedy == "{host: \"mirror.test:80\", methods: [POST], paths: [/upload]}");
    CHECK(allows(policy("network: {connect: [" + post.remedy + "]}\n"), "POST http://mirror.test/upload?x=1"));
    CHECK(held.decide(Operation::Connect, "POST http://mirror.test/a/../b").remedy == "{host: \"mirror.test:80\", methods: [POST]}");
    CHECK(held.decide(Operation::Connect, "post http://mirror.test/a").remedy.empty());
}

TEST_CASE("a rule for the host alone allows whatever others of it name", "[profiles][connect]") {
    const Policy both = policy("network: {connect: [{host: \"a.test:80\", methods: [GET]}, \"a.test:80\"]}\n");
    CHECK(allows(both, "POST http://a.test/"));
    CHECK(both.decide(Operation::Connect, "a.test:80").rule == "a.test:80");
    CHECK_FALSE(both.connects_for_requests_only("a.test", 80));
    const Policy two = policy("network: {connect: [{host: \"a.test:80\", methods: [GET]}, {host: \"*.test.test:80\", methods: [POST]}, "
                              "{host: \"a.test:80\", paths: [/up]}]}\n");
    CHECK(allows(two, "GET http://a.test/x"));
    CHECK(allows(two, "PUT http://a.test/up"));
    CHECK_FALSE(allows(two, "PUT http://a.test/x"));
    CHECK(allows(two, "POST http://x.test.test/"));
    CHECK_FALSE(allows(two, "GET http://x.test.test/"));
    CHECK_FALSE(allows(two, "POST http://test.test/"));
    CHECK(two.connects_for_requests_only("a.test", 80));
    CHECK_FALSE(two.connects_for_requests_only("b.test", 80));
}

TEST_CASE("what TLS hides is asked for only where the gateway looks into it", "[profiles][connect]") {
    const std::string rule = "connect: [{host: \"api.test:443\", methods: [GET]}]";
    const Decision hidden = policy("network: {" + rule + "}\n").decide(Operation::Connect, "GET https://api.test/");
    CHECK_FALSE(hidden.allowed);
    CHECK(hidden.section == "network.inspect");
    CHECK(hidden.remedy == "api.test:443");
    const Policy inspected = policy("network: {" + rule + ", inspect: [{host: \"api.test:443\", paths: [/v1/**]}]}\n");
    CHECK(allows(inspected, "GET https://api.test/v1/x"));
    CHECK_FALSE(allows(inspected, "POST https://api.test/v1/x")); // both have to speak of it
    CHECK_FALSE(allows(inspected, "GET https://api.test/v2"));
}

TEST_CASE("what waits under review lets no request pass, and is named", "[profiles][connect]") {
    const Policy waiting = policy("network: {connect: [{host: \"a.test:80\", methods: [GET]}]}\n"
                                  "review: {network: {connect: [{host: \"a.test:80\", methods: [POST]}]}}\n");
    const Decision post = waiting.decide(Operation::Connect, "POST http://a.test/");
    CHECK_FALSE(post.allowed);
    CHECK(post.review == "a.test:80 POST");
}

TEST_CASE("rules are inserted beside those that name requests, which stay as they are", "[profiles][connect][editor]") {
    const auto inserted = [](const std::string& text, const char* rule, bool withheld = false) {
        const auto changed = insert_rules(text, {{"network.connect", rule, "why", withheld}}, "p.yaml");
        INFO(text << (changed ? "" : changed.error().what));
        REQUIRE(changed);
        return *changed;
    };
    const std::string block = "treadline: 1\nnetwork:\n  connect:\n    - a.test:80\n    - host: b.test:80\n      methods: [GET]\n      paths:\n        - /x\n    - z.test:80\n";
    CHECK(inserted(block, "c.test:80") ==
          "treadline: 1\nnetwork:\n  connect:\n    - a.test:80\n    - host: b.test:80\n      methods: [GET]\n      paths:\n        - /x\n"
          "    - c.test:80   # why\n    - z.test:80\n");
    CHECK(contains(inserted(block, "b.test:80"), "    - b.test:80   # why\n"));
    CHECK(contains(inserted(block, "c.test:80", true), "#    - c.test:80   # why\n    - z.test:80\n"));
    const std::string flow = "treadline: 1\nnetwork:\n  connect:\n    - {host: \"b.test:80\", methods: [GET]}   # mine\n    - d.test:80\n";
    CHECK(contains(inserted(flow, "c.test:80"), "# mine\n    - c.test:80   # why\n    - d.test:80\n"));
    CHECK(contains(inserted("treadline: 1\nnetwork: {connect: [{host: \"b.test:80\", methods: [GET]}, \"d.test:80\"]}\n", "c.test:80"),
                   "methods: [GET]}, \"c.test:80\", \"d.test:80\"]"));
}

TEST_CASE("a budget is read, written and kept with its host", "[profiles][budgets]") {
    const Profile profile = read(network("connect: [\"a.test:443\"]\n  budgets:\n    - {host: \"a.test:443\", sent: 2M, requests: 400}\n    - {host: \"*.b.test:80\", sent: 64K}\n"
                                         "    - {host: \"10.0.0.5:5432\", requests: 1}"));
    CHECK(profile.network.budgets == std::vector<Budget>{{"a.test:443", 2 << 20, 400, {}}, {"*.b.test:80", 64 << 10, std::nullopt, {}}, {"10.0.0.5:5432", std::nullopt, 1, {}}});
    CHECK(contains(write_profile(profile), "  budgets:\n    - {host: \"a.test:443\", sent: 2M, requests: 400}\n    - {host: \"*.b.test:80\", sent: 64K}\n"));
    CHECK(read(write_profile(profile)) == profile);
    const auto changed = insert_rules(write_profile(profile), {{"network.connect", "c.test:80", "", false}}, "p.yaml");
    REQUIRE(changed);
    CHECK(read(*changed).network.budgets == profile.network.budgets);
}

TEST_CASE("a budget that limits nothing, or nothing that can be counted, is refused with its place", "[profiles][budgets]") {
    for (const char* budget : {"{host: \"a.test:443\"}", "{sent: 2M}", "{host: a.test, sent: 2M}", "{host: \"a.test:443/tcp\", sent: 2M}", "{host: \"a.test:443\", sent: 0}",
                               "{host: \"a.test:443\", sent: 0K}", "{host: \"a.test:443\", sent: 2}", "{host: \"a.test:443\", sent: 2m}", "{host: \"a.test:443\", sent: -1K}",
                               "{host: \"a.test:443\", sent: 1.5M}", "{host: \"a.test:443\", sent: 2MB}", "{host: \"a.test:443\", sent: 18014398509481984K}",
                               "{host: \"a.test:443\", sent: 99999999999999999999T}", "{host: \"a.test:443\", requests: 0}", "{host: \"a.test:443\", requests: -1}",
                               "{host: \"a.test:443\", requests: 18446744073709551616}", "{host: \"a.test:443\", requests: 1K}", "{host: \"a.test:443\", sent: [2M]}",
                               "{host: \"a.test:443\", bytes: 2M}", "{host: \"a.test:443\", sent: 2M}, {host: \"A.test.:443\", requests: 2}", "a.test:443"}) {
        INFO(budget);
        CHECK(contains(refusal(network("budgets: [" + std::string(budget) + "]")), "p.yaml:3:"));
    }
    CHECK_FALSE(read_profile("treadline: 1\nreview: {network: {budgets: []}}\n", "p.yaml"));
    CHECK(read(network("budgets: [{host: \"a.test:443\", sent: 16383T, requests: 18446744073709551615}]")).network.budgets[0].sent_bytes == 16383ULL << 40);
}

// Requests and budgets as `review`, `diff`, `lint` and `merge` see them.
#include "profiler/host_traffic.h"

#include "profiler/diff.h"
#include "profiler/lint.h"
#include "profiler/merge.h"
#include "profiler/review.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "tests/profiler/fixture.h"
#include "tests/support/support.h"

using namespace treadline;

namespace {

struct Read {
    std::string text;
    Profile profile;
    Policy policy;
};

Read read(const std::string& network, const std::string& more = "") {
    const std::string text = "treadline: 1\nname: x\nnetwork: {" + network + "}\n" + more;
    const auto profile = read_profile(text, "profile.yaml");
    INFO(text << (profile ? "" : profile.error().message()));
    REQUIRE(profile.has_value());
    RunInfo run;
    run.project = "/home/ann/p";
    run.home = "/home/ann";
    auto policy = Policy::build(*profile, "profile.yaml", test::fixture_variables(run), test::fixture_abstractions());
    REQUIRE(policy.has_value());
    return {text, *profile, std::move(*policy)};
}

bool widens(const std::string& older, const std::string& newer) {
    return diff(read(older).policy, read(newer).policy).widens();
}

std::vector<std::string> findings(const std::string& network) {
    const Read of = read(network);
    std::vector<std::string> found;
    for (const Finding& finding : lint({of.profile, of.policy, of.text, nullptr})) {
        found.push_back(std::string(to_string(finding.severity)) + " " + finding.code + " " + finding.rule);
    }
    return found;
}

Exchange connection(const std::string& host, uint16_t port, const std::string& protocol, uint64_t count, uint64_t up) {
    Exchange exchange;
    exchange.host = host;
    exchange.port = port;
    exchange.protocol = protocol;
    exchange.count = count;
    exchange.bytes_up = up;
    return exchange;
}

Exchange request(const std::string& host, const std::string& method, const std::string& path, uint64_t count) {
    Exchange exchange = connection(host, 80, "http", count, 0);
    exchange.method = method;
    exchange.path = path;
    return exchange;
}

std::vector<Trace> two_runs() {
    std::vector<Trace> traces(2);
    traces[0].run.network = traces[1].run.network = "gateway";
    traces[0].exchanges = {connection("mirror.test", 80, "http", 1, 900), request("mirror.test", "GET", "/debian/*", 3), connection("api.test", 443, "tls", 2, 200'000),
                           connection("x.cdn.test", 443, "tls", 1, 50'000), connection("y.cdn.test", 443, "tls", 2, 60'000)};
    traces[1].exchanges = {connection("mirror.test", 80, "http", 2, 500), request("mirror.test", "HEAD", "/debian/*", 30), request("mirror.test", "GET", "/pool/*", 1),
                           connection("mirror.test", 81, "http", 9, 9'000'000), connection("api.test", 443, "tls", 5, 1)};
    return traces;
}

const std::string hosts = "connect: [\"mirror.test:80\", \"api.test:443\", \"*.cdn.test:443\", \"never.test:443\"]";

} // namespace

TEST_CASE("what runs sent is summed for each rule, and the largest run counts", "[profiler][budgets]") {
    const auto traffic = traffic_of(two_runs(), read(hosts).policy);
    REQUIRE(traffic.size() == 3);
    CHECK(traffic[0].endpoint == "mirror.test:80");
    CHECK(traffic[0].sent_bytes == 900);
    CHECK(traffic[0].requests == 31);
    CHECK(traffic[0].methods == std::vector<std::string>{"GET", "HEAD"});
    CHECK(traffic[0].paths == std::vector<std::string>{"/debian/*", "/pool/*"});
    CHECK(traffic[1].sent_bytes == 200'000);
    CHECK(traffic[1].requests == 5);
    CHECK(traffic[2].endpoint == "*.cdn.test:443");
    CHECK(traffic[2].sent_bytes == 110'000);
    CHECK(traffic[2].requests == 3);
}

TEST_CASE("a suggested budget leaves four times the room, in amounts a person would write", "[profiler][budgets]") {
    const Read of = read(hosts + ", inspect: [\"api.test:443\"]");
    const auto traffic = traffic_of(two_runs(), of.policy);
    CHECK(budget_line(with_headroom(traffic[0], of.policy)) == "{host: \"mirror.test:80\", sent: 64K, requests: 200}");
    CHECK(budget_line(with_headroom(traffic[1], of.policy)) == "{host: \"api.test:443\", sent: 1M}"); // its requests were not seen
    CHECK(budget_line(with_headroom(traffic[2], of.policy)) == "{host: \"*.cdn.test:443\", sent: 512K, requests: 20}");
}

TEST_CASE("review suggests budgets where there are none, and says what was asked for", "[profiler][budgets][review]") {
    const auto reviewed = [](const std::string& network, const std::vector<Trace>& traces) {
        const Read of = read(network);
        return review({of.profile, of.policy, of.text, "profile.yaml", traces, test::fixture_variables});
    };
    const std::string text = to_text(reviewed(hosts, two_runs()));
    INFO(text);
    CHECK(text.find("connect; runs asked for GET,HEAD /debian/* /pool/*") != std::string::npos);
    CHECK(text.find("below 'network:'\n  budgets:\n    - {host: \"mirror.test:80\", sent: 64K, requests: 200}\n") != std::string::npos);
    const Review with = reviewed(hosts + ", budgets: [{host: \"mirror.test:80\", sent: 1M}]", two_runs());
    REQUIRE(with.budgets.size() == 2);
    CHECK(with.budgets[0].endpoint == "api.test:443");
    CHECK(to_text(with).find("in one run no more than 1M sent") != std::string::npos);
    CHECK(reviewed(hosts, {}).budgets.empty());
    const std::string narrow = to_text(reviewed("connect: [{host: \"mirror.test:80\", methods: [GET]}]", two_runs()));
    CHECK(narrow.find("connect, for requests of GET") != std::string::npos);
}

TEST_CASE("a budget that is raised or removed widens, one that is lowered or added does not", "[profiler][budgets][diff]") {
    const std::string a = "connect: [\"a.test:443\"], budgets: [";
    CHECK_FALSE(widens(a + "]", a + "{host: \"a.test:443\", sent: 1M}]"));
    CHECK(widens(a + "{host: \"a.test:443\", sent: 1M}]", a + "]"));
    CHECK(widens(a + "{host: \"a.test:443\", sent: 1M}]", a + "{host: \"a.test:443\", sent: 2M}]"));
    CHECK_FALSE(widens(a + "{host: \"a.test:443\", sent: 1M}]", a + "{host: \"A.test.:443\", sent: 512K, requests: 3}]"));
    CHECK(widens(a + "{host: \"a.test:443\", sent: 1M, requests: 3}]", a + "{host: \"a.test:443\", sent: 1M}]"));
    CHECK(widens(a + "{host: \"a.test:443\", sent: 1M}]", a + "{host: \"b.test:443\", sent: 1M}]"));
    CHECK(to_text(diff(read(a + "{host: \"a.test:443\", sent: 1M}]").policy, read(a + "]").policy)) ==
          "+ no longer a budget: {host: \"a.test:443\", sent: 1M}\n");
}

TEST_CASE("fewer requests do not widen, more do, however the rules are cut", "[profiler][connect][diff]") {
    const auto rules = [](const std::string& entries) { return "connect: [" + entries + "]"; };
    const std::string get = "{host: \"a.test:80\", methods: [GET], paths: [/x/**]}";
    CHECK_FALSE(widens(rules("\"a.test:80\""), rules(get)));
    CHECK(widens(rules(get), rules("\"a.test:80\"")));
    CHECK(widens(rules(get), rules("{host: \"a.test:80\", methods: [GET]}")));
    CHECK(widens(rules(get), rules("{host: \"a.test:80\", paths: [/x/**]}")));
    CHECK(widens(rules(get), rules("{host: \"a.test:80\", methods: [GET, POST], paths: [/x/**]}")));
    CHECK(widens(rules(get), rules("{host: \"a.test:80\", methods: [GET], paths: [/**]}")));
    CHECK_FALSE(widens(rules(get), rules("{host: \"a.test:80\", methods: [GET], paths: [/x/y, /x/y/**]}")));
    CHECK_FALSE(widens(rules("\"*.b.test:80\""), rules("{host: \"a.b.test:80\", methods: [GET], paths: [/x/**]}")));
    CHECK_FALSE(widens(rules("\"a.test:80/tcp\""), rules(get)));
    CHECK(widens(rules(get), rules("{host: \"b.test:80\", methods: [GET], paths: [/x/**]}")));
    const std::string cut = "{host: \"a.test:80\", methods: [GET]}, {host: \"a.test:80\", methods: [POST]}";
    CHECK_FALSE(widens(rules(cut), rules("{host: \"a.test:80\", methods: [POST, GET]}")));
    CHECK_FALSE(widens(rules("{host: \"a.test:80\", methods: [POST, GET]}"), rules(cut)));
}

TEST_CASE("lint tells budgets and requests that can never count", "[profiler][budgets][lint]") {
    using Found = std::vector<std::string>;
    CHECK(findings("connect: [\"a.b.test:443\"], budgets: [{host: \"a.b.test:443\", sent: 1M}, {host: \"*.b.test:443\", sent: 1M}]").empty());
    CHECK(findings("connect: [\"a.test:443\"], budgets: [{host: \"a.test:80\", sent: 1M}]") == Found{"error never-matches {host: \"a.test:80\", sent: 1M}"});
    CHECK(findings("connect: [{host: \"a.test:443\", methods: [GET]}]") == Found{"error never-matches a.test:443 GET"});
    CHECK(findings("connect: [{host: \"a.test:443\", methods: [GET]}], inspect: [\"a.test:443\"]").empty());
    CHECK(findings("connect: [{host: \"a.test:80\", methods: [GET]}]").empty());
    CHECK(findings("connect: [{host: \"a.test:80\", methods: [GET]}, \"a.test:80\"]") == Found{"note redundant a.test:80 GET"});
    CHECK(findings("connect: [{host: \"a.test:80\", methods: [GET]}, {host: \"a.test:80\", methods: [POST]}]").empty());
}

TEST_CASE("merged profiles keep the higher budget, and none where one has none", "[profiler][budgets][merge]") {
    const auto merged = [](const std::string& a, const std::string& b) {
        const Read first = read("connect: [\"a.test:443\", {host: \"b.test:80\", methods: [GET]}], budgets: [" + a + "]");
        const Read second = read("connect: [\"a.test:443\", \"b.test:80\"], budgets: [" + b + "]");
        const auto done = merge({first.profile, first.policy, "a.yaml", "/p"}, {second.profile, second.policy, "b.yaml", "/p"});
        REQUIRE(done.has_value());
        CHECK(done->profile.network.connect.size() == 3);
        return done->profile.network.budgets;
    };
    CHECK(merged("{host: \"a.test:443\", sent: 1M, requests: 2}", "{host: \"a.test:443\", sent: 2M}") == std::vector<Budget>{{"a.test:443", 2 << 20, std::nullopt, {}}});
    CHECK(merged("{host: \"a.test:443\", sent: 1M}", "{host: \"a.test:443\", requests: 1}").empty());
    CHECK(merged("{host: \"a.test:443\", sent: 1M}", "").empty());
}

TEST_CASE("a way out that only fetches is told as a narrow one", "[profiler][connect][review]") {
    const std::string secret = "environment: {pass: [API_TOKEN]}\n";
    const std::string narrow = leak_in(read("connect: [{host: \"a.test:80\", methods: [GET, HEAD]}]", secret).policy);
    CHECK(narrow.find("a narrow way out, in what it asks for (a.test:80 GET,HEAD)") != std::string::npos);
    CHECK(leak_in(read("connect: [{host: \"a.test:80\", methods: [GET, POST]}]", secret).policy).find("has a way out (a.test:80 GET,POST)") != std::string::npos);
    CHECK(leak_in(read("connect: []", secret).policy).empty());
}

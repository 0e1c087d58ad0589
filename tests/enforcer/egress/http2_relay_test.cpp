#include <algorithm>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "base/text.h"
#include "tests/enforcer/egress/http2_wire.h"

using namespace treadline;
using namespace treadline::egress;
using test::frame;
using test::packed;
using test::Wire;
namespace kind = test::http2_frame;

namespace {

const std::string inspected = "  inspect: [\"api.test:443\"]\n";
const std::string bearer = "  credentials:\n    - {host: api.test, header: Authorization, value: \"Bearer ${env:KEY}\"}\n";

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// The stream is answered 403 with the reason, nothing of it has reached the server, and it is told once.
void check_refused(const Wire& wire, int32_t stream, const std::string& reason) {
    REQUIRE(wire.program_told.streams.contains(stream));
    const auto& told = wire.program_told.streams.at(stream);
    CHECK(told.field(":status") == "403");
    CHECK(contains(told.field("treadline-denied"), reason));
    CHECK(contains(told.body, "denied by treadline"));
    CHECK(told.ended);
    REQUIRE(wire.violations.size() == 1);
    CHECK(contains(wire.violations[0].reason, reason));
}

// Of a program that says these bytes: what the relay's server would be sent as requests.
struct Raw : Wire {
    explicit Raw(const std::string& network = inspected) : Wire(network) {
        relay_ = std::make_unique<Http2Relay>([](Http2Role role, Http2Events& events) { return make_http2_session(role, events, least_http2_window); },
                                              judged.rules, [this](Violation violation) { violations.push_back(std::move(violation)); });
        told_ = std::make_unique<test::Told>();
        server_ = make_http2_session(Http2Role::Server, *told_, least_http2_window);
        told_->session = server_.get();
        say(test::http2_preface);
    }
    void say(const std::string& bytes) {
        relay_->program().give(bytes);
        for (bool said = true; said;) {
            answered += relay_->program().take();
            said = move(relay_->server(), *server_);
            said |= move(*server_, relay_->server());
        }
    }
    void request(uint32_t stream, const Http2Fields& fields, uint8_t flags = kind::end_stream | kind::end_headers) {
        say(frame(kind::headers, flags, stream, packed(fields)));
    }
    [[nodiscard]] size_t forwarded() const { return told_->streams.size(); }
    [[nodiscard]] Http2Relay& between() { return *relay_; }

    std::string answered;

private:
    std::unique_ptr<Http2Relay> relay_;
    std::unique_ptr<test::Told> told_;
    std::unique_ptr<Http2Session> server_;
};

} // namespace

TEST_CASE("a request and its answer pass with their bodies and trailers, stream by stream", "[egress][http2]") {
    Wire wire(inspected);
    const int32_t one = wire.ask(Wire::request("/demo.Demo/Echo", {{"te", "trailers"}, {"content-type", "application/grpc"}}, "POST"), false);
    const int32_t other = wire.ask(Wire::request("/second"));
    REQUIRE(wire.forwarded() == 2);
    wire.program->say(one, "hello");
    wire.program->end(one, {{"x-sum", "5"}});
    wire.run();
    const auto& asked = wire.server_told.streams.at(1);
    CHECK(asked.heads[0] == Http2Fields{{":method", "POST"}, {":scheme", "https"}, {":authority", "api.test"}, {":path", "/demo.Demo/Echo"}, {"te", "trailers"}, {"content-type", "application/grpc"}});
    CHECK(asked.body == "hello");
    CHECK(asked.trailers == Http2Fields{{"x-sum", "5"}});
    CHECK(asked.ended);
    wire.server->answer(3, {{":status", "204"}}, true);
    wire.server->answer(1, {{":status", "103"}, {"link", "</x>"}}, false);
    wire.server->answer(1, {{":status", "200"}}, false);
    wire.server->say(1, "echo hello");
    wire.server->end(1, {{"grpc-status", "0"}});
    wire.run();
    const auto& told = wire.program_told.streams.at(one);
    REQUIRE(told.heads.size() == 2);
    CHECK(told.field(":status") == "200");
    CHECK(told.body == "echo hello");
    CHECK(told.trailers == Http2Fields{{"grpc-status", "0"}});
    CHECK(told.closed);
    CHECK(told.code == http2_code::no_error);
    CHECK(wire.program_told.streams.at(other).field(":status") == "204");
    CHECK(wire.violations.empty());
    CHECK(wire.relay.open() == 0);
}

TEST_CASE("a stream that is refused is told why, and the others go on", "[egress][http2]") {
    Wire wire("  inspect: [{host: \"api.test:443\", methods: [GET], paths: [\"/ok/**\"]}]\n");
    const int32_t good = wire.ask(Wire::request("/ok/1"));
    struct Bad {
        const char* reason;
        Http2Fields head;
    };
    const Bad bad = GENERATE(Bad{"is not 'api.test:443'", Wire::request("/ok/2", {}, "GET", "other.test")}, Bad{"is not 'api.test:443'", Wire::request("/ok/2", {}, "GET", "api.test:8443")},
                             Bad{"more than one Host", Wire::request("/ok/2", {{"host", "other.test"}})}, Bad{"more than one Host", Wire::request("/ok/2", {{"host", "api.test"}, {"host", "api.test"}})},
                             Bad{"lets the command ask for", Wire::request("/ok/2", {}, "POST")}, Bad{"lets the command ask for", Wire::request("/secret")},
                             Bad{"lets the command ask for", Wire::request("/ok/../secret")}, Bad{"lets the command ask for", Wire::request("/ok/%2e%2e/secret")},
                             Bad{"lets the command ask for", Wire::request("//ok/2")}, Bad{"names another method or path", Wire::request("/ok/2", {{"x-http-method-override", "DELETE"}})},
                             Bad{"names another method or path", Wire::request("/ok/2", {{"x-original-url", "/secret"}})},
                             Bad{"scheme", {{":method", "GET"}, {":scheme", "http"}, {":authority", "api.test"}, {":path", "/ok/2"}}},
                             Bad{"no Host", {{":method", "GET"}, {":scheme", "https"}, {":path", "/ok/2"}}},
                             Bad{"proxy (CONNECT)", {{":method", "CONNECT"}, {":authority", "api.test"}}});
    CAPTURE(bad.head);
    const int32_t refused = wire.ask(bad.head);
    if (wire.program_told.streams[refused].heads.empty()) { // the library itself has refused it, as one that breaks the protocol
        const bool two_hosts = bad.head.back() == bad.head[bad.head.size() - 2];
        CHECK((two_hosts || bad.reason == std::string("no Host")));
        CHECK(wire.program_told.streams[refused].closed);
        CHECK(wire.program_told.streams[refused].code != http2_code::no_error);
        CHECK(wire.violations.size() == 1);
    } else {
        check_refused(wire, refused, bad.reason);
    }
    CHECK(wire.forwarded() == 1);
    wire.server->answer(1, {{":status", "204"}}, true);
    const int32_t next = wire.ask(Wire::request("/ok/3"));
    CHECK(wire.program_told.streams.at(good).field(":status") == "204");
    CHECK(wire.forwarded() == 2);
    CHECK_FALSE(wire.program_told.streams[next].closed);
}

TEST_CASE("a host field that says the same as the authority is no second host", "[egress][http2]") {
    Wire wire(inspected);
    (void)wire.ask(Wire::request("/", {{"host", "api.test"}}));
    (void)wire.ask({{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {"host", "api.test:443"}});
    CHECK(wire.violations.empty());
    REQUIRE(wire.forwarded() == 2);
    CHECK(wire.server_told.streams.at(1).heads[0] == Wire::request("/"));
    CHECK(wire.server_told.streams.at(3).heads[0] == Wire::request("/", {}, "GET", "api.test:443"));
}

TEST_CASE("over HTTP/2 a placeholder becomes the real value in its header, and heads nowhere else", "[egress][http2][credentials]") {
    Wire wire(bearer);
    const std::string p = wire.judged.placeholder();
    SECTION("the header") {
        (void)wire.ask(Wire::request("/", {{"authorization", "Bearer " + p}, {"accept-encoding", "gzip"}, {"range", "bytes=1-2"}, {"grpc-accept-encoding", "gzip"}}));
        REQUIRE(wire.forwarded() == 1);
        CHECK(wire.server_told.streams.at(1).heads[0] == Wire::request("/", {{"authorization", "Bearer " + test::Judged::real}, {"accept-encoding", "identity"}}));
        CHECK(wire.violations.empty());
    }
    SECTION("the path") {
        check_refused(wire, wire.ask(Wire::request("/?key=" + p)), "in the request's address");
    }
    SECTION("the method") {
        std::string method = p;
        check_refused(wire, wire.ask(Wire::request("/", {}, method)), "in the request's method");
    }
    SECTION("another header") {
        check_refused(wire, wire.ask(Wire::request("/", {{"x-key", p}})), "in the header 'x-key'");
    }
    SECTION("the authority") {
        const int32_t stream = wire.ask(Wire::request("/", {}, "GET", p + ".test"));
        check_refused(wire, stream, "is not 'api.test:443'");
    }
    SECTION("TRACE") {
        check_refused(wire, wire.ask(Wire::request("/", {{"authorization", "Bearer " + p}}, "TRACE")), "TRACE");
    }
    SECTION("the body, over any cut") {
        for (size_t cut = 1; cut < p.size(); ++cut) {
            CAPTURE(cut);
            Wire each(bearer);
            const std::string of = each.judged.placeholder();
            const int32_t stream = each.ask(Wire::request("/", {{"authorization", "Bearer " + of}}, "POST"), false);
            each.program->say(stream, "key=" + of.substr(0, cut));
            each.run();
            each.program->say(stream, of.substr(cut));
            each.run();
            check_refused(each, stream, "in the request's body");
            CHECK(each.server_told.streams.at(1).body == "key=");
            CHECK(each.server_told.streams.at(1).closed);
            CHECK(each.server_told.streams.at(1).code == http2_code::cancel);
        }
    }
    SECTION("a trailer") {
        const int32_t stream = wire.ask(Wire::request("/", {}, "POST"), false);
        wire.program->end(stream, {{"x-key", p}});
        wire.run();
        check_refused(wire, stream, "behind the request's body");
        CHECK_FALSE(wire.server_told.streams.at(1).ended);
    }
    if (wire.forwarded() > 0 && !wire.violations.empty()) {
        CHECK(wire.server_told.streams.at(1).trailers.empty());
        CHECK_FALSE(wire.server_told.streams.at(1).ended);
    }
}

TEST_CASE("over HTTP/2 no answer brings the real value in, however it is cut", "[egress][http2][credentials]") {
    Wire wire(bearer);
    const std::string& real = test::Judged::real;
    const int32_t stream = wire.ask(Wire::request("/", {{"authorization", "Bearer " + wire.judged.placeholder()}}));
    SECTION("a header") {
        wire.server->answer(1, {{":status", "200"}, {"x-echo", "Bearer " + real}}, true);
        wire.run();
        check_refused(wire, stream, "in a header");
    }
    SECTION("an early answer's header") {
        wire.server->answer(1, {{":status", "103"}, {"link", real}}, false);
        wire.run();
        check_refused(wire, stream, "in a header");
    }
    SECTION("a body in frames of one byte") {
        wire.server->answer(1, {{":status", "200"}}, false);
        for (const char byte : "got " + real + "!") {
            wire.server->say(1, std::string(1, byte));
            wire.run();
        }
        const auto& told = wire.program_told.streams.at(stream);
        CHECK(told.body == "got ");
        CHECK_FALSE(told.ended);
        CHECK(told.closed);
        REQUIRE(wire.violations.size() == 1);
        CHECK(contains(wire.violations[0].reason, "in its body"));
    }
    SECTION("trailers") {
        wire.server->answer(1, {{":status", "200"}}, false);
        wire.server->end(1, {{"grpc-message", "no such key " + real}});
        wire.run();
        CHECK(wire.program_told.streams.at(stream).trailers.empty());
        CHECK_FALSE(wire.program_told.streams.at(stream).ended);
        REQUIRE(wire.violations.size() == 1);
        CHECK(contains(wire.violations[0].reason, "behind its body"));
    }
    SECTION("what cannot be searched") {
        const Http2Fields head = GENERATE(Http2Fields{{":status", "200"}, {"content-encoding", "gzip"}}, Http2Fields{{":status", "206"}},
                                          Http2Fields{{":status", "200"}, {"grpc-encoding", "gzip"}});
        wire.server->answer(1, head, true);
        wire.run();
        check_refused(wire, stream, "compressed or a part");
    }
    for (const auto& [number, told] : wire.program_told.streams) {
        CHECK_FALSE(contains(told.body, real));
    }
    for (const Violation& violation : wire.violations) {
        CHECK_FALSE(contains(violation.reason, real));
    }
    // Another stream of the same connection goes on.
    const int32_t next = wire.ask(Wire::request("/"));
    wire.server->answer(3, {{":status", "204"}}, true);
    wire.run();
    CHECK(wire.program_told.streams.at(next).field(":status") == "204");
}

TEST_CASE("what one side does not take the other may not send", "[egress][http2]") {
    Wire wire(inspected);
    const int32_t up = wire.ask(Wire::request("/up", {}, "POST"), false);
    wire.server_told.takes = false;
    wire.program->say(up, std::string(1'000'000, 'x'));
    wire.run();
    const size_t sent = 1'000'000 - wire.program->queued(up);
    CHECK(wire.server_told.streams.at(1).body.size() <= least_http2_window);
    CHECK(sent <= 2 * least_http2_window);
    wire.server_told.takes = true;
    wire.server->consumed(1, wire.server_told.streams.at(1).body.size());
    wire.run();
    CHECK(wire.server_told.streams.at(1).body.size() == 1'000'000);
    // The other way round.
    wire.program_told.takes = false;
    wire.server->answer(1, {{":status", "200"}}, false);
    wire.server->say(1, std::string(1'000'000, 'y'));
    wire.run();
    CHECK(1'000'000 - wire.server->queued(1) <= 2 * least_http2_window);
    wire.program_told.takes = true;
    wire.program->consumed(up, wire.program_told.streams.at(up).body.size());
    wire.run();
    CHECK(wire.program_told.streams.at(up).body.size() == 1'000'000);
}

TEST_CASE("windows are whole again after streams that were broken off or refused", "[egress][http2]") {
    Wire wire(bearer);
    for (int turn = 0; turn < 40; ++turn) { // each leaves 60 kB on its way
        const int32_t stream = wire.ask(Wire::request("/", {}, "POST"), false);
        wire.program->say(stream, std::string(60'000, 'x') + (turn % 2 == 0 ? wire.judged.placeholder() : ""));
        wire.run();
        wire.program->reset(stream, http2_code::cancel);
        wire.run();
    }
    CHECK(wire.relay.open() == 0);
    const int32_t stream = wire.ask(Wire::request("/", {}, "POST"), false);
    wire.program->say(stream, std::string(200'000, 'x'));
    wire.run();
    CHECK(wire.program->queued(stream) == 0);
}

TEST_CASE("a refused request's body is taken for a while, so that its answer is read, and not for ever", "[egress][http2]") {
    Wire wire("  inspect: [{host: \"api.test:443\", methods: [GET]}]\n");
    const int32_t little = wire.ask(Wire::request("/up", {}, "POST"), false);
    check_refused(wire, little, "lets the command ask for");
    CHECK_FALSE(wire.program_told.streams[little].closed);
    wire.program->say(little, "x");
    wire.program->end(little, {});
    wire.run();
    CHECK(wire.program_told.streams[little].closed);
    const int32_t much = wire.ask(Wire::request("/up", {}, "POST"), false);
    for (int i = 0; i < 40 && !wire.program_told.streams[much].closed; ++i) {
        wire.program->say(much, std::string(16 * 1024, 'x'));
        wire.run();
    }
    CHECK(wire.program_told.streams[much].closed);
    CHECK(wire.program_told.streams[much].code == http2_code::no_error);
    CHECK(wire.forwarded() == 0);
    CHECK(wire.relay.open() == 0);
}

TEST_CASE("either side's reset reaches the other, and a server that goes breaks off what is open", "[egress][http2]") {
    Wire wire(inspected);
    const int32_t one = wire.ask(Wire::request("/1"));
    const int32_t two = wire.ask(Wire::request("/2"));
    const int32_t three = wire.ask(Wire::request("/3"));
    wire.program->reset(one, http2_code::cancel);
    wire.server->reset(3, http2_code::refused_stream);
    wire.run();
    CHECK(wire.server_told.streams.at(1).closed);
    CHECK(wire.program_told.streams.at(two).code == http2_code::refused_stream);
    wire.server->go_away();
    wire.run();
    CHECK(wire.program_told.going_away);
    wire.server->answer(5, {{":status", "204"}}, true); // what was begun may end
    wire.run();
    CHECK(wire.program_told.streams.at(three).field(":status") == "204");
    wire.relay.server_gone();
    CHECK(wire.relay.open() == 0);
}

TEST_CASE("a request that breaks the protocol is refused by itself, and told", "[egress][http2]") {
    Raw raw;
    const Http2Fields good = Wire::request("/");
    raw.request(1, good);
    REQUIRE(raw.forwarded() == 1);
    Http2Fields bad = good;
    const std::string what = GENERATE(as<std::string>(), "CRLF", "NUL", "upper", "connection", "transfer-encoding", "te", "pseudo last", "pseudo twice", "unknown pseudo",
                                      "protocol", "CRLF in path", "space in name", "no path", "length");
    CAPTURE(what);
    if (what == "CRLF") { bad.emplace_back("x", "a\r\nHost: other.test"); }
    if (what == "NUL") { bad.emplace_back("x", std::string("a\0b", 3)); }
    if (what == "upper") { bad.emplace_back("X-Upper", "a"); }
    if (what == "connection") { bad.emplace_back("connection", "host"); }
    if (what == "transfer-encoding") { bad.emplace_back("transfer-encoding", "chunked"); }
    if (what == "te") { bad.emplace_back("te", "gzip"); }
    if (what == "pseudo last") { bad.insert(bad.begin(), {"x", "a"}); }
    if (what == "pseudo twice") { bad.insert(bad.begin(), {":path", "/other"}); }
    if (what == "unknown pseudo") { bad.insert(bad.begin(), {":host", "other.test"}); }
    if (what == "protocol") { bad[0].second = "CONNECT"; bad.insert(bad.begin(), {":protocol", "websocket"}); }
    if (what == "CRLF in path") { bad[3].second = "/ HTTP/1.1\r\nHost: other.test"; }
    if (what == "space in name") { bad.emplace_back("x y", "a"); }
    if (what == "no path") { bad.pop_back(); }
    if (what == "length") { bad.emplace_back("content-length", "5"); }
    raw.request(3, bad);
    CHECK(raw.forwarded() == 1);
    CHECK(raw.violations.size() == 1);
    raw.request(5, good);
    CHECK(raw.forwarded() == 2);
}

TEST_CASE("a head that is too large, by whatever compression, is refused by itself", "[egress][http2]") {
    Raw raw;
    raw.request(1, Wire::request("/"));
    std::string bomb = packed(Wire::request("/"));
    bomb += std::string(1, '\x40') + '\x01' + "x" + '\x7e' + std::string(126, 'v'); // into the table, and from there 10 000 times
    for (int turn = 0; turn < 10'000; ++turn) {
        bomb += '\xbe';
    }
    raw.say(frame(kind::headers, kind::end_stream | kind::end_headers, 3, bomb));
    CHECK(raw.forwarded() == 1);
    REQUIRE(raw.violations.size() == 1);
    CHECK(contains(raw.violations[0].reason, "larger than 32 KiB"));
    raw.request(5, Wire::request("/"));
    CHECK(raw.forwarded() == 2);
}

TEST_CASE("floods end the connection, and are told once", "[egress][http2]") {
    Raw raw;
    const std::string what = GENERATE(as<std::string>(), "rapid reset", "continuation", "ping", "settings", "empty data", "priority");
    CAPTURE(what);
    const std::string open = frame(kind::headers, kind::end_headers, 1, packed(Wire::request("/", {}, "POST")));
    if (what == "continuation") {
        raw.say(frame(kind::headers, kind::end_stream, 1, packed(Wire::request("/"))));
    } else {
        raw.say(open);
    }
    size_t said = 0;
    for (uint32_t turn = 0; turn < 20'000 && !raw.between().program().over(); ++turn, ++said) {
        if (what == "rapid reset") {
            raw.say(frame(kind::headers, kind::end_stream | kind::end_headers, 3 + 2 * turn, packed(Wire::request("/"))) + frame(kind::rst_stream, 0, 3 + 2 * turn, std::string("\0\0\0\x08", 4)));
        } else if (what == "continuation") {
            raw.say(frame(kind::continuation, 0, 1, packed({{"x", "y"}})));
        } else if (what == "ping") {
            raw.say(frame(kind::ping, 0, 0, "12345678"));
        } else if (what == "settings") {
            raw.say(frame(kind::settings, 0, 0, ""));
        } else if (what == "empty data") {
            raw.say(frame(kind::data, 0, 1, ""));
        } else {
            raw.say(frame(kind::priority, 0, 1, std::string("\0\0\0\0\x10", 5)));
        }
    }
    CHECK(said < 2'100);
    CHECK(raw.between().program().over());
    CHECK(raw.violations.size() == 1);
    CHECK(raw.forwarded() <= 401);
}

TEST_CASE("who asked for HTTP/2 and says something else is not heard", "[egress][http2]") {
    std::vector<Violation> violations;
    test::Judged judged(inspected);
    Http2Relay relay([](Http2Role role, Http2Events& events) { return make_http2_session(role, events, least_http2_window); }, judged.rules,
                     [&](Violation violation) { violations.push_back(std::move(violation)); });
    relay.program().give("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n");
    CHECK(violations.size() == 1);
    CHECK(relay.open() == 0);
    while (!relay.program().take().empty()) {
    }
    CHECK(relay.program().over());
}

TEST_CASE("acknowledgements that nobody takes are not piled up", "[egress][http2]") {
    Raw raw;
    std::string pings;
    for (int turn = 0; turn < 150; ++turn) {
        pings += frame(kind::ping, 0, 0, "12345678");
    }
    raw.between().program().give(pings);
    CHECK(raw.between().program().over());
    CHECK(raw.violations.size() == 1);
}

TEST_CASE("a space behind a value is taken off an answer, and refuses a request", "[egress][http2]") {
    Wire wire(inspected);
    const int32_t stream = wire.ask(Wire::request("/"));
    wire.server->answer(1, {{":status", "200"}, {"content-type", "text/plain "}}, true);
    wire.run();
    CHECK(wire.program_told.streams.at(stream).field("content-type") == "text/plain");
    check_refused(wire, wire.ask(Wire::request("/", {{"x", "y "}})), "has bytes that none may have");
    CHECK(wire.forwarded() == 1);
}

TEST_CASE("no more streams are taken at once than were offered", "[egress][http2]") {
    Raw raw;
    for (uint32_t turn = 0; turn < max_http2_streams + 20; ++turn) {
        raw.request(1 + 2 * turn, Wire::request("/"));
    }
    CHECK(raw.forwarded() == max_http2_streams);
    CHECK(raw.between().open() == max_http2_streams);
}

TEST_CASE("heads that a server does not take yet are held up to a limit, and the rest may be tried anew", "[egress][http2]") {
    Raw raw;
    raw.between().server().give(frame(kind::settings, 0, 0, std::string("\0\x03\0\0\0\x01", 6))); // one stream at once
    Http2Fields large = Wire::request("/");
    for (int turn = 0; turn < 60; ++turn) {
        large.emplace_back("x-" + std::to_string(turn), std::string(120, 'x'));
    }
    for (uint32_t turn = 0; turn < max_http2_streams; ++turn) {
        raw.between().program().give(frame(kind::headers, kind::end_stream | kind::end_headers, 1 + 2 * turn, packed(large)));
        (void)raw.between().server().take();
        (void)raw.between().program().take();
    }
    CHECK(raw.between().open() >= 20);
    CHECK(raw.between().open() <= 256 / 9);
    CHECK(raw.violations.empty());
}

TEST_CASE("a push that a server promises ends its connection, and reaches nobody", "[egress][http2]") {
    Raw raw;
    raw.request(1, Wire::request("/"));
    raw.between().server().give(frame(kind::settings, 0, 0, "") +
                                frame(kind::push_promise, kind::end_headers, 1, std::string("\0\0\0\x02", 4) + packed(Wire::request("/pushed"))));
    raw.say("");
    CHECK(raw.between().server().over());
    CHECK(raw.between().open() == 0);
    CHECK_FALSE(contains(raw.answered, "/pushed"));
}

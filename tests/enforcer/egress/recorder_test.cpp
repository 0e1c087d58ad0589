// What is kept of connections that nobody judges, and how it is told.
#include <algorithm>

#include <catch2/catch_test_macros.hpp>

#include "enforcer/egress/observer.h"
#include "enforcer/egress/recorder.h"
#include "tests/enforcer/egress/hello_bytes.h"
#include "tests/support/dns_bytes.h"

using namespace treadline::egress;
using namespace treadline::test;

namespace {

const Contact web{"web.test", "", 443, ""};

// What one connection leaves behind whose program says `parts`, one after the other.
Recording said(const std::vector<std::string>& parts, const Contact& contact = web) {
    const Decision decision = Decision::recording();
    Recorder recorder;
    {
        RecordedExchange about;
        about.host = contact.name;
        about.address = contact.address;
        about.port = contact.port;
        Recorder::Connection connection(recorder, about);
        Observer observer(decision, contact, connection);
        for (const std::string& part : parts) {
            observer.up(part);
        }
    }
    return recorder.recording(NameTable());
}

RecordedExchange only(const Recording& recording) {
    REQUIRE(recording.exchanges.size() == 1);
    return recording.exchanges[0];
}

std::vector<std::string> byte_by_byte(const std::string& text) {
    std::vector<std::string> parts;
    for (const char byte : text) {
        parts.emplace_back(1, byte);
    }
    return parts;
}

// "METHOD PATH xCOUNT", and the connection's problem last.
std::vector<std::string> requests(const Recording& recording) {
    std::vector<std::string> lines;
    std::string problem;
    for (const RecordedExchange& one : recording.exchanges) {
        if (one.method.empty()) {
            problem = one.problem;
        } else {
            lines.push_back(one.method + " " + one.path + " x" + std::to_string(one.count));
        }
    }
    lines.push_back(problem);
    return lines;
}

} // namespace

TEST_CASE("a TLS connection is known by its first bytes, however they are split", "[egress][record]") {
    const std::string bytes = record(hello({server_name("Web.test")}));
    for (const auto& parts : {std::vector<std::string>{bytes}, byte_by_byte(bytes)}) {
        const RecordedExchange one = only(said(parts));
        CHECK(one.protocol == "tls");
        CHECK(one.server_name == "web.test");
        CHECK(one.problem.empty());
        CHECK(one.count == 1);
    }
}

TEST_CASE("TLS that a rule for the host would not let pass says why", "[egress][record]") {
    CHECK(only(said({record(hello({server_name("evil.test")}))})).problem == "TLS asks for another name than was looked up");
    CHECK(only(said({record(hello({}))})).problem == "TLS names no server");
    CHECK(only(said({record(hello({server_name("web.test"), extension(0xFE0D, std::string(8, 'x'))}))})).problem == "TLS encrypts the name it asks for");
    // Where an address was dialled, a rule for it carries anything.
    CHECK(only(said({record(hello({}))}, {"", "203.0.113.7", 443, ""})).problem.empty());
}

TEST_CASE("a server name that is no host name is not kept", "[egress][record]") {
    for (const std::string& name : {std::string("a\nb: [\"*:443\"]"), std::string("*.test"), std::string("x\x1b[2J"), std::string("'"), std::string("a\0b", 3)}) {
        const Recording recording = said({record(hello({server_name(name)}))});
        CHECK(only(recording).server_name.find_first_of("\n*\x1b'") == std::string::npos);
        CHECK_FALSE(only(recording).problem.empty());
    }
}

TEST_CASE("requests are told by method and shape, through bodies of every kind", "[egress][record]") {
    const std::string stream = "GET /a?token=SECRET HTTP/1.1\r\nHost: web.test:443\r\n\r\n"
                               "POST /up HTTP/1.1\r\nHost: web.test:443\r\nContent-Length: 22\r\n\r\nGET /no HTTP/1.1\r\n\r\n.."
                               "PUT /up HTTP/1.1\r\nHost: web.test:443\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n"
                               "GET /a HTTP/1.1\r\nHost: web.test:443\r\n\r\n";
    const std::vector<std::string> expected = {"GET /a x2", "POST /up x1", "PUT /up x1", ""};
    CHECK(requests(said({stream})) == expected);
    CHECK(requests(said(byte_by_byte(stream))) == expected);
}

TEST_CASE("what is told of HTTP does not depend on how its bytes are cut, well-formed or not", "[egress][record]") {
    const std::string chunked = "POST /up HTTP/1.1\r\nHost: web.test:443\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (const std::string& stream : {
             std::string("\r\n\r\nGET /a HTTP/1.1\r\nHost: web.test:443\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: web.test:443\r\n\r\n"),
             std::string("GET /a HTTP\x07/1.1\r\nHo"), // a mistake in a head that never ends
             std::string("GET /a HTTP/1.1\r\nHost\r\nA: b\r\n"),
             std::string("GET /a HTTP/1.1\r\nHost: web.test:443\r\n\r\nGET /b HTTP/1.1\rHost"),
             chunked + "0\r\nHost: evil.test\r\n\r\nGET /b HTTP/1.1\r\nHost: web.test:443\r\n\r\n", // fields behind the body are none of its head
             chunked + "0\r\nbroken trailer\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
             chunked + "zz\r\n", chunked + "5\r\nhelloXX3\r\n", chunked + "1;" + std::string(40'000, 'e'),
             "GET /" + std::string(40'000, 'a') + " HTTP/1.1\r\n\r\n"}) {
        const Recording whole = said({stream});
        CAPTURE(stream.substr(0, 200));
        CHECK(whole == said(byte_by_byte(stream)));
        for (size_t cut = 1; cut < std::min<size_t>(stream.size(), 300); ++cut) {
            REQUIRE(whole == said({stream.substr(0, cut), stream.substr(cut)}));
        }
    }
    CHECK(requests(said({chunked + "0\r\nHost: evil.test\r\n\r\n"})) == std::vector<std::string>{"POST /up x1", ""});
    CHECK(requests(said({chunked + "zz\r\n"})).back().find("one way only") != std::string::npos);
}

TEST_CASE("a query, what looks drawn, and what needs escaping are not kept of a path", "[egress][record]") {
    CHECK(path_shape("/v1/users/12345/repos?access_token=SECRET") == "/v1/users/*/repos");
    CHECK(path_shape("/simple/requests/") == "/simple/requests/");
    CHECK(path_shape("/lodash/-/lodash-4.17.21.tgz") == "/lodash/-/*");
    CHECK(path_shape("/o/550e8400-e29b-41d4-a716-446655440000/x") == "/o/*/x");
    CHECK(path_shape("/bot123456789:AAF-secret_token/getMe") == "/*/getMe");
    CHECK(path_shape("/a%0ab/\x1b[2J/\"x\": [\"*\"]") == "/*/*/*");
    CHECK(path_shape("http://web.test/a/b#c") == "/a/b");
    CHECK(path_shape("http://web.test") == "/");
    CHECK(path_shape("*") == "*");
    CHECK(path_shape("web.test:443") == "/");
    CHECK(path_shape("/" + std::string(100, 'a')) == "/*");
    std::string deep;
    for (int i = 0; i < 200; ++i) {
        deep += "/dir";
    }
    CHECK(path_shape(deep).size() < 220);
    CHECK(path_shape(deep).ends_with("/**"));
}

TEST_CASE("HTTP that a rule for the host would not let pass says why", "[egress][record]") {
    const auto problem = [](const std::string& head) { return requests(said({head + "\r\n\r\n"})).back(); };
    CHECK(problem("GET / HTTP/1.1\r\nHost: web.test:443").empty());
    CHECK(problem("GET / HTTP/1.1\r\nHost: evil.test").find("another host") != std::string::npos);
    CHECK(problem("GET / HTTP/1.1\r\nHost: web.test:443\r\nHost: web.test:443").find("another host") != std::string::npos);
    CHECK(problem("CONNECT evil.test:443 HTTP/1.1\r\nHost: web.test:443").find("another host") != std::string::npos);
    CHECK(problem("GET / HTTP/1.1\r\nHost: web.test:443\r\nConnection: Upgrade\r\nUpgrade: websocket").find("Upgrade") != std::string::npos);
    CHECK(problem("POST / HTTP/1.1\r\nHost: web.test:443\r\nContent-Length: 3\r\nTransfer-Encoding: chunked").find("one way only") != std::string::npos);
    CHECK(problem("GET / HTTP/9.9\r\nHost: web.test:443").find("one way only") != std::string::npos);
}

TEST_CASE("what is neither TLS nor HTTP/1 is another protocol, and so is a server that speaks first", "[egress][record]") {
    CHECK(only(said({"SSH-2.0-x\r\n"})).protocol == "other");
    CHECK(only(said({"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"})).protocol == "other");
    CHECK(only(said({std::string("\x16\x03\x01\x00\x00", 5)})).protocol == "other"); // no hello
    CHECK(only(said({})).protocol.empty());
    const Decision decision = Decision::recording();
    Recorder recorder;
    Recorder::Connection connection(recorder, {});
    Observer observer(decision, web, connection);
    observer.down("220 mail\r\n");
    observer.up("GET / HTTP/1.1\r\n");
    CHECK(connection.about().protocol == "other");
}

TEST_CASE("connections that went alike are one row, and one that still lasts counts", "[egress][record]") {
    Recorder recorder;
    RecordedExchange about;
    about.host = "web.test";
    about.port = 80;
    for (int i = 0; i < 3; ++i) {
        Recorder::Connection connection(recorder, about);
        connection.about().bytes_up = 10;
    }
    Recorder::Connection lasting(recorder, about);
    lasting.about().bytes_down = 7;
    const RecordedExchange one = only(recorder.recording(NameTable()));
    CHECK(one.count == 4);
    CHECK(one.bytes_up == 30);
    CHECK(one.bytes_down == 7);
    CHECK(recorder.recording(NameTable()).incomplete_because.empty());
}

TEST_CASE("more than there is room for makes the recording incomplete, and no larger", "[egress][record]") {
    Recorder recorder;
    RecordedExchange about;
    about.host = "web.test";
    Recorder::Connection connection(recorder, about);
    for (size_t i = 0; i < Recorder::max_rows + 10; ++i) {
        std::string name;
        for (size_t rest = i + 1; rest != 0; rest /= 26) {
            name.push_back(static_cast<char>('a' + rest % 26));
        }
        connection.request("GET", "/" + name);
    }
    const Recording recording = recorder.recording(NameTable());
    CHECK(recording.exchanges.size() == Recorder::max_rows);
    CHECK(recording.incomplete_because.size() == 1);
}

TEST_CASE("a recording arrives as it was sent, in messages of bounded size", "[egress][record]") {
    Recording recording;
    NameTable names;
    for (int i = 0; i < 100; ++i) {
        REQUIRE(names.addresses_of("n" + std::to_string(i) + "." + std::string(60, 'x') + ".test"));
        recording.exchanges.push_back({"n.test", "203.0.113.7", static_cast<uint16_t>(i), "tls", "n.test", "p", "GET", "/" + std::string(200, 'p'), 111, 1, 2, 3});
    }
    recording.names = names.all();
    CHECK(recording.names.size() == 200);
    CHECK(names.name_of(recording.names.begin()->first) == recording.names.begin()->second);
    recording.unanswered = {"SRV _ldap._tcp.test"};
    recording.incomplete_because = {"because"};
    Recording arrived;
    for (const std::string& message : messages_of(recording)) {
        CHECK(message.size() < 32'000);
        CHECK_FALSE(arrived.ended);
        CHECK(add_message(arrived, message));
    }
    CHECK(arrived.ended);
    recording.ended = true;
    CHECK(arrived == recording);
    for (const char* other : {"", "{", "[]", "7", R"({"operation": "connect"})", R"({"exchanges": [[1]]})", R"({"names": {"a": 1}})"}) {
        CHECK_FALSE(add_message(arrived, other));
    }
    CHECK(arrived == recording);
}

TEST_CASE("lookups of records that only a real resolver has are told, once, and no hints", "[egress][record]") {
    Recorder recorder;
    const auto ask = [&](const std::string& name, uint16_t type) {
        recorder.other_lookup(*read_question(big_endian(7) + big_endian(256) + big_endian(1) + std::string(6, '\0') + dns_name(name) + big_endian(type) + big_endian(1)));
    };
    ask("_ldap._tcp.example.test", 33);
    ask("_ldap._tcp.example.test", 33);
    ask("web.test", 65); // HTTPS
    ask("bad\nname.test", dns_txt);
    CHECK(recorder.recording(NameTable()).unanswered == std::set<std::string>{"SRV _ldap._tcp.example.test"});
}

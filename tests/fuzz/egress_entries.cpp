#include <algorithm>
#include <cctype>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/text.h"
#include "enforcer/egress/answers.h"
#include "enforcer/egress/client_hello.h"
#include "enforcer/egress/dns_responder.h"
#include "enforcer/egress/http2_relay.h"
#include "enforcer/egress/http_request.h"
#include "enforcer/egress/observer.h"
#include "enforcer/egress/proxy_request.h"
#include "enforcer/egress/recorder.h"
#include "enforcer/egress/redaction.h"
#include "enforcer/egress/socks_request.h"
#include "enforcer/egress/text_search.h"
#include "profiles/profile_reader.h"
#include "profiles/request_scope.h"
#include "tests/fuzz/entries.h"

namespace treadline::fuzz {
namespace {

void must(bool holds, const char* what) {
    if (!holds) {
        throw std::logic_error(what);
    }
}

const egress::Decision& decision() {
    static const egress::Decision made = [] {
        const auto profile = read_profile("treadline: 1\nname: fuzz\nnetwork: {connect: [\"a.test:443\", \"*.b.test:80\"]}\n", "profile.yaml");
        return egress::Decision(std::make_shared<const Policy>(
            Policy::build(*profile, "profile.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; }).value()));
    }();
    return made;
}

} // namespace

void client_hello(std::string_view bytes) {
    using State = egress::HelloReading::State;
    const egress::HelloReading reading = egress::read_client_hello(bytes);
    must((reading.state == State::Invalid) != reading.problem.empty(), "a problem, if there is one");
    must(reading.state != State::Incomplete || bytes.size() < 2 * egress::max_hello + egress::max_hello_records * 5 + 4, "no waiting without end");
    if (reading.state == State::Complete) {
        const bool allowed = decision().tls({"a.test", "", 443, ""}, reading.hello).allowed;
        must(!allowed || egress::canonical_host(reading.hello.server_name.value_or("")) == "a.test", "only the name itself");
        // More bytes change nothing, and fewer are waited for.
        must(egress::read_client_hello(std::string(bytes) + "x").state == State::Complete, "the same with what follows");
    }
}

void dns_question(std::string_view bytes) {
    egress::NameTable names;
    size_t violations = 0;
    egress::DnsResponder responder(decision(), names, {"corp.example"}, [&](const Violation&) { ++violations; });
    const auto answer = responder.answer(bytes);
    if (!answer) {
        return;
    }
    must(answer->size() >= 12 && answer->size() <= 1232, "an answer that fits a datagram");
    must((static_cast<unsigned char>((*answer)[2]) & 0x80) != 0, "an answer, no question");
    must(answer->substr(0, 2) == bytes.substr(0, 2), "the question's number");
    must(violations <= 1, "at most one violation a question");
}

void http_head(std::string_view bytes) {
    using State = egress::HttpReading::State;
    const auto looks = egress::looks_like_http(bytes);
    const egress::HttpReading reading = egress::read_http_head(bytes);
    must(reading.state != State::Incomplete || bytes.size() <= egress::max_http_head, "no waiting without end");
    if (reading.state != State::Complete) {
        return;
    }
    must(looks != std::optional(false) || !std::all_of(reading.request.method.begin(), reading.request.method.end(), [](char c) { return c >= 'A' && c <= 'Z'; }) ||
             reading.request.method.size() >= 24,
         "what is HTTP looks like it");
    const auto judged = decision().http({"x.b.test", "", 80, ""}, reading.request);
    must(!judged.allowed || (reading.request.hosts.size() == 1 && !reading.request.upgrade), "one host");
    const std::string response = egress::refusal_response(judged.violation);
    must(response.find("\r\n\r\n") != std::string::npos && response.find("HTTP/1.1 403") == 0, "a response");
}

void socks(std::string_view bytes) {
    using State = egress::SocksReading::State;
    const egress::SocksReading greeting = egress::read_socks_greeting(bytes);
    must((greeting.state == State::Invalid) != greeting.problem.empty(), "a problem, if there is one");
    must(greeting.state != State::Incomplete || bytes.size() < 257, "no waiting without end");
    must(greeting.size <= bytes.size(), "no more than there is");
    const egress::SocksRequest request = egress::read_socks_request(bytes);
    must((request.state == State::Invalid) != request.problem.empty(), "a problem, if there is one");
    must(request.state != State::Incomplete || bytes.size() < 262, "no waiting without end");
    if (request.state == State::Complete) {
        must(request.size <= bytes.size() && !request.host.empty() && request.host.size() < 256, "bounded");
        must(egress::read_socks_request(bytes.substr(0, request.size)).host == request.host, "the same without what follows");
        must(egress::read_socks_request(bytes.substr(0, request.size - 1)).state == State::Incomplete, "whole, and not before");
    }
}

void proxy_head(std::string_view bytes) {
    using State = egress::ProxyReading::State;
    const egress::ProxyReading reading = egress::read_proxy_request(bytes);
    must((reading.state == State::Invalid) != reading.problem.empty(), "a problem, if there is one");
    must(reading.state != State::Incomplete || bytes.size() <= egress::max_http_head, "no waiting without end");
    if (reading.state != State::Complete) {
        return;
    }
    must(reading.size <= bytes.size() && reading.connect == reading.head.empty(), "a head for the server, unless it is asked for a tunnel");
    if (const auto contact = egress::contact_asked_for(reading.authority)) {
        must(contact->name.empty() != contact->address.empty() && contact->port != 0, "a name or an address");
    }
    if (!reading.connect) { // what goes on is one request, which asks for nothing of a proxy
        const egress::HttpReading sent = egress::read_http_head(reading.head);
        must(sent.state == egress::HttpReading::State::Complete && sent.request.target.starts_with('/'), "a request with a path");
        must(reading.head.find("\r\n\r\n") == reading.head.size() - 4, "one head");
    }
}

namespace {

egress::Recording recording_of(std::string_view bytes, size_t part) {
    const egress::Decision decide = egress::Decision::recording();
    const egress::Contact contact{"a.test", "", 80, ""};
    egress::Recorder recorder;
    {
        egress::Recorder::Connection connection(recorder, {});
        egress::Observer observer(decide, contact, connection);
        for (; !bytes.empty(); bytes.remove_prefix(std::min(part, bytes.size()))) {
            observer.up(bytes.substr(0, part));
        }
    }
    return recorder.recording(egress::NameTable());
}

} // namespace

// The first byte is the size of the parts in which the rest arrives.
void observed(std::string_view bytes) {
    if (bytes.empty()) {
        return;
    }
    const size_t size = static_cast<unsigned char>(bytes[0]) + size_t{1};
    size_t connections = 0;
    const egress::Recording recording = recording_of(bytes.substr(1), size);
    must(recording == recording_of(bytes.substr(1), bytes.size()), "the same however the bytes are cut");
    for (const egress::RecordedExchange& one : recording.exchanges) {
        connections += one.method.empty() ? 1 : 0;
        must(one.method.size() <= 24 && one.path.size() < 300 && one.server_name.size() < 256, "bounded texts");
        for (const std::string* text : {&one.method, &one.path, &one.server_name}) {
            must(std::all_of(text->begin(), text->end(), [](char c) { return c > 0x20 && c < 0x7F && c != '"' && c != '\''; }), "plain texts");
        }
    }
    must(connections == 1, "a connection is one row");
}

void held_back(std::string_view bytes) {
    static const std::vector<egress::TextSearch::Text> texts = {{"secret-secrets", 0}, {"etsecrex", 1}, {"cret-sec-", 2}};
    static const egress::TextSearch search(texts);
    const std::string_view sizes = bytes.substr(0, 4);
    const std::string whole(bytes.substr(sizes.size()));
    egress::HoldingBack stream(search);
    std::string passed;
    for (size_t at = 0, turn = 0; at < whole.size(); ++turn) {
        const size_t size = 1 + static_cast<unsigned char>(sizes[turn % sizes.size()]) % 16;
        passed += stream.pass(std::string_view(whole).substr(at, size));
        at += size;
    }
    size_t first = whole.size();
    for (const auto& text : texts) {
        const size_t found = whole.find(text.bytes);
        first = std::min(first, found == std::string::npos ? first : found);
    }
    must((stream.found() >= 0) == (first < whole.size()), "found where it is, and only there");
    if (stream.found() < 0) {
        passed += stream.rest();
        must(passed == whole, "all of it is passed on");
    } else {
        must(whole.starts_with(passed), "in order");
        for (const auto& text : texts) {
            must(passed.find(text.bytes) == std::string::npos, "no text is");
        }
    }
}

namespace {

// Stands for a server: what a program may have it asked, by rules(), and no more.
class Sink final : public egress::Http2Session {
public:
    explicit Sink(const std::string& placeholder) : placeholder_(placeholder) {}
    void give(std::string_view) override {}
    std::string take() override { return ""; }
    [[nodiscard]] bool over() const override { return false; }
    int32_t begin(const egress::Http2Fields& head, bool) override {
        must(head.size() >= 4 && head[0].first == ":method" && head[1] == std::pair<std::string, std::string>(":scheme", "https") &&
                 head[2].first == ":authority" && head[3].first == ":path",
             "pseudo-header fields first, each once");
        must(head[0].second == "GET" || head[0].second == "POST", "the rule's methods");
        must(head[2].second == "a.test" || head[2].second == "a.test:443" || egress::canonical_host(head[2].second) == "a.test" ||
                 (head[2].second.size() > 4 && egress::canonical_host(head[2].second.substr(0, head[2].second.size() - 4)) == "a.test"),
             "the rule's host");
        must(head[3].second.starts_with("/v1/") || head[3].second == "/me" || head[3].second.starts_with("/me?"), "the rule's paths");
        for (size_t at = 4; at < head.size(); ++at) {
            const auto& [name, value] = head[at];
            must(!name.empty() && name[0] != ':' && name != "host" && name != "connection" && name != "transfer-encoding" && name != "upgrade", "no field that is another's");
            must(std::none_of(name.begin(), name.end(), [](char c) { return c <= 0x20 || c == 0x7F || (c >= 'A' && c <= 'Z'); }), "plain names");
            must(std::none_of(value.begin(), value.end(), [](char c) { return c == '\0' || c == '\r' || c == '\n'; }), "values of one line");
            must(value.find(placeholder_) == std::string::npos, "no placeholder");
        }
        must(head[3].second.find(placeholder_) == std::string::npos, "no placeholder in a path");
        bodies_.emplace_back();
        return static_cast<int32_t>(2 * bodies_.size() - 1);
    }
    void answer(int32_t, const egress::Http2Fields&, bool) override { must(false, "a client answers nothing"); }
    void say(int32_t stream, std::string bytes) override {
        std::string& body = bodies_.at(static_cast<size_t>(stream) / 2);
        body += bytes;
        must(body.find(placeholder_) == std::string::npos, "no placeholder in a body");
    }
    void end(int32_t, const egress::Http2Fields& trailers) override {
        for (const auto& [name, value] : trailers) {
            must(value.find(placeholder_) == std::string::npos, "no placeholder behind a body");
        }
    }
    void reset(int32_t, uint32_t) override {}
    [[nodiscard]] size_t queued(int32_t) const override { return 0; }
    void consumed(int32_t, size_t) override {}
    void go_away() override {}

private:
    const std::string& placeholder_;
    std::vector<std::string> bodies_;
};

egress::ExchangeRules& rules(const std::string& placeholder) {
    static const auto policy = std::make_shared<const Policy>(
        Policy::build(*read_profile("treadline: 1\nname: fuzz\nnetwork:\n  connect: [\"a.test:443\"]\n"
                                    "  inspect: [{host: \"a.test:443\", methods: [GET, POST], paths: [\"/v1/**\", /me]}]\n",
                                    "profile.yaml"),
                      "profile.yaml", Variables(), [](const std::string&) -> result<Profile> { return Profile{}; })
            .value());
    static const egress::Decision decision(policy);
    static const egress::Substitution substitution = [&] {
        egress::Secrets secrets;
        secrets.all.push_back({"${env:KEY}", "the-real-value", placeholder});
        secrets.credentials.push_back({"a.test", 443, "authorization", {}, "Bearer " + placeholder, "Bearer the-real-value", "authorization of a.test"});
        return egress::Substitution(std::make_shared<const egress::Secrets>(secrets));
    }();
    static egress::ExchangeRules made(decision, substitution, true, {"a.test", "", 443, ""}, egress::Wrapping::Tls);
    return made;
}

} // namespace

void http2(std::string_view bytes) {
    static const std::string placeholder = "tl-PLACEHOLDER-0";
    if (bytes.empty()) {
        return;
    }
    const size_t size = 1 + static_cast<unsigned char>(bytes[0]) * size_t{4};
    size_t violations = 0;
    egress::Http2Relay relay(
        [](egress::Http2Role role, egress::Http2Events& events) -> std::unique_ptr<egress::Http2Session> {
            return role == egress::Http2Role::Client ? std::make_unique<Sink>(placeholder) : egress::make_http2_session(role, events, egress::least_http2_window);
        },
        rules(placeholder), [&](Violation violation) {
            ++violations;
            must(violation.reason.find("the-real-value") == std::string::npos, "no real value in a report");
        });
    const std::string whole = std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") + std::string("\0\0\0\4\0\0\0\0\0", 9) + std::string(bytes.substr(1));
    for (std::string_view rest = whole; !rest.empty() && !relay.program().over(); rest.remove_prefix(std::min(size, rest.size()))) {
        relay.program().give(rest.substr(0, size));
        while (!relay.program().take().empty()) {
        }
        must(relay.open() <= egress::max_http2_streams, "no more streams than were offered");
    }
    must(violations <= 1 + bytes.size() / 9, "no more told than was said");
}

void kept_exchanges(std::string_view bytes) {
    const auto exchanges = egress::exchanges_from(bytes);
    if (!exchanges) {
        return;
    }
    must(egress::to_bytes(*exchanges) == bytes, "the same bytes when it is written again");
    for (const egress::KeptExchange& one : *exchanges) {
        must(egress::objection_to(one).empty(), "only what could have been kept");
        must(egress::to_lines(one.fields).find('\r') == std::string::npos, "no field that would be two");
    }
    egress::Answers answers(*exchanges);
    for (const egress::KeptExchange& one : *exchanges) {
        const auto found = answers.answer_to(one);
        must((found.answer != nullptr) == found.why.empty(), "an answer, or why there is none");
        must(found.answer == nullptr || (found.answer->target == one.target && found.answer->host == one.host), "of the same request");
    }
}

void redacted(std::string_view bytes) {
    const std::string once = egress::redacted_target(bytes);
    must(egress::redacted_target(once) == once, "redacting again changes nothing");
    const egress::HttpFields fields = egress::redacted_fields({{"Location", std::string(bytes)}, {"Link", std::string(bytes)}, {"Refresh", std::string(bytes)}, {"Set-Cookie", std::string(bytes)}});
    must(egress::redacted_fields(fields) == fields, "nor in fields");
    if (bytes.size() > 64) {
        return; // a table of all forms of long texts takes its time
    }
    egress::SentSecrets secrets;
    secrets.add({{"Authorization", std::string(bytes)}, {"Cookie", std::string(bytes)}}, bytes);
    secrets.prepare();
    static_cast<void>(secrets.are_in(once));
}

void request_target(std::string_view bytes) {
    const RequestScope scope{{}, {"/v1/**", "/me"}};
    if (!is_in(scope, "GET", bytes)) {
        return;
    }
    // As a server might read it: decoded once or twice, backslashes as slashes, without parameters, dots resolved.
    std::string path(bytes.substr(0, bytes.find('?')));
    for (int turn = 0; turn < 2; ++turn) {
        std::string decoded;
        for (size_t at = 0; at < path.size(); ++at) {
            unsigned code = 0;
            if (path[at] == '%' && at + 2 < path.size() && std::isxdigit(static_cast<unsigned char>(path[at + 1])) != 0 && std::isxdigit(static_cast<unsigned char>(path[at + 2])) != 0) {
                code = static_cast<unsigned>(std::stoul(path.substr(at + 1, 2), nullptr, 16));
                decoded += static_cast<char>(code);
                at += 2;
            } else {
                decoded += path[at] == '\\' ? '/' : path[at];
            }
        }
        path = decoded;
    }
    std::vector<std::string> names;
    for (const std::string_view part : split(path, '/')) {
        const std::string name(part.substr(0, part.find(';')));
        if (name == "..") {
            names.resize(names.empty() ? 0 : names.size() - 1);
        } else if (!name.empty() && name != ".") {
            names.push_back(name);
        }
    }
    must(!names.empty() && (names[0] == "v1" || (names.size() == 1 && names[0] == "me")), "nothing beside the rule's paths");
}

} // namespace treadline::fuzz

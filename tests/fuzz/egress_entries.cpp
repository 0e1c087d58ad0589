#include <algorithm>
#include <cctype>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/text.h"
#include "enforcer/egress/client_hello.h"
#include "enforcer/egress/dns_responder.h"
#include "enforcer/egress/http_request.h"
#include "enforcer/egress/observer.h"
#include "enforcer/egress/recorder.h"
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

#include "enforcer/egress/http2_relay.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "enforcer/egress/http_request.h"

namespace treadline::egress {
namespace {

constexpr size_t most_for_nobody = 256 * 1024; // of a request, behind its answer

// A request as the decision asks about it, and its fields without those for HTTP/2 itself.
struct Reading {
    HttpRequest facts;
    RequestHead head;
    std::string objection;
    bool expects_go_on = false;
};

bool has_control(std::string_view value) {
    return std::any_of(value.begin(), value.end(), [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; });
}

// The library has looked at it; this holds it to the same again, and to what the gateway demands besides.
Reading read(Http2Fields fields) {
    Reading reading;
    std::string scheme;
    std::string authority;
    for (auto& [name, value] : fields) {
        if (has_control(value) || has_control(name)) {
            reading.objection = "a control character in a header";
        }
        if (name == ":method") {
            reading.facts.method = value;
        } else if (name == ":path") {
            reading.facts.target = value;
        } else if (name == ":scheme") {
            scheme = value;
        } else if (name == ":authority") {
            authority = value;
        } else if (name.starts_with(':')) { // :protocol asks for another one (RFC 8441)
            reading.facts.upgrade = true;
        } else if (name == "host") {
            reading.facts.hosts.push_back(value);
        } else {
            reading.expects_go_on = reading.expects_go_on || (name == "expect" && is_name(value, "100-continue"));
            reading.head.fields.emplace_back(std::move(name), std::move(value));
        }
    }
    // Where both say it they have to say the same.
    if (!authority.empty() && reading.facts.hosts != std::vector<std::string>{authority}) {
        reading.facts.hosts.push_back(authority);
    }
    if (reading.objection.empty() && reading.facts.method != "CONNECT") {
        if (scheme != "https") {
            reading.objection = "a scheme other than that of the connection";
        } else if (!reading.facts.target.starts_with('/') && (reading.facts.target != "*" || reading.facts.method != "OPTIONS")) {
            reading.objection = "a target that is no path";
        }
    }
    return reading;
}

Http2Fields lower_names(const HttpFields& fields) {
    Http2Fields lowered;
    for (const auto& [name, value] : fields) {
        lowered.emplace_back(lower_case(name), value);
    }
    return lowered;
}

unsigned status_of(const Http2Fields& fields) {
    unsigned status = 0;
    for (const char c : fields.empty() || fields[0].first != ":status" ? "" : fields[0].second.substr(0, 3)) {
        status = c >= '0' && c <= '9' ? status * 10 + static_cast<unsigned>(c - '0') : 0;
    }
    return status;
}

} // namespace

struct Http2Relay::Exchange {
    Exchange(int32_t number, const ExchangeRules& rules) : stream(number), request(rules.placeholders()), answer(rules.values()) {}

    int32_t stream;
    int32_t at_server = -1; // less than 0: nothing of it is there, or any more
    HoldingBack request;
    HoldingBack answer;
    size_t owed_to_program = 0; // bytes that came, and for which no others may come yet
    size_t owed_to_server = 0;
    size_t for_nobody = 0; // bytes of a request that has its answer
    bool request_ended = false;
    bool answered = false; // its head has gone in
    bool answer_ended = false;
};

class Http2Relay::ProgramSide final : public Http2Events {
public:
    explicit ProgramSide(Http2Relay& relay) : relay_(relay) {}
    void on_head(int32_t stream, Http2Fields fields, const std::string& objection, bool ends) override {
        relay_.request(stream, std::move(fields), objection, ends);
    }
    void on_data(int32_t stream, std::string_view bytes) override {
        Exchange* exchange = relay_.of_program(stream);
        if (exchange == nullptr) {
            relay_.program_->consumed(stream, bytes.size());
            return;
        }
        exchange->owed_to_program += bytes.size();
        relay_.request_body(*exchange, bytes);
        relay_.credit(*exchange);
    }
    void on_trailers(int32_t stream, Http2Fields fields, const std::string& objection) override {
        Exchange* exchange = relay_.of_program(stream);
        if (exchange == nullptr || exchange->at_server < 0) {
            return;
        }
        auto problem = objection.empty() ? relay_.rules_.judge_trailers(fields) : std::optional(relay_.rules_.refused("the request's end cannot be read: " + objection));
        if (problem) {
            relay_.refuse(*exchange, std::move(*problem));
            return;
        }
        relay_.request_ended(*exchange, fields);
    }
    void on_end(int32_t stream) override {
        if (Exchange* exchange = relay_.of_program(stream); exchange != nullptr) {
            relay_.request_ended(*exchange, {});
        }
    }
    void on_malformed(int32_t /*stream*/, std::string why) override {
        relay_.report_(relay_.rules_.refused("the HTTP/2 request cannot be read in one way only: " + why));
    }
    void on_taken(int32_t stream) override {
        if (Exchange* exchange = relay_.of_program(stream); exchange != nullptr) {
            relay_.credit(*exchange);
        }
    }
    void on_closed(int32_t stream, uint32_t code) override {
        const auto at = relay_.exchanges_.find(stream);
        if (at == relay_.exchanges_.end()) {
            return;
        }
        relay_.forget_server(*at->second, code == http2_code::no_error ? http2_code::cancel : code);
        relay_.program_->consumed(stream, at->second->owed_to_program);
        relay_.exchanges_.erase(at);
    }
    void on_going_away() override {} // it closes when it has what it asked for
    void on_broken(std::string why) override { relay_.report_(relay_.rules_.refused("the program breaks HTTP/2: " + why)); }

private:
    Http2Relay& relay_;
};

class Http2Relay::ServerSide final : public Http2Events {
public:
    explicit ServerSide(Http2Relay& relay) : relay_(relay) {}
    void on_head(int32_t stream, Http2Fields fields, const std::string& objection, bool ends) override {
        if (Exchange* exchange = relay_.of_server(stream); exchange != nullptr) {
            relay_.answer(*exchange, std::move(fields), objection, ends);
        }
    }
    void on_data(int32_t stream, std::string_view bytes) override {
        Exchange* exchange = relay_.of_server(stream);
        if (exchange == nullptr) {
            relay_.server_->consumed(stream, bytes.size());
            return;
        }
        exchange->owed_to_server += bytes.size();
        relay_.answer_body(*exchange, bytes);
        relay_.credit(*exchange);
    }
    void on_trailers(int32_t stream, Http2Fields fields, const std::string& objection) override {
        Exchange* exchange = relay_.of_server(stream);
        if (exchange == nullptr) {
            return;
        }
        auto problem = relay_.rules_.judge_answer_trailers(fields);
        if (problem || !objection.empty()) {
            relay_.refuse(*exchange, problem ? std::move(*problem) : relay_.rules_.refused("the answer's end cannot be read: " + objection));
            return;
        }
        relay_.answer_ended(*exchange, fields);
    }
    void on_end(int32_t stream) override {
        if (Exchange* exchange = relay_.of_server(stream); exchange != nullptr) {
            relay_.answer_ended(*exchange, {});
        }
    }
    void on_malformed(int32_t /*stream*/, std::string /*why*/) override {} // on_closed follows
    void on_taken(int32_t stream) override {
        if (Exchange* exchange = relay_.of_server(stream); exchange != nullptr) {
            relay_.credit(*exchange);
        }
    }
    void on_closed(int32_t stream, uint32_t code) override {
        Exchange* exchange = relay_.of_server(stream);
        if (exchange == nullptr) {
            return;
        }
        relay_.by_server_.erase(stream);
        exchange->at_server = -1;
        relay_.server_->consumed(stream, std::exchange(exchange->owed_to_server, 0));
        if (!exchange->answer_ended) {
            relay_.program_->reset(exchange->stream, code == http2_code::no_error ? http2_code::internal_error : code);
        }
        relay_.credit(*exchange);
    }
    void on_going_away() override { relay_.program_->go_away(); }
    void on_broken(std::string /*why*/) override { relay_.server_gone(); }

private:
    Http2Relay& relay_;
};

Http2Relay::Http2Relay(const MakeHttp2& make, ExchangeRules& rules, Report report)
    : rules_(rules),
      report_(std::move(report)),
      program_events_(std::make_unique<ProgramSide>(*this)),
      server_events_(std::make_unique<ServerSide>(*this)),
      program_(make(Http2Role::Server, *program_events_)),
      server_(make(Http2Role::Client, *server_events_)) {}

Http2Relay::~Http2Relay() = default;

void Http2Relay::server_gone() {
    if (std::exchange(server_gone_, true)) {
        return;
    }
    by_server_.clear();
    for (const auto& [stream, exchange] : exchanges_) {
        exchange->at_server = -1;
        if (!exchange->answer_ended) {
            program_->reset(stream, http2_code::internal_error);
        }
    }
    program_->go_away();
}

Http2Relay::Exchange* Http2Relay::of_program(int32_t stream) {
    const auto at = exchanges_.find(stream);
    return at == exchanges_.end() ? nullptr : at->second.get();
}

Http2Relay::Exchange* Http2Relay::of_server(int32_t stream) {
    const auto at = by_server_.find(stream);
    return at == by_server_.end() ? nullptr : at->second;
}

void Http2Relay::request(int32_t stream, Http2Fields fields, const std::string& objection, bool ends) {
    Exchange& exchange = *exchanges_.insert_or_assign(stream, std::make_unique<Exchange>(stream, rules_)).first->second;
    exchange.request_ended = ends;
    Reading reading = read(std::move(fields));
    if (const std::string& unreadable = objection.empty() ? reading.objection : objection; !unreadable.empty()) {
        refuse(exchange, rules_.refused("the HTTP/2 request cannot be read in one way only: " + printable(unreadable)));
        return;
    }
    if (auto problem = rules_.judge(reading.facts, reading.head)) {
        refuse(exchange, std::move(*problem));
        return;
    }
    if (server_gone_) {
        program_->reset(stream, http2_code::refused_stream);
        return;
    }
    if (reading.expects_go_on) {
        program_->answer(stream, {{":status", "100"}}, false);
    }
    Http2Fields head = {{":method", reading.head.method}, {":scheme", "https"}, {":authority", reading.facts.hosts[0]}, {":path", reading.head.target}};
    Http2Fields rest = lower_names(reading.head.fields);
    head.insert(head.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
    exchange.at_server = server_->begin(head, ends);
    if (exchange.at_server < 0) {
        program_->reset(stream, http2_code::refused_stream); // which says that it may be tried anew
        return;
    }
    by_server_[exchange.at_server] = &exchange;
}

void Http2Relay::request_body(Exchange& exchange, std::string_view bytes) {
    if (exchange.at_server < 0) {
        // Some clients lose an answer when its stream is reset behind it, so a little of what comes for nobody is taken.
        exchange.for_nobody += bytes.size();
        if (exchange.answer_ended && exchange.for_nobody > most_for_nobody) {
            program_->reset(exchange.stream, http2_code::no_error);
        }
        return;
    }
    std::string pass = exchange.request.pass(bytes);
    if (exchange.request.found() >= 0) {
        refuse(exchange, rules_.misplaced_in_body(exchange.request.found()));
        return;
    }
    server_->say(exchange.at_server, std::move(pass));
}

void Http2Relay::request_ended(Exchange& exchange, const Http2Fields& trailers) {
    if (std::exchange(exchange.request_ended, true) || exchange.at_server < 0) {
        return;
    }
    server_->say(exchange.at_server, exchange.request.rest());
    server_->end(exchange.at_server, trailers);
}

void Http2Relay::answer(Exchange& exchange, Http2Fields fields, const std::string& objection, bool ends) {
    const unsigned status = status_of(fields);
    auto problem = objection.empty() ? rules_.judge_answer(status, "", fields) : std::optional(rules_.refused("the answer cannot be read in one way only: " + printable(objection)));
    if (problem) {
        refuse(exchange, std::move(*problem));
        return;
    }
    exchange.answered = exchange.answered || status >= 200;
    exchange.answer_ended = ends;
    program_->answer(exchange.stream, fields, ends);
}

void Http2Relay::answer_body(Exchange& exchange, std::string_view bytes) {
    std::string pass = exchange.answer.pass(bytes);
    if (exchange.answer.found() >= 0) {
        refuse(exchange, rules_.echoed_in_body(exchange.answer.found()));
        return;
    }
    program_->say(exchange.stream, std::move(pass));
}

void Http2Relay::answer_ended(Exchange& exchange, const Http2Fields& trailers) {
    if (std::exchange(exchange.answer_ended, true)) {
        return;
    }
    program_->say(exchange.stream, exchange.answer.rest());
    program_->end(exchange.stream, trailers);
}

// 403 where nothing of an answer has gone in; else the stream is broken off, so that it is no whole answer.
void Http2Relay::refuse(Exchange& exchange, Violation violation) {
    forget_server(exchange, http2_code::cancel);
    if (exchange.answered) {
        program_->reset(exchange.stream, http2_code::internal_error);
    } else {
        const Refusal refusal = refusal_of(violation);
        program_->answer(exchange.stream,
                         {{":status", "403"},
                          {"content-type", "application/json"},
                          {"treadline-denied", refusal.reason},
                          {"content-length", std::to_string(refusal.json.size())}},
                         false);
        program_->say(exchange.stream, refusal.json);
        program_->end(exchange.stream, {});
    }
    exchange.answered = true;
    exchange.answer_ended = true;
    report_(std::move(violation));
}

void Http2Relay::forget_server(Exchange& exchange, uint32_t code) {
    const int32_t stream = std::exchange(exchange.at_server, -1);
    if (stream < 0) {
        return;
    }
    by_server_.erase(stream);
    server_->consumed(stream, std::exchange(exchange.owed_to_server, 0));
    server_->reset(stream, code);
}

// What the other side has taken, or never will, may be followed by as much.
void Http2Relay::credit(Exchange& exchange) {
    const size_t to_server = exchange.at_server < 0 ? 0 : std::min(exchange.owed_to_program, server_->queued(exchange.at_server));
    program_->consumed(exchange.stream, std::exchange(exchange.owed_to_program, to_server) - to_server);
    const size_t to_program = std::min(exchange.owed_to_server, program_->queued(exchange.stream));
    if (exchange.at_server >= 0) {
        server_->consumed(exchange.at_server, std::exchange(exchange.owed_to_server, to_program) - to_program);
    }
}

} // namespace treadline::egress

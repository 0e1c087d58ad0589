#include "enforcer/egress/inspect.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/text.h"
#include "enforcer/egress/client_hello.h"
#include "enforcer/egress/exchange_rules.h"
#include "enforcer/egress/http2_link.h"
#include "enforcer/egress/http_message.h"
#include "enforcer/egress/keeper.h"
#include "enforcer/egress/relay.h"
#include "enforcer/egress/stream.h"
#include "enforcer/egress/tunnel.h"

namespace treadline::egress {
namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::awaitable;
using std::chrono::seconds;
using boost::beast::iequals;
namespace {

constexpr seconds handshake_time{10};
constexpr seconds head_time{60};     // for a request's head, from its first byte or the end of the one before
constexpr seconds answer_time{3600}; // for a server to answer
constexpr seconds block_time{600};   // for each part of a body

constexpr std::string_view bad_gateway = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

std::string version_of(unsigned version) {
    return version == 10 ? "HTTP/1.0" : "HTTP/1.1";
}

std::string written(std::string first_line, const HttpFields& fields) {
    for (const auto& [name, value] : fields) {
        first_line += "\r\n" + name + ": " + value;
    }
    return first_line + "\r\n\r\n";
}

// What a server may answer in one way only.
std::string objection_to(const http::response_header<>& head, const std::string& upgrade) {
    if (head.count(http::field::content_length) > 1 || head.count(http::field::transfer_encoding) > 1 ||
        (head.count(http::field::transfer_encoding) == 1 && !iequals(head[http::field::transfer_encoding], "chunked"))) {
        return "the answer's length is told in a way that can be read in two";
    }
    if (head.result_int() == 101 && (upgrade.empty() || head.count(http::field::upgrade) != 1 || !iequals(head[http::field::upgrade], upgrade))) {
        return "the server changes to another protocol, which nobody asked for";
    }
    return "";
}

// A server that has been reached, or what whoever asked for it is answered.
struct Reached {
    std::unique_ptr<Stream> stream;
    std::string protocol; // as chosen inside TLS
    std::string answer;
    std::shared_ptr<Counted> counted; // what goes to it
};

void count_what_goes_to(Stream& server, const std::shared_ptr<Counted>& counted) {
    if (counted->account.limited()) {
        server.meter([counted](uint64_t bytes) { return counted->send(bytes); });
    }
}

awaitable<Reached> reach(const Contact& contact, Wrapping wrapping, std::vector<std::string> protocols, RelayContext& context) {
    Violation violation;
    auto outside = co_await dial(contact, context, &violation);
    Reached reached;
    reached.counted = std::make_shared<Counted>(Counted{context.account_of(contact)});
    if (!outside) {
        reached.answer = violation.layer.empty() ? std::string(bad_gateway) : refusal_response(violation);
        co_return reached;
    }
    if (wrapping == Wrapping::Plain) {
        reached.stream = std::make_unique<Stream>(std::move(*outside));
        count_what_goes_to(*reached.stream, reached.counted);
        co_return reached;
    }
    auto session = context.inspector->tls().towards_server(contact.name, protocols);
    if (!session) {
        reached.answer = bad_gateway;
        co_return reached;
    }
    auto server = std::make_unique<TlsStream>(std::move(*outside), std::move(*session));
    count_what_goes_to(*server, reached.counted);
    std::string nothing;
    const bool trusted = co_await server->handshake(std::move(nothing), after(handshake_time));
    if (!trusted) {
        const std::string why = server->problem();
        const Violation untrusted = reached.counted->over ? *reached.counted->over : refusal("connect", to_string(contact),
                                            "TLS with '" + contact.name + "' failed, so nothing was sent there: " +
                                                printable(why.empty() ? "the server does not answer" : why));
        context.on_violation(untrusted, contact.dialled);
        reached.answer = refusal_response(untrusted);
        co_return reached;
    }
    reached.protocol = server->protocol();
    reached.stream = std::move(server);
    co_return reached;
}

class Exchange {
public:
    Exchange(std::unique_ptr<Stream> program, std::string buffered, Reached server, Contact contact, Wrapping wrapping, RelayContext& context)
        : program_(std::move(program)),
          server_(std::move(server.stream)),
          unreachable_(std::move(server.answer)),
          counted_(std::move(server.counted)),
          from_program_(std::move(buffered)),
          wrapping_(wrapping),
          context_(context),
          rules_(context.decision, context.inspector->substitution(), context.inspector->limits_requests(contact), contact, wrapping,
                 context.account_of(contact)) {}

    // One request and its answer; whether another may follow. (Not inlined: g++ 12 then traps in whoever waits for it.)
    [[gnu::noinline]] awaitable<bool> one();

private:
    using Request = HttpMessage<true>;
    using Answer = HttpMessage<false>;

    awaitable<void> refuse(Violation violation) {
        context_.on_violation(violation, rules_.contact().dialled);
        if (server_) {
            server_->abort();
        }
        const std::string response = refusal_response(violation);
        if (const bool done = co_await program_->write(response, after(block_time)); done) {
            co_await program_->finish();
        }
        co_return;
    }

    // What the request is made of as it goes on, or why it does not.
    std::optional<Violation> judge(Request& request, RequestHead& head) {
        const HttpRequest facts = facts_of(request.head());
        upgrade_ = facts.upgrade ? facts.upgrade_to : "";
        if (!facts.upgrade && request.head().find(http::field::upgrade) != request.head().end()) { // h2c
            withdraw_upgrade(request.parser().get().base());
        }
        head.fields = fields_of(request.head());
        auto problem = rules_.judge(facts, head);
        if (!problem && context_.keeper != nullptr) { // what is kept has to be searched, too
            std::erase_if(head.fields, [](const auto& field) { return iequals(field.first, "Accept-Encoding"); });
            head.fields.emplace_back("Accept-Encoding", "identity");
        }
        return problem;
    }

    awaitable<bool> connect() {
        if (unreachable_.empty()) {
            std::vector<std::string> protocols = {alpn_http1}; // not within the call: g++ 12 destroys such a temporary twice
            Reached reached = co_await reach(rules_.contact(), wrapping_, std::move(protocols), context_);
            server_ = std::move(reached.stream);
            unreachable_ = std::move(reached.answer);
            counted_ = std::move(reached.counted);
        }
        if (server_) {
            co_return true;
        }
        if (const bool done = co_await program_->write(unreachable_, after(block_time)); done) {
            co_await program_->finish();
        }
        co_return false;
    }

    awaitable<bool> send(Request& request, const RequestHead& head, bool& refused_body) {
        std::string out = written(head.method + " " + head.target + " " + version_of(request.head().version()), head.fields);
        HoldingBack body(rules_.placeholders());
        if (!request.has_more_buffered() || !request.has_body()) {
            if (const bool done = co_await server_->write(out, after(block_time)); !done) {
                co_return false;
            }
            out.clear();
        }
        const bool chunked = request.chunked();
        const bool has_body = request.has_body();
        while (request.has_body()) {
            std::string piece;
            const auto read = co_await request.read_piece(piece, after(block_time));
            if (read == Request::Read::Broken || read == Request::Read::Malformed) {
                server_->abort();
                co_return false;
            }
            std::string pass = body.pass(piece);
            if (kept_) {
                kept_->request_body(piece);
            }
            if (body.found() >= 0) {
                Violation violation = rules_.misplaced_in_body(body.found());
                refused_body = true;
                co_await refuse(std::move(violation));
                co_return false;
            }
            out += pass.empty() ? "" : framed(std::move(pass), chunked);
            if (const bool done = co_await server_->write(out, after(block_time)); !done) {
                co_return false;
            }
            out.clear();
        }
        if (has_body) {
            std::string rest = body.rest();
            out += rest.empty() ? "" : framed(std::move(rest), chunked);
            out += chunked ? framed("", true) : "";
            if (const bool done = co_await server_->write(out, after(block_time)); !done) {
                co_return false;
            }
        }
        co_return true;
    }

    // The answer to one request, with what comes before it (103 and its kind).
    awaitable<bool> answer(bool head_only) {
        for (;;) {
            Answer answer(*server_, from_server_);
            answer.parser().skip(head_only);
            const auto read = co_await answer.read_head(after(answer_time));
            if (read != Answer::Read::Done) {
                program_->abort();
                co_return false;
            }
            const auto& head = answer.head();
            const HttpFields fields = fields_of(head);
            const std::string objection = objection_to(head, upgrade_);
            auto problem = objection.empty() ? rules_.judge_answer(head.result_int(), text(head.reason()), fields) : std::optional(rules_.refused(objection));
            if (problem) {
                co_await refuse(std::move(*problem));
                co_return false;
            }
            const std::string first = written(version_of(head.version()) + " " + std::to_string(head.result_int()) + " " + text(head.reason()), fields);
            const unsigned status = head.result_int();
            if (kept_ && status >= 200) {
                kept_->answer(status, text(head.reason()), fields);
            }
            const bool goes_on = answer.parser().keep_alive() && !answer.parser().need_eof();
            if (const bool done = co_await pass_on(answer, first); !done) {
                program_->abort();
                co_return false;
            }
            if (status == 101) {
                co_await tunnel(*program_, std::move(from_program_), *server_, std::move(from_server_));
                if (counted_->over) {
                    context_.on_violation(*counted_->over, rules_.contact().dialled);
                }
                co_return false;
            }
            if (status >= 200) {
                if (kept_) {
                    kept_->done();
                }
                if (!goes_on) {
                    co_await program_->finish();
                }
                co_return goes_on;
            }
        }
    }

    awaitable<bool> pass_on(Answer& answer, std::string out) {
        HoldingBack body(rules_.values());
        if (!answer.has_more_buffered() || !answer.has_body()) {
            if (const bool done = co_await program_->write(out, after(block_time)); !done) {
                co_return false;
            }
            out.clear();
        }
        const bool chunked = answer.chunked();
        const bool has_body = answer.has_body();
        while (has_body) {
            std::string piece;
            const auto read = co_await answer.read_piece(piece, after(block_time));
            if (read == Answer::Read::Broken || read == Answer::Read::Malformed) {
                co_return false;
            }
            std::string pass = read == Answer::Read::Ended ? body.rest() : body.pass(piece);
            if (body.found() >= 0) {
                context_.on_violation(rules_.echoed_in_body(body.found()), rules_.contact().dialled);
                server_->abort();
                co_return false; // its beginning has gone in already: broken off, it is no whole answer
            }
            if (kept_) {
                kept_->body(pass);
            }
            out += pass.empty() ? "" : framed(std::move(pass), chunked);
            out += read == Answer::Read::Ended && chunked ? framed("", true) : "";
            if (const bool done = co_await program_->write(out, after(block_time)); !done) {
                co_return false;
            }
            out.clear();
            if (read == Answer::Read::Ended) {
                break;
            }
        }
        co_return true;
    }

    std::unique_ptr<Stream> program_;
    std::unique_ptr<Stream> server_;
    std::string unreachable_; // why there is no server, as an answer
    std::shared_ptr<Counted> counted_;
    std::string from_program_; // read, not used yet
    std::string from_server_;
    std::string upgrade_; // to what the request may change
    Wrapping wrapping_;
    RelayContext& context_;
    ExchangeRules rules_;
    std::unique_ptr<Keeper::One> kept_; // the exchange that goes through, with --capture
};

awaitable<bool> Exchange::one() {
    Request request(*program_, from_program_);
    const auto read = co_await request.read_head(after(head_time));
    if (read == Request::Read::Broken || read == Request::Read::Ended) {
        co_return false;
    }
    const std::string unreadable = read == Request::Read::Malformed ? request.problem() : ambiguity_of(request.head());
    RequestHead head;
    auto problem = unreadable.empty() ? judge(request, head)
                                      : std::optional(rules_.refused("the HTTP request cannot be read in one way only: " + printable(unreadable)));
    if (problem) {
        co_await refuse(std::move(*problem));
        co_return false;
    }
    if (context_.keeper != nullptr) { // as the program sent it: with placeholders
        kept_ = context_.keeper->begin(rules_.contact(), wrapping_ == Wrapping::Tls, head.method, head.target, fields_of(request.head()));
    }
    if (!server_) {
        const bool connected = co_await connect();
        if (!connected) {
            co_return false;
        }
    }
    if (iequals(request.head()[http::field::expect], "100-continue")) {
        constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        if (const bool done = co_await program_->write(go_on, after(block_time)); !done) {
            co_return false;
        }
    }
    const bool head_only = request.head().method() == http::verb::head;
    const bool keep_alive = request.parser().keep_alive();
    bool refused_body = false;
    const bool sent = co_await send(request, head, refused_body);
    if (counted_->over) {
        Violation beyond = *counted_->over;
        co_await refuse(std::move(beyond));
        co_return false;
    }
    if (refused_body) {
        co_return false;
    }
    const bool goes_on = co_await answer(head_only); // a server may answer before it has read everything, and close
    if (!sent || !goes_on || !keep_alive) {
        if (goes_on) {
            co_await program_->finish();
        }
        co_return false;
    }
    co_return true;
}

} // namespace

awaitable<void> inspect(asio::ip::tcp::socket inside, std::string opening, Contact contact, Wrapping wrapping, RelayContext& context) {
    std::unique_ptr<Stream> program;
    Reached server;
    if (wrapping == Wrapping::Plain) {
        program = std::make_unique<Stream>(std::move(inside));
    } else {
        const std::vector<std::string> offered = read_client_hello(opening).hello.protocols;
        const auto offers = [&](const char* protocol) { return std::find(offered.begin(), offered.end(), protocol) != offered.end(); };
        // Both sides speak the same, so the server is asked first. Who offers no HTTP/2 is only dialled for once there is a request.
        const bool http1 = offered.empty() || offers(alpn_http1);
        if (offers(alpn_http2) && Http2Link::has_room() && context.keeper == nullptr) { // what is captured is HTTP/1.1
            std::vector<std::string> protocols = {alpn_http2, alpn_http1};
            server = co_await reach(contact, wrapping, std::move(protocols), context);
        }
        const bool http2 = server.protocol == alpn_http2;
        if (!http1 && !http2) {
            if (server.answer.empty()) {
                context.on_violation(refusal("connect", to_string(contact),
                                             offers(alpn_http2) ? "the program speaks only HTTP/2, and the server does not"
                                                                : "the program asks for none of the protocols that can be looked into (HTTP/1.1, HTTP/2)"),
                                     contact.dialled);
            }
            std::string alert = tls_refusal();
            co_await close_with(std::move(inside), std::move(alert));
            co_return;
        }
        auto session = context.inspector->tls().towards_program(contact.name, {http2 ? alpn_http2 : alpn_http1});
        if (!session) {
            co_return;
        }
        auto wrapped = std::make_unique<TlsStream>(std::move(inside), std::move(*session));
        std::string hello;
        hello.swap(opening);
        if (const bool done = co_await wrapped->handshake(std::move(hello), after(handshake_time)); !done) {
            co_return; // does not trust the run's authority, or has nothing to say
        }
        program = std::move(wrapped);
        if (http2) {
            Http2Link link(std::move(program), std::move(server.stream), server.counted, contact, context);
            co_await link.run();
            co_return;
        }
    }
    Exchange exchange(std::move(program), std::move(opening), std::move(server), std::move(contact), wrapping, context);
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await exchange.one();
    }
    co_return;
}

} // namespace treadline::egress

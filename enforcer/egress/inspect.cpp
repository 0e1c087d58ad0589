#include "enforcer/egress/inspect.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include <boost/beast/http/rfc7230.hpp>

#include "base/text.h"
#include "enforcer/egress/http_message.h"
#include "enforcer/egress/relay.h"
#include "enforcer/egress/stream.h"

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

Until after(seconds time) {
    return std::chrono::steady_clock::now() + time;
}

std::string text(boost::beast::string_view view) {
    return {view.data(), view.size()};
}

template <class Head>
std::vector<std::pair<std::string, std::string>> fields_of(const Head& head) {
    std::vector<std::pair<std::string, std::string>> fields;
    for (const auto& field : head) {
        fields.emplace_back(text(field.name_string()), text(field.value()));
    }
    return fields;
}

std::string version_of(unsigned version) {
    return version == 10 ? "HTTP/1.0" : "HTTP/1.1";
}

std::string written(std::string first_line, const std::vector<std::pair<std::string, std::string>>& fields) {
    for (const auto& [name, value] : fields) {
        first_line += "\r\n" + name + ": " + value;
    }
    return first_line + "\r\n\r\n";
}

std::string origin_form(std::string target, std::string_view scheme) {
    if (!target.starts_with(scheme)) {
        return target;
    }
    const size_t path = target.find_first_of("/?#", scheme.size());
    const std::string origin = path == std::string::npos ? "/" : target.substr(path);
    return origin[0] == '/' ? origin : "/" + origin;
}

// What a server may answer in one way only, and so that it can be read here.
std::string objection_to(const http::response_header<>& head, bool as_it_is) {
    if (head.count(http::field::content_length) > 1 || head.count(http::field::transfer_encoding) > 1 ||
        (head.count(http::field::transfer_encoding) == 1 && !iequals(head[http::field::transfer_encoding], "chunked"))) {
        return "the answer's length is told in a way that can be read in two";
    }
    if (head.result_int() == 101) {
        return "the server changes to another protocol, which nobody asked for";
    }
    const auto coding = head[http::field::content_encoding];
    if (as_it_is && ((!coding.empty() && !iequals(coding, "identity")) || head.result_int() == 206)) {
        return "the answer is compressed or a part, though it was asked for whole and as it is, so it cannot be searched for what must not come in";
    }
    return "";
}

class Exchange {
public:
    Exchange(std::unique_ptr<Stream> program, std::string buffered, Contact contact, Wrapping wrapping, RelayContext& context)
        : program_(std::move(program)), from_program_(std::move(buffered)), contact_(std::move(contact)), wrapping_(wrapping), context_(context),
          substitution_(context.inspector->substitution()), bound_(wrapping == Wrapping::Tls && substitution_.is_for(contact_)) {}

    // One request and its answer; whether another may follow. (Not inlined: g++ 12 then traps in whoever waits for it.)
    [[gnu::noinline]] awaitable<bool> one();

private:
    using Request = HttpMessage<true>;
    using Answer = HttpMessage<false>;

    Violation refused(std::string reason) const { return refusal("request", to_string(contact_), std::move(reason)); }

    awaitable<void> refuse(Violation violation) {
        context_.on_violation(violation, contact_.dialled);
        if (server_) {
            server_->abort();
        }
        const std::string response = refusal_response(violation);
        if (const bool done = co_await program_->write(response, after(block_time)); done) {
            co_await program_->finish();
        }
        co_return;
    }

    void count_what_goes_to(Stream& server) {
        if (account_.limited()) {
            server.meter([this](uint64_t bytes) {
                over_ = account_.send(bytes);
                return !over_;
            });
        }
    }

    // What the request is made of as it goes on, or why it does not.
    std::optional<Violation> judge(Request& request, RequestHead& head) {
        HttpRequest facts = facts_of(request.head());
        facts.secure = wrapping_ == Wrapping::Tls;
        const Verdict verdict = context_.decision.http(contact_, facts);
        if (!verdict.allowed) {
            return verdict.violation;
        }
        if (request.head().find(http::field::upgrade) != request.head().end()) { // h2c; what else is asked for has been refused
            withdraw_upgrade(request.parser().get().base());
        }
        head.method = facts.method;
        head.target = origin_form(facts.target, facts.secure ? "https://" : "http://");
        head.fields = fields_of(request.head());
        if (const std::string what = redirection_in(head); !what.empty()) {
            return refused("the request has " + what);
        }
        if (bound_ && head.method == "TRACE") {
            return refused("the request asks the server to send back what it gets (TRACE), and it would get a credential");
        }
        std::erase_if(head.fields, [&](const auto& field) {
            return iequals(field.first, "Expect") ||
                   (bound_ && (iequals(field.first, "Accept-Encoding") || iequals(field.first, "Range") || iequals(field.first, "If-Range")));
        });
        if (bound_) {
            head.fields.emplace_back("Accept-Encoding", "identity");
        }
        if (const auto misplaced = substitution_.put_in(contact_, wrapping_, head)) {
            return refused(*misplaced);
        }
        return account_.request();
    }

    // What would have a server, or one before it, take the request for another than the one that was judged.
    [[nodiscard]] std::string redirection_in(const RequestHead& head) const {
        for (const auto& [name, value] : head.fields) {
            if (context_.inspector->limits_requests(contact_) && overrides_request(name)) {
                return "a header '" + name + "' that names another method or path, where rules name these";
            }
            if (!iequals(name, "Connection")) {
                continue;
            }
            for (const auto& option : http::token_list(value)) {
                if (!iequals(option, "keep-alive") && !iequals(option, "close") && !iequals(option, "te")) {
                    return "a Connection header that has '" + printable(text(option).substr(0, 100)) + "' taken out on the way";
                }
            }
        }
        return "";
    }

    awaitable<bool> connect() {
        Violation violation;
        auto outside = co_await dial(contact_, context_, &violation);
        if (!outside) {
            const std::string response = violation.layer.empty() ? std::string(bad_gateway) : refusal_response(violation);
            if (const bool done = co_await program_->write(response, after(block_time)); done) {
                co_await program_->finish();
            }
            co_return false;
        }
        if (wrapping_ == Wrapping::Plain) {
            server_ = std::make_unique<Stream>(std::move(*outside));
            count_what_goes_to(*server_);
            co_return true;
        }
        auto session = context_.inspector->tls().towards_server(contact_.name);
        if (!session) {
            co_return false;
        }
        auto server = std::make_unique<TlsStream>(std::move(*outside), std::move(*session));
        count_what_goes_to(*server);
        std::string nothing;
        const bool trusted = co_await server->handshake(std::move(nothing), after(handshake_time));
        if (!trusted && over_) {
            Violation beyond = *over_;
            co_await refuse(std::move(beyond));
            co_return false;
        }
        if (!trusted) {
            const std::string why = server->problem();
            Violation untrusted = refusal("connect", to_string(contact_),
                                          "TLS with '" + contact_.name + "' failed, so nothing was sent there: " +
                                              printable(why.empty() ? "the server does not answer" : why));
            co_await refuse(std::move(untrusted));
            co_return false;
        }
        server_ = std::move(server);
        co_return true;
    }

    awaitable<bool> send(Request& request, const RequestHead& head, bool& refused_body) {
        std::string out = written(head.method + " " + head.target + " " + version_of(request.head().version()), head.fields);
        HoldingBack body(substitution_.placeholders());
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
            if (body.found() >= 0) {
                Violation violation = refused(substitution_.misplaced(body.found(), "in the request's body for '" + to_string(contact_) + "'"));
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
            const std::string first = written(version_of(head.version()) + " " + std::to_string(head.result_int()) + " " + text(head.reason()), fields_of(head));
            const int echoed = substitution_.values().find(first);
            const std::string objection = echoed >= 0 ? substitution_.echoed(echoed, "in a header") : objection_to(head, bound_);
            if (!objection.empty()) {
                Violation violation = refused(objection);
                co_await refuse(std::move(violation));
                co_return false;
            }
            const unsigned status = head.result_int();
            const bool goes_on = answer.parser().keep_alive() && !answer.parser().need_eof();
            if (const bool done = co_await pass_on(answer, first); !done) {
                program_->abort();
                co_return false;
            }
            if (status >= 200) {
                if (!goes_on) {
                    co_await program_->finish();
                }
                co_return goes_on;
            }
        }
    }

    awaitable<bool> pass_on(Answer& answer, std::string out) {
        HoldingBack body(substitution_.values());
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
                context_.on_violation(refused(substitution_.echoed(body.found(), "in its body")), contact_.dialled);
                server_->abort();
                co_return false; // its beginning has gone in already: broken off, it is no whole answer
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
    std::string from_program_; // read, not used yet
    std::string from_server_;
    Contact contact_;
    Wrapping wrapping_;
    RelayContext& context_;
    const Substitution& substitution_;
    bool bound_; // real values go there
    Budgets::Account account_ = context_.account_of(contact_);
    std::optional<Violation> over_; // the budget that the last write would have gone beyond
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
                                      : std::optional(refused("the HTTP request cannot be read in one way only: " + printable(unreadable)));
    if (problem) {
        co_await refuse(std::move(*problem));
        co_return false;
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
    if (over_) {
        Violation beyond = *over_;
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
    if (wrapping == Wrapping::Plain) {
        program = std::make_unique<Stream>(std::move(inside));
    } else {
        auto session = context.inspector->tls().towards_program(contact.name);
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
    }
    Exchange exchange(std::move(program), std::move(opening), std::move(contact), wrapping, context);
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await exchange.one();
    }
    co_return;
}

} // namespace treadline::egress

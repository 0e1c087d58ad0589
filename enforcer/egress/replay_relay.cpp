#include "enforcer/egress/replay_relay.h"

#include <chrono>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "base/text.h"
#include "enforcer/egress/answers.h"
#include "enforcer/egress/http_message.h"
#include "enforcer/egress/keeper.h"
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
constexpr seconds head_time{60};
constexpr seconds block_time{600}; // for each part of a body

std::string head_of(const KeptExchange& answer, bool keep_alive) {
    std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " " + answer.reason + "\r\n";
    for (const auto& [name, value] : answer.fields) {
        head += name + ": " + value + "\r\n";
    }
    if (answer.method != "HEAD" && answer.status != 304 && answer.status != 204) {
        head += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
    }
    return head + (keep_alive ? "" : "Connection: close\r\n") + "\r\n";
}

// Nobody answers: 504 and why, as a header and as JSON.
std::string not_captured(const std::string& asked, const Answers::Found& found, int64_t run, bool head_only) {
    nlohmann::json body = {{"error", "not captured"}, {"asked", asked}, {"run", run}, {"reason", found.why}};
    if (!found.closest.empty()) {
        body["closest"] = found.closest;
    }
    const std::string json = body.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    return "HTTP/1.1 504 Gateway Timeout\r\nContent-Type: application/json\r\nTreadline-Replay: not captured in run " + std::to_string(run) +
           "\r\nContent-Length: " + std::to_string(json.size()) + "\r\nConnection: close\r\n\r\n" + (head_only ? "" : json);
}

class Replaying {
public:
    Replaying(std::unique_ptr<Stream> program, std::string buffered, Contact contact, Wrapping wrapping, RelayContext& context)
        : program_(std::move(program)), from_program_(std::move(buffered)), contact_(std::move(contact)), wrapping_(wrapping), context_(context) {}

    // One request and its answer; whether another may follow. (Not inlined: g++ 12 then traps in whoever waits for it.)
    [[gnu::noinline]] awaitable<bool> one();

private:
    using Request = HttpMessage<true>;

    awaitable<void> end_with(std::string response) {
        if (const bool done = co_await program_->write(response, after(block_time)); done) {
            co_await program_->finish();
        }
        co_return;
    }

    // Whether the whole body has come; its digest, "" for none.
    awaitable<bool> read_body(Request& request, std::string& digest) {
        Sha256 sha;
        bool any = false;
        while (request.has_body()) {
            std::string piece;
            const auto read = co_await request.read_piece(piece, after(block_time));
            if (read == Request::Read::Broken || read == Request::Read::Malformed) {
                co_return false;
            }
            sha.add(piece);
            any = any || !piece.empty();
        }
        digest = any ? sha.hex() : "";
        co_return true;
    }

    std::unique_ptr<Stream> program_;
    std::string from_program_; // read, not used yet
    Contact contact_;
    Wrapping wrapping_;
    RelayContext& context_;
};

awaitable<bool> Replaying::one() {
    Request request(*program_, from_program_);
    const auto read = co_await request.read_head(after(head_time));
    if (read == Request::Read::Broken || read == Request::Read::Ended) {
        co_return false;
    }
    const std::string unreadable = read == Request::Read::Malformed ? request.problem() : ambiguity_of(request.head());
    HttpRequest facts;
    Verdict verdict;
    if (unreadable.empty()) {
        facts = facts_of(request.head());
        facts.secure = wrapping_ == Wrapping::Tls;
        verdict = context_.decision.http(contact_, facts);
    } else {
        verdict.violation = refusal("request", to_string(contact_), "the HTTP request cannot be read in one way only: " + printable(unreadable));
    }
    if (!verdict.allowed) {
        context_.on_violation(verdict.violation, contact_.dialled);
        std::string response = refusal_response(verdict.violation);
        co_await end_with(std::move(response));
        co_return false;
    }
    if (iequals(request.head()[http::field::expect], "100-continue")) {
        constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        if (const bool done = co_await program_->write(go_on, after(block_time)); !done) {
            co_return false;
        }
    }
    KeptExchange asked = asked_for(contact_, facts.secure, facts.method, origin_form(facts.target, facts.secure ? "https://" : "http://"), fields_of(request.head()));
    const bool whole = co_await read_body(request, asked.body_digest);
    if (!whole) {
        program_->abort();
        co_return false;
    }
    const Answers::Found found = context_.answers->answer_to(asked);
    if (found.answer == nullptr) {
        const std::string what = described(asked);
        context_.on_violation(refusal("request", what, found.why + " in run " + std::to_string(context_.replayed_run) +
                                                           (found.closest.empty() ? "" : "; the closest is " + printable(found.closest)) +
                                                           " (--replay: nothing else is reached)"),
                              contact_.dialled);
        std::string response = not_captured(what, found, context_.replayed_run, asked.method == "HEAD");
        co_await end_with(std::move(response));
        co_return false;
    }
    const bool keep_alive = request.parser().keep_alive();
    const std::string head = head_of(*found.answer, keep_alive && request.head().version() == 11);
    bool done = co_await program_->write(head, after(block_time));
    if (done) {
        done = co_await program_->write(found.answer->body, after(block_time));
    }
    if (!done) {
        program_->abort();
        co_return false;
    }
    if (!keep_alive || request.head().version() != 11) {
        co_await program_->finish();
        co_return false;
    }
    co_return true;
}

} // namespace

awaitable<void> replay(asio::ip::tcp::socket inside, std::string opening, Contact contact, Wrapping wrapping, RelayContext& context) {
    std::unique_ptr<Stream> program;
    if (wrapping == Wrapping::Plain) {
        program = std::make_unique<Stream>(std::move(inside));
    } else {
        auto session = context.inspector->tls().towards_program(contact.name, {alpn_http1});
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
    Replaying replaying(std::move(program), std::move(opening), std::move(contact), wrapping, context);
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await replaying.one();
    }
    co_return;
}

} // namespace treadline::egress

#include <chrono>
#include <memory>
#include <optional>
#include <sstream>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>

#include "base/text.h"
#include "enforcer/egress/deadline.h"
#include "enforcer/egress/http_request.h"
#include "enforcer/egress/relay.h"
#include "enforcer/egress/reset_on_death.h"

namespace treadline::egress {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::awaitable;
using boost::system::error_code;
using std::chrono::seconds;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr seconds head_time{60};     // for a request's head, from its first byte or the end of the one before
constexpr seconds answer_time{3600}; // for a server to answer
constexpr seconds block_time{600};   // for each part of a body
constexpr size_t block = 16 * 1024;

constexpr const char* bad_gateway = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

// One side of the connection: its socket, what has been read of it and not yet used, and when it has to go on.
struct Side {
    explicit Side(tcp::socket& of) : socket(of), deadline(of) {}
    tcp::socket& socket;
    RollingDeadline deadline;
    beast::flat_buffer buffer;
};

constexpr size_t framing = 32; // of a chunk, at most, with what ends the body

// Head and body, part by part as they come: what has come already goes with the head. The head is written anew from what
// was read, and from nothing that stands behind the body: fields there, which the parser adds to the head's, stay here.
template <bool Request>
awaitable<error_code> forward(Side& from, Side& to, http::parser<Request, http::buffer_body>& parser, const Meter* meter = nullptr) {
    http::message<Request, http::buffer_body> out{http::header<Request>(parser.get().base())};
    http::serializer<Request, http::buffer_body> serializer(out);
    auto& body = parser.get().body();
    std::unique_ptr<char[]> part; // only where there is a body
    bool wait = from.buffer.size() > 0;
    do {
        body.data = nullptr;
        body.size = 0;
        if (wait && !parser.is_done()) {
            part = part ? std::move(part) : std::make_unique_for_overwrite<char[]>(block);
            body.data = part.get();
            body.size = block;
            from.deadline.due_in(block_time);
            const auto [problem, read] = co_await http::async_read_some(from.socket, from.buffer, parser, token);
            from.deadline.nothing_due();
            if (problem && problem != http::error::need_buffer) {
                co_return problem;
            }
            body.size = block - body.size;
            if (body.size == 0 && !parser.is_done()) {
                continue; // a part of size 0 would be the end
            }
            body.data = body.size == 0 ? nullptr : part.get();
        }
        body.more = !parser.is_done();
        out.body() = body;
        if (meter != nullptr && !(*meter)(body.size + (out.chunked() ? framing : 0))) {
            co_return asio::error::no_buffer_space;
        }
        to.deadline.due_in(block_time);
        if (!wait && body.more) {
            const auto [problem, sent] = co_await http::async_write_header(to.socket, serializer, token);
            if (problem) {
                co_return problem;
            }
        } else {
            const auto [problem, sent] = co_await http::async_write(to.socket, serializer, token);
            if (problem && problem != http::error::need_buffer) {
                co_return problem;
            }
        }
        to.deadline.nothing_due();
        wait = true;
    } while (!serializer.is_done());
    co_return error_code{};
}

// The answer to one request, with what comes before it (103 and its kind). Whether the connection goes on.
awaitable<bool> answer(Side& outside, Side& inside, bool head_only) {
    for (;;) {
        http::response_parser<http::buffer_body> parser;
        parser.header_limit(max_http_head * 4);
        parser.body_limit(boost::none);
        parser.skip(head_only);
        outside.deadline.due_in(answer_time);
        const auto [problem, size] = co_await http::async_read_header(outside.socket, outside.buffer, parser, token);
        outside.deadline.nothing_due();
        if (problem) {
            co_return false;
        }
        const unsigned status = parser.get().result_int();
        if (status == 101) {
            co_return false; // nobody asked for another protocol
        }
        const bool goes_on = parser.keep_alive() && !parser.need_eof();
        if (co_await forward(outside, inside, parser)) {
            co_return false;
        }
        if (status >= 200) {
            co_return goes_on;
        }
    }
}

// One request, and its head as it goes on.
std::optional<Violation> spend(Budgets::Account& account, const http::request_header<>& head) {
    auto over = account.request();
    if (!over) {
        std::ostringstream written;
        written << head;
        over = account.send(written.str().size());
    }
    return over;
}

} // namespace

awaitable<void> relay_http(tcp::socket inside, std::string head, Contact contact, RelayContext& context) {
    Side client(inside);
    client.buffer.commit(asio::buffer_copy(client.buffer.prepare(head.size()), asio::buffer(head)));
    std::string().swap(head);
    std::optional<tcp::socket> outside;
    std::optional<Side> server;
    auto account = context.account_of(contact);
    std::optional<Violation> over;
    Meter meter;
    if (account.limited()) {
        meter = [&](uint64_t bytes) {
            over = account.send(bytes);
            return !over;
        };
    }
    const ResetOnDeath resets(inside); // an answer may last as long as its connection
    for (;;) {
        http::request_parser<http::buffer_body> parser;
        parser.header_limit(max_http_head);
        parser.body_limit(boost::none);
        std::string unreadable;
        {
            client.deadline.due_in(head_time);
            const auto [problem, size] = co_await http::async_read_header(inside, client.buffer, parser, token);
            client.deadline.nothing_due();
            const bool malformed = problem && problem.category() == http::make_error_code(http::error::bad_method).category() &&
                                   problem != http::error::end_of_stream && problem != http::error::partial_message;
            if (problem && !malformed) {
                co_return; // the end, or nothing more for long
            }
            unreadable = malformed ? problem.message() : ambiguity_of(parser.get());
        }
        Verdict verdict;
        if (unreadable.empty()) {
            verdict = context.decision.http(contact, facts_of(parser.get()));
        } else {
            verdict.violation = refusal("request", to_string(contact), "the HTTP request cannot be read in one way only: " + printable(unreadable));
        }
        http::request_header<>& request = parser.get().base();
        if (verdict.allowed) {
            request.target(origin_form({request.target().data(), request.target().size()}, "http://"));
            if (request.find(http::field::upgrade) != request.end()) { // h2c; what else is asked for has been refused
                withdraw_upgrade(request);
            }
            over = account.limited() ? spend(account, request) : std::nullopt;
            verdict.allowed = !over;
            verdict.violation = over ? *over : verdict.violation;
        }
        if (!verdict.allowed) {
            context.on_violation(verdict.violation, contact.dialled);
            co_await close_with(std::move(inside), refusal_response(verdict.violation));
            co_return;
        }
        if (!outside) {
            Violation refused;
            outside = co_await dial(contact, context, &refused);
            if (!outside) {
                // Not within the call: g++ 12 destroys such a temporary of a coroutine twice.
                std::string answer = refused.layer.empty() ? bad_gateway : refusal_response(refused);
                co_await close_with(std::move(inside), std::move(answer));
                co_return;
            }
            server.emplace(*outside);
        }
        if (beast::iequals(request[http::field::expect], "100-continue")) {
            request.erase(http::field::expect);
            constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
            const auto [problem, sent] = co_await asio::async_write(inside, asio::buffer(go_on), token);
            if (problem) {
                co_return;
            }
        }
        const bool head_only = request.method() == http::verb::head;
        const bool keep_alive = parser.keep_alive();
        const Meter* counted = meter ? &meter : nullptr;
        const auto problem = co_await forward(client, *server, parser, counted);
        if (over) { // before the body's end, so that the server does not take what it got for all
            context.on_violation(*over, contact.dialled);
            reset(*outside);
            std::string answer = refusal_response(*over);
            co_await close_with(std::move(inside), std::move(answer));
            co_return;
        }
        // A server may answer before it has read everything, and close.
        const bool goes_on = co_await answer(*server, client, head_only);
        if (problem || !goes_on || !keep_alive) {
            error_code ignored;
            inside.shutdown(tcp::socket::shutdown_send, ignored);
            co_return;
        }
    }
}

} // namespace treadline::egress

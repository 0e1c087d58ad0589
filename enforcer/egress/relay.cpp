#include "enforcer/egress/relay.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/addresses.h"
#include "enforcer/egress/byte_relay.h"
#include "enforcer/egress/client_hello.h"
#include "enforcer/egress/deadline.h"
#include "enforcer/egress/http_request.h"
#include "enforcer/egress/replay_relay.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using std::chrono::seconds;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

constexpr seconds first_bytes_time{10}; // for a program to say what it wants
constexpr seconds refused_time{2};      // the same, where it only decides how the refusal is put
constexpr seconds connect_time{10};     // for each address
constexpr seconds dns_time{30};
constexpr size_t max_dns_questions = 256; // on one TCP connection

enum class Speaks : uint8_t { Nothing, Tls, Http, Other };

struct Opening {
    std::string bytes;
    Speaks speaks = Speaks::Nothing;
    HelloReading hello; // of Tls
    bool timed_out = false;
};

// Whether it is known now what is spoken; of TLS that takes the whole hello.
bool is_understood(Opening& opening) {
    if (opening.bytes.empty()) {
        return false;
    }
    if (opening.bytes[0] == 22) {
        opening.speaks = Speaks::Tls;
        opening.hello = read_client_hello(opening.bytes);
        return opening.hello.state != HelloReading::State::Incomplete;
    }
    const auto http = looks_like_http(opening.bytes);
    opening.speaks = !http ? Speaks::Nothing : *http ? Speaks::Http : Speaks::Other;
    return http.has_value();
}

// `said`: what has been read so far.
awaitable<Opening> read_opening(tcp::socket& inside, std::string said, seconds time) {
    Opening opening;
    opening.bytes = std::move(said);
    error_code ignored;
    inside.non_blocking(true, ignored);
    const Deadline deadline(inside, time);
    static std::array<char, 4096> part; // one for all that wait
    while (!is_understood(opening)) {
        const auto [waited] = co_await inside.async_wait(tcp::socket::wait_read, token);
        error_code problem = waited;
        const size_t size = problem ? 0 : inside.read_some(asio::buffer(part), problem);
        if (problem == asio::error::would_block || problem == asio::error::try_again) {
            continue;
        }
        if (problem) {
            opening.timed_out = problem == asio::error::operation_aborted;
            co_return opening;
        }
        opening.bytes.append(part.data(), size);
    }
    co_return opening;
}

// Whether what is said first may pass. (HTTP is judged request by request.)
Verdict judge(const Opening& opening, const Contact& contact, const Decision& decision) {
    switch (opening.speaks) {
    case Speaks::Tls:
        return opening.hello.state == HelloReading::State::Complete ? decision.tls(contact, opening.hello.hello)
               : opening.hello.state == HelloReading::State::Invalid
                   ? decision.other_protocol(contact, "TLS begins with " + opening.hello.problem)
                   : decision.other_protocol(contact, "TLS begins with a ClientHello that never ended");
    case Speaks::Other:
        return decision.other_protocol(contact, "the connection begins with neither TLS nor HTTP");
    default:
        return decision.other_protocol(contact, "the program sent nothing that shows what it speaks");
    }
}

awaitable<void> serve_http(tcp::socket inside, std::string head, Contact contact, RelayContext& context) {
    return context.answers != nullptr     ? replay(std::move(inside), std::move(head), std::move(contact), Wrapping::Plain, context)
           : context.inspector != nullptr ? inspect(std::move(inside), std::move(head), std::move(contact), Wrapping::Plain, context)
                                          : relay_http(std::move(inside), std::move(head), std::move(contact), context);
}

Violation not_replayed(const Contact& contact, Speaks speaks) {
    const bool tls = speaks == Speaks::Tls;
    return refusal("connect", to_string(contact), std::string("with --replay nothing is reached, and ") +
                                                      (tls ? "of TLS only what `inspect` or `credentials` looks into is captured" : "only HTTP is captured"));
}

std::string refusal_for(Speaks speaks, const Violation& violation) {
    switch (speaks) {
    case Speaks::Tls:
        return tls_refusal();
    case Speaks::Http:
        return refusal_response(violation);
    default:
        return "";
    }
}

} // namespace

std::string text_of(const asio::ip::address& address) {
    return treadline::to_text(parse_address(address.to_string()));
}

awaitable<void> serve_dns(tcp::socket inside, AnswerDns answer_to) {
    for (size_t questions = 0; questions < max_dns_questions; ++questions) {
        const Deadline deadline(inside, dns_time);
        std::array<unsigned char, 2> length{};
        const auto [no_length, ignored] = co_await asio::async_read(inside, asio::buffer(length), token);
        std::string message(size_t{length[0]} << 8 | length[1], '\0');
        if (no_length || message.empty()) {
            co_return;
        }
        const auto [no_message, ignored_too] = co_await asio::async_read(inside, asio::buffer(message), token);
        if (no_message) {
            co_return;
        }
        const auto answer = co_await answer_to(std::move(message));
        if (!answer) {
            co_return;
        }
        std::string framed = {static_cast<char>(answer->size() >> 8), static_cast<char>(answer->size() & 0xFF)};
        framed += *answer;
        const auto [unsent, sent] = co_await asio::async_write(inside, asio::buffer(framed), token);
        if (unsent) {
            co_return;
        }
    }
    co_return;
}

std::string tls_refusal() {
    return {"\x15\x03\x03\x00\x02\x02\x31", 7};
}

awaitable<void> close_with(tcp::socket inside, std::string answer) {
    if (answer.empty()) {
        reset(inside);
        co_return;
    }
    const Deadline deadline(inside, refused_time);
    error_code ignored;
    inside.set_option(tcp::socket::linger(false, 0), ignored); // the answer has to arrive
    const auto [problem, sent] = co_await asio::async_write(inside, asio::buffer(answer), token);
    inside.shutdown(tcp::socket::shutdown_send, ignored);
    // What still comes is read, for a while: closing before would reset the connection, and take the answer away.
    std::array<char, 4096> part{};
    for (size_t read = 0; !problem && read < 256 * sizeof part;) {
        const auto [ended, size] = co_await inside.async_read_some(asio::buffer(part), token);
        if (ended) {
            break;
        }
        read += size;
    }
}

awaitable<std::optional<tcp::socket>> dial(const Contact& contact, RelayContext& context, Violation* refused, int* problem) {
    int ignored_problem = 0;
    int& last_problem = problem != nullptr ? *problem : ignored_problem;
    last_problem = EHOSTUNREACH;
    const auto executor = co_await asio::this_coro::executor;
    std::vector<std::string> addresses;
    if (!contact.address.empty()) {
        addresses.push_back(contact.address);
    } else if (const auto given = context.resolve.find(contact.name); given != context.resolve.end()) {
        addresses = given->second;
    } else {
        std::string name = contact.name;
        std::string rule = context.decision.contact(contact).rule;
        addresses = co_await context.lookups.addresses_of(std::move(name), std::move(rule));
        if (addresses.empty()) {
            co_return std::nullopt; // no denial: the name does not exist, or its servers are away
        }
    }
    const Verdict verdict = context.decision.addresses(contact, addresses);
    if (!verdict.allowed) {
        context.on_violation(verdict.violation, contact.dialled);
        *refused = verdict.violation;
        co_return std::nullopt;
    }
    for (const std::string& text : addresses) {
        error_code failure;
        tcp::socket outside(executor);
        const auto address = asio::ip::make_address(text, failure);
        const tcp::endpoint endpoint(address, contact.port);
        outside.open(endpoint.protocol(), failure);
        if (failure) {
            last_problem = failure.value();
            continue;
        }
        const Deadline deadline(outside, connect_time);
        const auto [unconnected] = co_await outside.async_connect(endpoint, token);
        if (!unconnected) {
            outside.set_option(tcp::no_delay(true), failure);
            co_return outside;
        }
        last_problem = unconnected == asio::error::operation_aborted ? ETIMEDOUT : unconnected.value();
    }
    co_return std::nullopt;
}

namespace {

awaitable<void> serve_to(tcp::socket inside, tcp::endpoint destination, RelayContext& context) {
    error_code problem;
    inside.set_option(tcp::no_delay(true), problem);
    Contact contact;
    contact.port = destination.port();
    if (contact.port == 53) {
        AnswerDns answer = [&context](std::string message) -> awaitable<std::optional<std::string>> { co_return context.dns.answer(message); };
        co_await serve_dns(std::move(inside), std::move(answer));
        co_return;
    }
    contact.address = text_of(destination.address());
    contact.dialled = contact.address + ":" + std::to_string(contact.port);
    if (auto name = context.names.name_of(contact.address)) {
        contact.name = std::move(*name);
        contact.address.clear();
    }
    const Verdict verdict = context.decision.contact(contact);
    if (!verdict.allowed) {
        context.on_violation(verdict.violation, contact.dialled);
        const Opening opening = co_await read_opening(inside, "", refused_time);
        co_await close_with(std::move(inside), refusal_for(opening.speaks, verdict.violation));
        co_return;
    }
    co_await serve_contact(std::move(inside), std::move(contact), "", context);
    co_return;
}

} // namespace

awaitable<void> serve(tcp::socket inside, RelayContext& context) {
    error_code problem;
    const tcp::endpoint destination = inside.local_endpoint(problem);
    if (!problem) {
        co_await serve_to(std::move(inside), destination, context);
    }
    co_return;
}

awaitable<void> serve_bound_for(tcp::socket inside, std::string destination, RelayContext& context) {
    const size_t colon = destination.rfind(':');
    error_code problem;
    const auto address = asio::ip::make_address(destination.substr(0, colon), problem);
    const auto port = static_cast<uint16_t>(std::strtoul(destination.c_str() + (colon == std::string::npos ? 0 : colon + 1), nullptr, 10));
    if (!problem) {
        co_await serve_to(std::move(inside), {address, port}, context);
    }
    co_return;
}

awaitable<void> serve_contact(tcp::socket inside, Contact contact, std::string said, RelayContext& context) {
    const auto refuse = [&](Verdict verdict, Speaks speaks) {
        context.on_violation(verdict.violation, contact.dialled);
        return close_with(std::move(inside), refusal_for(speaks, verdict.violation));
    };
    Verdict verdict;
    Opening opening;
    opening.bytes = std::move(said);
    const bool inspected = context.inspector != nullptr && context.inspector->covers(contact); // also what a rule with "/tcp" allows
    const bool replayed = context.answers != nullptr;
    const bool any_protocol = context.decision.any_protocol(contact);
    if (inspected || replayed || !any_protocol) {
        // Where nothing but HTTP is answered, who waits for the server to begin is not kept waiting.
        opening = co_await read_opening(inside, std::move(opening.bytes), replayed && any_protocol ? refused_time : first_bytes_time);
        if (opening.speaks == Speaks::Nothing && opening.bytes.empty() && !opening.timed_out) {
            co_return; // tried another address, or only whether somebody is there
        }
        if (opening.speaks == Speaks::Http) {
            co_await serve_http(std::move(inside), std::move(opening.bytes), contact, context);
            co_return;
        }
        verdict = judge(opening, contact, context.decision);
        if (!verdict.allowed && (inspected || !replayed || !any_protocol)) { // a rule for any protocol is not what is missing there
            co_await refuse(std::move(verdict), opening.speaks);
            co_return;
        }
        if (inspected && replayed) {
            co_await replay(std::move(inside), std::move(opening.bytes), contact, Wrapping::Tls, context);
            co_return;
        }
        if (inspected) {
            co_await inspect(std::move(inside), std::move(opening.bytes), contact, Wrapping::Tls, context);
            co_return;
        }
        if (replayed) {
            verdict.violation = not_replayed(contact, opening.speaks);
            co_await refuse(std::move(verdict), opening.speaks);
            co_return;
        }
    }
    auto account = context.account_of(contact);
    Meter meter;
    if (account.limited()) {
        auto over = account.request();
        over = over ? over : account.send(opening.bytes.size());
        if (over) {
            verdict.violation = *over;
            co_await refuse(std::move(verdict), opening.speaks);
            co_return;
        }
        meter = [&](uint64_t bytes) {
            const auto beyond = account.send(bytes);
            if (beyond) {
                context.on_violation(*beyond, contact.dialled);
            }
            return !beyond;
        };
    }
    Violation refused;
    auto outside = co_await dial(contact, context, &refused);
    if (!outside) {
        std::string answer = refused.layer.empty() ? "" : refusal_for(opening.speaks, refused); // see http_relay.cpp
        co_await close_with(std::move(inside), std::move(answer));
        co_return;
    }
    const auto [unsent, sent] = co_await asio::async_write(*outside, asio::buffer(opening.bytes), token);
    std::string().swap(opening.bytes);
    if (unsent) {
        reset(inside);
        co_return;
    }
    const Meter* counted = meter ? &meter : nullptr; // see http_relay.cpp
    co_await relay_bytes(std::move(inside), std::move(*outside), counted);
}

} // namespace treadline::egress

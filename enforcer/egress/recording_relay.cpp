#include "enforcer/egress/recording_relay.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <exception>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/addresses.h"
#include "enforcer/egress/deadline.h"
#include "enforcer/egress/dns_message.h"
#include "enforcer/egress/observer.h"
#include "enforcer/egress/reset_on_death.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr size_t block = 32 * 1024;
constexpr std::chrono::seconds dns_time{30};
constexpr size_t max_dns_questions = 256; // on one TCP connection

std::string text_of(const asio::ip::address& address) {
    return treadline::to_text(parse_address(address.to_string()));
}

struct Flow {
    bool failed = false;
    int open = 2;
};

// One direction; `see` gets every part, before it is passed on.
template <class See>
awaitable<void> pass(tcp::socket& from, tcp::socket& to, Flow& flow, See see) {
    std::string part(block, '\0');
    for (;;) {
        const auto [problem, size] = co_await from.async_read_some(asio::buffer(part), token);
        error_code ignored;
        if (problem == asio::error::eof) {
            to.shutdown(tcp::socket::shutdown_send, ignored);
            co_return;
        }
        if (problem) {
            flow.failed = true;
            co_return;
        }
        see(std::string_view(part).substr(0, size));
        const auto [unsent, sent] = co_await asio::async_write(to, asio::buffer(part.data(), size), token);
        if (unsent) {
            flow.failed = true;
            co_return;
        }
    }
}

// Ends when both directions have, or one has failed.
awaitable<void> pass_both(tcp::socket& inside, tcp::socket& outside, Observer& observer, RecordedExchange& about) {
    Flow flow;
    const ResetOnDeath resets_inside(inside);
    const ResetOnDeath resets_outside(outside);
    asio::steady_timer done(inside.get_executor(), asio::steady_timer::time_point::max());
    const auto ended = [&](std::exception_ptr) {
        --flow.open;
        if (flow.failed) {
            error_code ignored;
            inside.cancel(ignored);
            outside.cancel(ignored);
        }
        done.cancel();
    };
    const auto up = [&](std::string_view bytes) {
        about.bytes_up += bytes.size();
        observer.up(bytes);
    };
    const auto down = [&](std::string_view bytes) {
        about.bytes_down += bytes.size();
        observer.down(bytes);
    };
    asio::co_spawn(inside.get_executor(), pass(inside, outside, flow, up), ended);
    asio::co_spawn(inside.get_executor(), pass(outside, inside, flow, down), ended);
    while (flow.open > 0) {
        co_await done.async_wait(token);
    }
    if (flow.failed) {
        reset(inside);
        reset(outside);
    }
}

awaitable<void> serve_dns_recorded(tcp::socket inside, RecordingContext& context) {
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
        const auto answer = co_await answer_recorded(std::move(message), context);
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
}

// Whether the name has an address, as far as can be known.
awaitable<bool> has_address(const std::string& name, RecordingContext& context) {
    if (context.names.contains(name) || context.relay.resolve.contains(name)) {
        co_return true;
    }
    const auto addresses = co_await context.relay.lookups.addresses_of(name, "");
    co_return !addresses.empty();
}

} // namespace

awaitable<std::optional<std::string>> answer_recorded(std::string message, RecordingContext& context) {
    const auto question = read_question(message);
    if (!question) {
        co_return std::nullopt;
    }
    const auto name = canonical_host(question->name);
    if (question->query && name) {
        if (question->type != dns::a && question->type != dns::aaaa) {
            context.recorder.other_lookup(*question);
        }
        const bool there = co_await has_address(*name, context);
        if (!there) {
            DnsAnswer answer;
            answer.rcode = dns::Rcode::NxDomain;
            co_return write_answer(*question, answer);
        }
    }
    co_return context.relay.dns.answer(message);
}

awaitable<void> serve_recorded(tcp::socket inside, RecordingContext& context) {
    error_code problem;
    const tcp::endpoint destination = inside.local_endpoint(problem);
    if (problem) {
        co_return;
    }
    inside.set_option(tcp::no_delay(true), problem);
    if (destination.port() == 53) {
        co_await serve_dns_recorded(std::move(inside), context);
        co_return;
    }
    Contact contact;
    contact.port = destination.port();
    contact.address = text_of(destination.address());
    if (auto name = context.names.name_of(contact.address)) {
        contact.name = std::move(*name);
        contact.address.clear();
    }
    RecordedExchange about;
    about.host = contact.name;
    about.address = contact.address;
    about.port = contact.port;
    Recorder::Connection connection(context.recorder, std::move(about));
    if (contact.name.empty() && stands_for_name(contact.address)) { // and stands for none: outside it would be somebody else's
        connection.about().result = ECONNREFUSED;
        reset(inside);
        co_return;
    }
    Violation refused; // never, while learning
    auto outside = co_await dial(contact, context.relay, &refused);
    if (!outside && is_loopback(parse_address(contact.address))) { // the host's service may listen at one of the two
        contact.address = contact.address == "::1" ? "127.0.0.1" : "::1";
        outside = co_await dial(contact, context.relay, &refused);
    }
    if (!outside) {
        connection.about().result = ECONNREFUSED;
        reset(inside);
        co_return;
    }
    const tcp::endpoint reached = outside->remote_endpoint(problem);
    if (!problem && !contact.name.empty()) {
        connection.about().address = text_of(reached.address());
    }
    Observer observer(context.relay.decision, contact, connection);
    co_await pass_both(inside, *outside, observer, connection.about());
}

} // namespace treadline::egress

#include "enforcer/egress/recording_relay.h"

#include <cerrno>

#include "base/addresses.h"
#include "enforcer/egress/byte_relay.h"
#include "enforcer/egress/dns_message.h"
#include "enforcer/egress/observer.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
namespace {

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
        AnswerDns answer = [&context](std::string message) { return answer_recorded(std::move(message), context); };
        co_await serve_dns(std::move(inside), std::move(answer));
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
    int unreached = 0;
    auto outside = co_await dial(contact, context.relay, &refused, &unreached);
    if (!outside && contact.name.empty() && is_loopback(parse_address(contact.address))) { // the host's service may listen at one of the two
        contact.address = contact.address == "::1" ? "127.0.0.1" : "::1";
        outside = co_await dial(contact, context.relay, &refused, &unreached);
    }
    if (!outside) {
        connection.about().result = unreached;
        reset(inside);
        co_return;
    }
    const tcp::endpoint reached = outside->remote_endpoint(problem);
    if (!problem && !contact.name.empty()) {
        connection.about().address = text_of(reached.address());
    }
    Observer observer(context.relay.decision, contact, connection);
    See see = [&](bool up, std::string_view bytes) {
        RecordedExchange& seen = connection.about();
        (up ? seen.bytes_up : seen.bytes_down) += bytes.size();
        up ? observer.up(bytes) : observer.down(bytes);
    };
    co_await relay_bytes(std::move(inside), std::move(*outside), nullptr, std::move(see));
    co_return;
}

} // namespace treadline::egress

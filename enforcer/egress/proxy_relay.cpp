#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/addresses.h"
#include "base/text.h"
#include "enforcer/egress/deadline.h"
#include "enforcer/egress/http_request.h"
#include "enforcer/egress/proxy_request.h"
#include "enforcer/egress/relay.h"
#include "enforcer/egress/socks_request.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds asking_time{10}; // for a program to say where it wants to go
constexpr uint16_t http_port = 80;

enum class Way : uint8_t { Socks, Connect, Request };

// What a program has asked its proxy for.
struct Asked {
    Way way = Way::Request;
    std::string host_port;
    std::string said;    // of what comes after it
    std::string problem; // why it was not understood; then nothing else counts but the way
    SocksReply reply = SocksReply::NotAllowed; // what a refusal says
};

awaitable<bool> read_more(tcp::socket& inside, std::string& said) {
    static std::array<char, 4096> part; // one for all that wait
    for (;;) {
        const auto [waited] = co_await inside.async_wait(tcp::socket::wait_read, token);
        error_code problem = waited;
        const size_t size = problem ? 0 : inside.read_some(asio::buffer(part), problem);
        if (problem == asio::error::would_block || problem == asio::error::try_again) {
            continue;
        }
        said.append(part.data(), size);
        co_return !problem;
    }
}

awaitable<bool> write(tcp::socket& inside, std::string bytes) {
    const auto [problem, size] = co_await asio::async_write(inside, asio::buffer(bytes), token);
    co_return !problem;
}

awaitable<std::optional<Asked>> hear_socks(tcp::socket& inside, std::string said) {
    Asked asked;
    asked.way = Way::Socks;
    SocksReading greeting = read_socks_greeting(said);
    while (greeting.state == SocksReading::State::Incomplete) {
        if (!co_await read_more(inside, said)) {
            co_return std::nullopt;
        }
        greeting = read_socks_greeting(said);
    }
    const bool understood = greeting.state == SocksReading::State::Complete;
    std::string method = socks_method(understood);
    if (!co_await write(inside, std::move(method))) {
        co_return std::nullopt;
    }
    if (!understood) {
        asked.problem = greeting.problem;
        co_return asked;
    }
    said.erase(0, greeting.size);
    SocksRequest request = read_socks_request(said);
    while (request.state == SocksReading::State::Incomplete) {
        if (!co_await read_more(inside, said)) {
            co_return std::nullopt;
        }
        request = read_socks_request(said);
    }
    asked.problem = request.problem;
    asked.reply = request.problem.empty() ? SocksReply::NotAllowed : request.reply;
    asked.host_port = (request.host.find(':') != std::string::npos ? "[" + request.host + "]" : request.host) + ":" + std::to_string(request.port);
    asked.said = said.substr(request.size);
    co_return asked;
}

awaitable<std::optional<Asked>> hear_http(tcp::socket& inside, std::string said) {
    Asked asked;
    ProxyReading request;
    for (;;) {
        if (const auto http = looks_like_http(said); http && !*http) {
            asked.problem = "what was said to the gateway is neither SOCKS5 nor HTTP";
            co_return asked;
        }
        request = read_proxy_request(said);
        if (request.state != ProxyReading::State::Incomplete) {
            break;
        }
        if (!co_await read_more(inside, said)) {
            co_return std::nullopt;
        }
    }
    asked.problem = request.problem;
    asked.way = request.connect ? Way::Connect : Way::Request;
    asked.host_port = request.authority;
    const bool has_port = request.authority.rfind(':') != std::string::npos && request.authority.back() != ']';
    if (asked.way == Way::Request && !has_port) {
        asked.host_port += ":" + std::to_string(http_port);
    }
    asked.said = request.head + said.substr(request.size);
    co_return asked;
}

std::string refusal_for(const Asked& asked, const Violation& violation) {
    return asked.way == Way::Socks ? socks_answer(asked.reply) : refusal_response(violation);
}

// Who is meant, or why nobody may be: with `violation` filled.
std::optional<Contact> judge(const Asked& asked, const RelayContext& context, Violation& violation) {
    if (!asked.problem.empty()) {
        violation = refusal("connect", "(proxy)", "the gateway, asked as a proxy, cannot read the request: " + asked.problem);
        return std::nullopt;
    }
    auto contact = contact_asked_for(asked.host_port);
    if (!contact) {
        violation = refusal("connect", printable(asked.host_port.substr(0, 300)), "the gateway was asked as a proxy for what is no host name or address with a port");
        return std::nullopt;
    }
    if (!contact->address.empty() && is_loopback(parse_address(contact->address))) {
        violation = refusal("connect", to_string(*contact), "a service of this machine is not reached through the gateway, but directly, where `listen` "
                                                            "or `host:PORT` allows it (NO_PROXY says so)");
        return std::nullopt;
    }
    if (auto name = contact->address.empty() ? std::nullopt : context.names.name_of(contact->address)) { // looked up before
        contact->name = std::move(*name);
        contact->address.clear();
    }
    if (const Verdict verdict = context.decision.contact(*contact); !verdict.allowed) {
        violation = verdict.violation;
        return std::nullopt;
    }
    return contact;
}

} // namespace

awaitable<void> serve_proxied(tcp::socket inside, RelayContext& context) {
    error_code problem;
    const tcp::endpoint from = inside.remote_endpoint(problem);
    inside.set_option(tcp::no_delay(true), problem);
    inside.non_blocking(true, problem);
    std::optional<Asked> asked;
    {
        const Deadline deadline(inside, asking_time);
        std::string said;
        if (!co_await read_more(inside, said)) {
            co_return; // whether somebody is there
        }
        if (said[0] == 5) {
            asked = co_await hear_socks(inside, std::move(said));
        } else {
            asked = co_await hear_http(inside, std::move(said));
        }
    }
    if (!asked) {
        co_return;
    }
    Violation violation;
    auto contact = judge(*asked, context, violation);
    const std::string dialled = from.address().to_string() + ":" + std::to_string(from.port());
    if (!contact) {
        context.on_violation(violation, dialled);
        std::string answer = refusal_for(*asked, violation);
        co_await close_with(std::move(inside), std::move(answer));
        co_return;
    }
    contact->dialled = dialled;
    std::string go_on = asked->way == Way::Socks     ? socks_answer(SocksReply::Succeeded)
                        : asked->way == Way::Connect ? "HTTP/1.1 200 Connection established\r\n\r\n"
                                                     : "";
    if (co_await write(inside, std::move(go_on))) {
        co_await serve_contact(std::move(inside), std::move(*contact), std::move(asked->said), context);
    }
    co_return;
}

} // namespace treadline::egress

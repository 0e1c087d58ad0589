// One connection from inside, from its acceptance to its end: judged, dialled, relayed. Coroutines that own their sockets,
// all on one thread. Waiting for what a program must send first is limited in time and size; relaying is limited by what
// the other side takes (byte_relay.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "enforcer/egress/budget.h"
#include "enforcer/egress/byte_relay.h"
#include "enforcer/egress/decision.h"
#include "enforcer/egress/dns_responder.h"
#include "enforcer/egress/inspect.h"
#include "enforcer/egress/lookups.h"
#include "enforcer/egress/name_table.h"

namespace treadline::egress {

class Answers;
class Keeper;

struct RelayContext {
    boost::asio::io_context& io;
    const Decision& decision;
    const NameTable& names;
    DnsResponder& dns;
    Lookups& lookups;
    std::map<std::string, std::vector<std::string>> resolve; // names whose addresses the user gave (--resolve)
    std::function<void(Violation, const std::string& dialled)> on_violation;
    const Inspector* inspector = nullptr; // of profiles that look into anything, and where exchanges are kept
    Budgets* budgets = nullptr;           // none while learning
    Keeper* keeper = nullptr;             // of exchanges (--capture)
    Answers* answers = nullptr;           // instead of everybody outside (--replay): nothing is dialled
    int64_t replayed_run = 0;

    [[nodiscard]] Budgets::Account account_of(const Contact& contact) const {
        return budgets != nullptr ? budgets->of(contact.name.empty() ? contact.address : contact.name, contact.port) : Budgets::Account();
    }
};

// `inside` is an accepted socket whose own address is where the program wanted to go.
boost::asio::awaitable<void> serve(tcp::socket inside, RelayContext& context);

// The same where another way than its own address says so: "192.0.2.1:443", an IPv6 address without brackets.
boost::asio::awaitable<void> serve_bound_for(tcp::socket inside, std::string destination, RelayContext& context);

// The program says where it wants to go, by SOCKS5 or as to an HTTP proxy. In proxy_relay.cpp.
boost::asio::awaitable<void> serve_proxied(tcp::socket inside, RelayContext& context);

// Of a contact that is allowed: what is said first is judged, then it is dialled and relayed. `said` is what has been read from
// `inside` so far.
boost::asio::awaitable<void> serve_contact(tcp::socket inside, Contact contact, std::string said, RelayContext& context);

// DNS over TCP, question by question; no answer ends it.
using AnswerDns = std::function<boost::asio::awaitable<std::optional<std::string>>(std::string message)>;
boost::asio::awaitable<void> serve_dns(tcp::socket inside, AnswerDns answer_to);

// Canonical, as rules and reports have it (base/addresses.h).
std::string text_of(const boost::asio::ip::address& address);

// HTTP/1.1, request by request, each judged; `head` is what has been read from `inside` so far. In http_relay.cpp.
boost::asio::awaitable<void> relay_http(tcp::socket inside, std::string head, Contact contact, RelayContext& context);

// Judges every address the contact's name leads to and dials one after the other. Without a value it has been reported
// if it was a denial; else `problem` is the errno of the address that was tried last, EHOSTUNREACH where there was none.
boost::asio::awaitable<std::optional<tcp::socket>> dial(const Contact& contact, RelayContext& context, Violation* refused,
                                                      int* problem = nullptr);

// What TLS is told where its connection is refused: a fatal alert, access_denied (RFC 8446, 6.2).
std::string tls_refusal();

// Closes with an answer that the program can read, if there is one, and without waiting long.
boost::asio::awaitable<void> close_with(tcp::socket inside, std::string answer);

} // namespace treadline::egress

#include "enforcer/egress/lookups.h"

#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/addresses.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

// Runs on a thread of its own.
awaitable<std::vector<std::string>> look_up(std::string name) {
    std::vector<std::string> addresses;
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) {
        co_return addresses;
    }
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        std::array<char, INET6_ADDRSTRLEN> text{};
        const void* bytes = at->ai_family == AF_INET    ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(at->ai_addr)->sin_addr)
                            : at->ai_family == AF_INET6 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(at->ai_addr)->sin6_addr)
                                                        : nullptr;
        if (bytes == nullptr || ::inet_ntop(at->ai_family, bytes, text.data(), text.size()) == nullptr) {
            continue;
        }
        std::string address = to_text(parse_address(text.data()));
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) {
            addresses.push_back(std::move(address));
        }
    }
    ::freeaddrinfo(found);
    co_return addresses;
}

} // namespace

Lookups::~Lookups() = default;

awaitable<std::vector<std::string>> Lookups::addresses_of(std::string name, std::string rule) {
    Share& share = shares_[rule]; // as many as there are rules
    if (share.running >= at_once_for_rule) {
        asio::steady_timer turn(io_, asio::steady_timer::time_point::max());
        share.waiting.push_back(&turn);
        co_await turn.async_wait(token); // whoever ends hands its place over
    } else {
        ++share.running;
    }
    if (!threads_) {
        threads_.emplace(at_once);
    }
    auto addresses = co_await asio::co_spawn(*threads_, look_up(std::move(name)), asio::use_awaitable);
    if (share.waiting.empty()) {
        --share.running;
    } else {
        asio::steady_timer* next = share.waiting.front();
        share.waiting.pop_front();
        next->cancel();
    }
    co_return addresses;
}

} // namespace treadline::egress

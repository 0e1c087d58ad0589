// The gateway's own lookups, by the C library: several at once, because each blocks a thread for as long as a resolver takes.
// Whoever answers for the names below a `*` rule may take long on purpose: one rule gets only its share of the threads.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

namespace treadline::egress {

class Lookups {
public:
    static constexpr size_t at_once = 32;
    static constexpr size_t at_once_for_rule = 8;

    explicit Lookups(boost::asio::io_context& io) : io_(io) {}
    ~Lookups(); // waits for what is being looked up

    // As text, in the order in which they should be tried; none if there are none, or nobody knows. `rule` is the one that allows it.
    boost::asio::awaitable<std::vector<std::string>> addresses_of(std::string name, std::string rule);

private:
    struct Share {
        size_t running = 0;
        std::deque<boost::asio::steady_timer*> waiting;
    };

    boost::asio::io_context& io_;
    std::optional<boost::asio::thread_pool> threads_; // from the first lookup on
    std::map<std::string, Share> shares_;
};

} // namespace treadline::egress

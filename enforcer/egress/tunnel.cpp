#include "enforcer/egress/tunnel.h"

#include <chrono>
#include <exception>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds idle_time{3600};
constexpr std::chrono::seconds block_time{600};

awaitable<void> pass(Stream& from, Stream& to, std::string bytes) {
    for (bool goes_on = true; goes_on;) {
        goes_on = co_await to.write(bytes, std::chrono::steady_clock::now() + block_time);
        bytes.clear();
        goes_on = goes_on && co_await from.read(bytes, std::chrono::steady_clock::now() + idle_time);
    }
    if (from.at_end()) {
        co_await to.finish();
    }
    from.abort(); // and the other direction with them
    to.abort();
    co_return;
}

} // namespace

awaitable<void> tunnel(Stream& one, std::string from_one, Stream& other, std::string from_other) {
    const auto executor = one.executor();
    asio::steady_timer done(executor, asio::steady_timer::time_point::max());
    bool back = true;
    asio::co_spawn(executor, pass(other, one, std::move(from_other)), [&](std::exception_ptr) {
        back = false;
        done.cancel();
    });
    co_await pass(one, other, std::move(from_one));
    while (back) {
        co_await done.async_wait(token);
    }
    co_return;
}

} // namespace treadline::egress

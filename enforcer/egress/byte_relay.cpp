#include "enforcer/egress/byte_relay.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <fcntl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/unique_fd.h"
#include "enforcer/egress/reset_on_death.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
using std::chrono::seconds;
using std::chrono::steady_clock;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);

constexpr seconds idle_time{3600};
constexpr size_t block = 64 * 1024;
constexpr size_t turn = 1024 * 1024; // of one direction, before others get theirs
constexpr int bulk_after = 4;        // full blocks one after the other
constexpr int pipe_size = 1024 * 1024;
constexpr size_t few = 4096;   // so little at once is sooner copied
constexpr size_t most_pipes = 32; // each has two descriptors (gateway_process.cpp)

struct Pipe {
    unique_fd out;
    unique_fd in;
    size_t held = 0; // bytes
};

// Lends pipes, and keeps the empty ones it gets back.
class Pipes {
public:
    std::optional<Pipe> borrow() {
        if (!kept_.empty()) {
            Pipe pipe = std::move(kept_.back());
            kept_.pop_back();
            return pipe;
        }
        std::array<int, 2> ends{};
        if (lent_ >= most_pipes || ::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) {
            return std::nullopt;
        }
        ++lent_;
        ::fcntl(ends[1], F_SETPIPE_SZ, pipe_size); // or it stays as small as it was made
        return Pipe{unique_fd(ends[0]), unique_fd(ends[1]), 0};
    }
    void give_back(Pipe pipe) {
        if (pipe.held == 0) {
            kept_.push_back(std::move(pipe));
        } else {
            --lent_; // bytes of one connection never come near another
        }
    }

private:
    std::vector<Pipe> kept_;
    size_t lent_ = 0; // the kept ones among them
};

Pipes& pipes() {
    static Pipes all;
    return all;
}

class Borrowed {
public:
    Borrowed() : pipe_(pipes().borrow()) {}
    ~Borrowed() {
        if (pipe_) {
            pipes().give_back(std::move(*pipe_));
        }
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    explicit operator bool() const { return pipe_.has_value(); }
    Pipe* operator->() { return &*pipe_; }

private:
    std::optional<Pipe> pipe_;
};

bool would_block(const error_code& problem) {
    return problem == asio::error::would_block || problem == asio::error::try_again;
}

struct Relay {
    tcp::socket inside;
    tcp::socket outside;
    See see;
    bool failed = false;
    int open = 2;
    steady_clock::time_point last = steady_clock::now();
};

// Of the second direction it is said by closing.
void pass_end_on(tcp::socket& to, const Relay& relay) {
    if (relay.open == 2) {
        error_code ignored;
        to.shutdown(tcp::socket::shutdown_send, ignored);
    }
}

enum class Moved : uint8_t { Paused, Little, Ended, Failed };

// Until the sender pauses, or sends little.
awaitable<Moved> move_bulk(tcp::socket& from, tcp::socket& to, Relay& relay) {
    Borrowed pipe;
    if (!pipe) {
        co_return Moved::Little;
    }
    size_t in_turn = 0;
    for (;;) {
        const ssize_t taken =
            ::splice(from.native_handle(), nullptr, pipe->in.get(), nullptr, pipe_size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (taken < 0) {
            co_return errno == EAGAIN || errno == EINTR ? Moved::Paused : Moved::Failed;
        }
        if (taken == 0) {
            co_return Moved::Ended;
        }
        relay.last = steady_clock::now();
        pipe->held = static_cast<size_t>(taken);
        while (pipe->held > 0) {
            const ssize_t sent =
                ::splice(pipe->out.get(), nullptr, to.native_handle(), nullptr, pipe->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (sent > 0) {
                pipe->held -= static_cast<size_t>(sent);
                continue;
            }
            if (sent == 0 || (errno != EAGAIN && errno != EINTR)) {
                co_return Moved::Failed;
            }
            const auto [problem] = co_await to.async_wait(tcp::socket::wait_write, token);
            if (problem) {
                co_return Moved::Failed;
            }
        }
        if (static_cast<size_t>(taken) < few) {
            co_return Moved::Little;
        }
        in_turn += static_cast<size_t>(taken);
        if (in_turn >= turn) {
            in_turn = 0;
            co_await asio::post(from.get_executor(), asio::use_awaitable);
        }
    }
}

// One direction.
awaitable<void> pump(tcp::socket& from, tcp::socket& to, Relay& relay, const Meter* meter) {
    static std::array<char, block> shared;
    std::string rest; // what the other side did not take at once
    size_t in_turn = 0;
    int full = 0;
    for (;;) {
        error_code problem;
        if (full >= bulk_after && !relay.see && meter == nullptr) {
            const Moved moved = co_await move_bulk(from, to, relay);
            if (moved == Moved::Ended) {
                pass_end_on(to, relay);
                co_return;
            }
            if (moved == Moved::Paused) {
                std::tie(problem) = co_await from.async_wait(tcp::socket::wait_read, token);
            }
            if (problem || moved == Moved::Failed) {
                relay.failed = true;
                co_return;
            }
            if (moved == Moved::Paused) {
                continue;
            }
            full = 0;
        }
        const size_t size = from.read_some(asio::buffer(shared), problem);
        if (would_block(problem)) {
            const auto [waited] = co_await from.async_wait(tcp::socket::wait_read, token);
            if (waited) {
                relay.failed = true;
                co_return;
            }
            continue;
        }
        if (problem == asio::error::eof) {
            pass_end_on(to, relay);
            co_return;
        }
        if (problem) {
            relay.failed = true;
            co_return;
        }
        if (meter != nullptr && !(*meter)(size)) {
            relay.failed = true;
            co_return;
        }
        full = size == block ? full + 1 : 0;
        relay.last = steady_clock::now();
        if (relay.see) {
            relay.see(&from == &relay.inside, std::string_view(shared.data(), size));
        }
        size_t sent = to.write_some(asio::buffer(shared.data(), size), problem);
        if (would_block(problem)) {
            sent = 0;
            problem = {};
        }
        if (!problem && sent < size) {
            rest.assign(shared.data() + sent, size - sent);
            const auto [written, ignored] = co_await asio::async_write(to, asio::buffer(rest), token);
            problem = written;
            std::string().swap(rest);
        }
        if (problem) {
            relay.failed = true;
            co_return;
        }
        in_turn += size;
        if (in_turn >= turn) {
            in_turn = 0;
            co_await asio::post(from.get_executor(), asio::use_awaitable);
        }
    }
}

void cancel(Relay& relay) {
    error_code ignored;
    relay.inside.cancel(ignored);
    relay.outside.cancel(ignored);
}

} // namespace

void reset(tcp::socket& socket) {
    error_code ignored;
    socket.set_option(tcp::socket::linger(true, 0), ignored);
    socket.close(ignored);
}

awaitable<void> relay_bytes(tcp::socket inside, tcp::socket outside, const Meter* meter, See see) {
    Relay relay{std::move(inside), std::move(outside), std::move(see)};
    error_code problem;
    relay.inside.non_blocking(true, problem);
    relay.outside.non_blocking(true, problem);
    const ResetOnDeath resets_inside(relay.inside);
    const ResetOnDeath resets_outside(relay.outside);
    asio::steady_timer done(relay.inside.get_executor(), idle_time);
    const auto ended = [&](std::exception_ptr) {
        --relay.open;
        if (relay.failed) {
            cancel(relay);
        }
        done.cancel();
    };
    asio::co_spawn(relay.inside.get_executor(), pump(relay.inside, relay.outside, relay, meter), ended);
    asio::co_spawn(relay.inside.get_executor(), pump(relay.outside, relay.inside, relay, nullptr), ended);
    while (relay.open > 0) {
        const auto [waited] = co_await done.async_wait(token);
        if (!waited && steady_clock::now() - relay.last >= idle_time) {
            relay.failed = true;
            cancel(relay);
        }
        done.expires_at(std::max(relay.last, steady_clock::now() - idle_time + seconds(1)) + idle_time);
    }
    if (relay.failed) {
        reset(relay.inside);
        reset(relay.outside);
    }
}

} // namespace treadline::egress

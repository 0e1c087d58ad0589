#include "enforcer/egress/stream.h"

#include <algorithm>
#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "enforcer/egress/deadline.h"

namespace treadline::egress {
namespace asio = boost::asio;
using asio::awaitable;
using boost::system::error_code;
namespace {

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr unsigned writes_in_turn = 16;
constexpr size_t block = 16 * 1024; // as much as a TLS record holds
constexpr std::chrono::seconds farewell_time{2};
constexpr size_t farewell_bytes = 1024 * 1024;

std::chrono::seconds left(Until until) {
    const auto time = std::chrono::ceil<std::chrono::seconds>(until - std::chrono::steady_clock::now());
    return std::max(time, std::chrono::seconds(0));
}

} // namespace

Stream::Stream(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
}

awaitable<bool> Stream::read_socket(std::string& into, Until until) {
    static std::array<char, block> shared; // by all connections: nothing else runs between reading and appending
    for (;;) {
        error_code problem;
        const size_t size = socket_.read_some(asio::buffer(shared), problem);
        if (problem != asio::error::would_block && problem != asio::error::try_again) {
            at_end_ = problem == asio::error::eof;
            into.append(shared.data(), size);
            co_return !problem;
        }
        const Deadline deadline(socket_, left(until));
        const auto [unready] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, token);
        if (unready) {
            co_return false;
        }
    }
}

awaitable<bool> Stream::read(std::string& into, Until until) {
    return read_socket(into, until);
}

awaitable<bool> Stream::write(std::string_view bytes, Until until) {
    if (may_send_ && !may_send_(bytes.size())) {
        abort();
        co_return false;
    }
    if (++writes_ % writes_in_turn == 0) {
        co_await asio::post(socket_.get_executor(), asio::use_awaitable); // others get theirs
    }
    while (!bytes.empty()) {
        error_code problem;
        bytes.remove_prefix(socket_.write_some(asio::buffer(bytes), problem));
        if (problem == asio::error::would_block || problem == asio::error::try_again) {
            const Deadline deadline(socket_, left(until));
            const auto [unready] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, token);
            if (unready) {
                co_return false;
            }
        } else if (problem) {
            co_return false;
        }
    }
    co_return true;
}

awaitable<void> Stream::finish() {
    error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    // What still comes is read, for a while: closing before would reset the connection, and take the last words away.
    const Until until = std::chrono::steady_clock::now() + farewell_time;
    std::string rest;
    for (size_t all = 0; all < farewell_bytes; all += rest.size()) {
        rest.clear();
        if (const bool done = co_await read_socket(rest, until); !done) {
            break;
        }
    }
    co_return;
}

void Stream::abort() {
    error_code ignored;
    socket_.set_option(asio::ip::tcp::socket::linger(true, 0), ignored);
    socket_.close(ignored);
}

awaitable<bool> TlsStream::flush(Until until) {
    while (flushing_) {
        co_await flushed_.async_wait(token);
    }
    const std::string bytes = session_->take();
    if (bytes.empty()) {
        co_return true;
    }
    flushing_ = true;
    const bool done = co_await Stream::write(bytes, until);
    flushing_ = false;
    flushed_.cancel();
    co_return done;
}

awaitable<bool> TlsStream::handshake(std::string opening, Until until) {
    session_->give(opening);
    for (;;) {
        const TlsSession::Step step = session_->handshake();
        const bool sent = co_await flush(until);
        if (step != TlsSession::Step::Wants || !sent) {
            co_return step == TlsSession::Step::Done && sent;
        }
        std::string more;
        if (const bool done = co_await read_socket(more, until); !done) {
            co_return false;
        }
        session_->give(more);
    }
}

awaitable<bool> TlsStream::read(std::string& into, Until until) {
    for (;;) {
        const size_t before = into.size();
        const TlsSession::Step step = session_->read(into, block);
        if (const bool done = co_await flush(until); !done) { // answers to what TLS itself asks
            co_return false;
        }
        if (into.size() > before) {
            co_return true;
        }
        if (step != TlsSession::Step::Wants) {
            at_end_ = step == TlsSession::Step::Ended;
            co_return false;
        }
        std::string more;
        if (const bool done = co_await read_socket(more, until); !done) {
            at_end_ = false; // TLS says itself when it ends
            co_return false;
        }
        session_->give(more);
    }
}

awaitable<bool> TlsStream::write(std::string_view bytes, Until until) {
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, block);
        bytes.remove_prefix(part.size());
        if (session_->write(part) != TlsSession::Step::Done) {
            co_return false;
        }
        if (const bool done = co_await flush(until); !done) {
            co_return false;
        }
    }
    co_return true;
}

awaitable<void> TlsStream::finish() {
    session_->end();
    if (const bool done = co_await flush(std::chrono::steady_clock::now() + farewell_time); done) {
        co_await Stream::finish();
    }
    co_return; // and no condition that waits: g++ 12 traps behind one at the end of a coroutine
}

} // namespace treadline::egress

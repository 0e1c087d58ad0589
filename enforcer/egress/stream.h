// Bytes to and from somebody, in the clear or inside TLS, for coroutines. Each owns its socket. One coroutine may read while
// another writes.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "enforcer/egress/budget.h"
#include "enforcer/egress/reset_on_death.h"
#include "enforcer/egress/tls.h"

namespace treadline::egress {

using Until = std::chrono::steady_clock::time_point;
inline Until after(std::chrono::seconds time) {
    return std::chrono::steady_clock::now() + time;
}

class Stream {
public:
    explicit Stream(boost::asio::ip::tcp::socket socket);
    virtual ~Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // Appends what comes next. False when nothing does: at_end() tells the proper end from the rest.
    virtual boost::asio::awaitable<bool> read(std::string& into, Until until);
    // All of it, or false. What `bytes` refers to has to stay.
    virtual boost::asio::awaitable<bool> write(std::string_view bytes, Until until);
    // Nothing more will be written; waits, but not long, until the other side has taken it.
    virtual boost::asio::awaitable<void> finish();
    // Asked before anything is written, with what goes on the wire; when it says no, the stream is aborted instead.
    void meter(Meter may_send) { may_send_ = std::move(may_send); }
    void abort(); // the other side sees that it is no proper end

    [[nodiscard]] bool at_end() const { return at_end_; }
    [[nodiscard]] auto executor() { return socket_.get_executor(); }

protected:
    boost::asio::awaitable<bool> read_socket(std::string& into, Until until);
    boost::asio::ip::tcp::socket socket_;
    bool at_end_ = false;

private:
    ResetOnDeath resets_{socket_};
    unsigned writes_ = 0;
    Meter may_send_;
};

class TlsStream final : public Stream {
public:
    TlsStream(boost::asio::ip::tcp::socket socket, std::unique_ptr<TlsSession> session)
        : Stream(std::move(socket)), session_(std::move(session)), flushed_(socket_.get_executor(), Until::max()) {}

    // `opening`: what has been read already. False: see problem(), which may be "".
    boost::asio::awaitable<bool> handshake(std::string opening, Until until);
    boost::asio::awaitable<bool> read(std::string& into, Until until) override;
    boost::asio::awaitable<bool> write(std::string_view bytes, Until until) override;
    boost::asio::awaitable<void> finish() override;
    [[nodiscard]] std::string problem() const { return session_->problem(); }
    [[nodiscard]] std::string protocol() const { return session_->protocol(); }

private:
    boost::asio::awaitable<bool> flush(Until until);
    std::unique_ptr<TlsSession> session_;
    bool flushing_ = false; // records go out in order: whoever reads may have something to say, too
    boost::asio::steady_timer flushed_;
};

} // namespace treadline::egress

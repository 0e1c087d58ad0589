// HTTP/2 on two connections, inside TLS both: what Http2Relay says is written, and what comes is given to it. Nobody is read
// from while the other side has not taken what came of it before.
#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "enforcer/egress/exchange_rules.h"
#include "enforcer/egress/http2_relay.h"
#include "enforcer/egress/stream.h"

namespace treadline::egress {

struct RelayContext;

class Http2Link {
public:
    // Each holds more memory than a connection of HTTP/1.1, so there may be fewer.
    [[nodiscard]] static bool has_room();

    // `counted`: what goes to the server is.
    Http2Link(std::unique_ptr<Stream> program, std::unique_ptr<Stream> server, std::shared_ptr<const Counted> counted, const Contact& contact,
              RelayContext& context);
    ~Http2Link();
    Http2Link(const Http2Link&) = delete;
    Http2Link& operator=(const Http2Link&) = delete;

    boost::asio::awaitable<void> run();

private:
    struct Side {
        std::unique_ptr<Stream> stream;
        Http2Session* session;
        boost::asio::steady_timer wake; // whoever writes to it
        bool busy = false;              // something waits until it is taken
    };

    boost::asio::awaitable<void> read_program();
    boost::asio::awaitable<void> read_server();
    boost::asio::awaitable<void> write_program();
    boost::asio::awaitable<void> write_server();
    boost::asio::awaitable<bool> read(Side& from, Side& to, Until until);
    boost::asio::awaitable<bool> write(Side& to, Side& from);
    void wake();
    void server_is_gone();

    RelayContext& context_;
    std::shared_ptr<const Counted> counted_;
    ExchangeRules rules_;
    Http2Relay relay_;
    Side program_;
    Side server_;
    boost::asio::steady_timer taken_;
    boost::asio::steady_timer done_;
    unsigned running_ = 0;
    unsigned turns_ = 0;
    bool closing_ = false; // once the program has taken what it is owed
    bool gone_ = false;    // the program says nothing more
    bool ended_ = false;
};

} // namespace treadline::egress

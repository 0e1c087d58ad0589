// Should this process die, the socket's other side sees a reset: an end would look as if all had been said.
#pragma once

#include <boost/asio/ip/tcp.hpp>

namespace treadline::egress {

class ResetOnDeath {
public:
    explicit ResetOnDeath(boost::asio::ip::tcp::socket& socket) : socket_(socket) { set(true); }
    ~ResetOnDeath() {
        if (socket_.is_open()) {
            set(false);
        }
    }
    ResetOnDeath(const ResetOnDeath&) = delete;
    ResetOnDeath& operator=(const ResetOnDeath&) = delete;

private:
    void set(bool on) {
        boost::system::error_code ignored;
        socket_.set_option(boost::asio::ip::tcp::socket::linger(on, 0), ignored);
    }
    boost::asio::ip::tcp::socket& socket_;
};

} // namespace treadline::egress

// Cancels what a socket waits for when the time is over; nothing once it is gone.
#pragma once

#include <chrono>
#include <memory>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

namespace treadline::egress {

class Deadline {
public:
    Deadline(boost::asio::ip::tcp::socket& socket, std::chrono::seconds time)
        : socket_(std::make_shared<boost::asio::ip::tcp::socket*>(&socket)), timer_(socket.get_executor(), time) {
        timer_.async_wait([socket = socket_](boost::system::error_code stopped) {
            if (!stopped && *socket != nullptr) {
                (*socket)->cancel(stopped);
            }
        });
    }
    ~Deadline() { *socket_ = nullptr; } // it may have run out already, and be about to say so
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

private:
    std::shared_ptr<boost::asio::ip::tcp::socket*> socket_;
    boost::asio::steady_timer timer_;
};

} // namespace treadline::egress

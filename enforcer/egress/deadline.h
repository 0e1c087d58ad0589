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

// The same for many waits one after the other, as cheap as looking at the clock: the timer is let run, and looks, when it
// fires, at what is due by then.
class RollingDeadline {
public:
    explicit RollingDeadline(boost::asio::ip::tcp::socket& socket) : state_(std::make_shared<State>(socket)) {}
    ~RollingDeadline() {
        state_->socket = nullptr;
        state_->timer.cancel();
    }
    RollingDeadline(const RollingDeadline&) = delete;
    RollingDeadline& operator=(const RollingDeadline&) = delete;

    // The one before no longer counts.
    void due_in(std::chrono::seconds time) {
        state_->due = Clock::now() + time;
        if (state_->due < state_->fires) {
            run(state_);
        }
    }
    void nothing_due() { state_->due = Clock::time_point::max(); }

private:
    using Clock = std::chrono::steady_clock;
    struct State {
        explicit State(boost::asio::ip::tcp::socket& of) : socket(&of), timer(of.get_executor()) {}
        boost::asio::ip::tcp::socket* socket;
        boost::asio::steady_timer timer;
        Clock::time_point due = Clock::time_point::max();
        Clock::time_point fires = Clock::time_point::max(); // max: the timer does not run
    };

    static void run(const std::shared_ptr<State>& state) {
        state->fires = state->due;
        state->timer.expires_at(state->fires);
        state->timer.async_wait([state](boost::system::error_code stopped) {
            if (stopped || state->socket == nullptr) {
                return; // over, or run anew
            }
            state->fires = Clock::time_point::max();
            if (Clock::now() >= state->due) {
                state->socket->cancel(stopped);
            } else if (state->due != Clock::time_point::max()) {
                run(state);
            }
        });
    }

    std::shared_ptr<State> state_;
};

} // namespace treadline::egress

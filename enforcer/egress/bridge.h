// The way from a program without a network namespace to the gateway: a TCP connection within this machine, which nobody but
// the supervisor makes. The program's own connect(2) never reaches the kernel (supervised_sockets.h).
//
// The listener is an ordinary one on 127.0.0.1, so every user of this machine can knock at it. Each connection that was not
// made by lead_in() is turned away: the two ends are told by their addresses, which no other connection can have meanwhile.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/egress/gateway.h"

namespace treadline::egress {

class Bridge {
public:
    static result<Bridge> open();

    [[nodiscard]] uint16_t port() const { return port_; } // of 127.0.0.1, at which proxy requests are taken
    void serve_by(Gateway& gateway) { gateway_ = &gateway; } // has to outlive this

    struct Led {
        int error = 0;    // errno for the program; 0: it is connected
        std::string from; // "127.0.0.1:PORT", the program's end, by which the gateway's reports name it
    };
    // Connects a program's TCP socket, not connected yet, with the gateway. `destination`: where the program wants to go, as
    // "ADDRESS:PORT"; "" where it will say so itself, by a proxy protocol. Waits a moment at most.
    Led lead_in(int socket, const std::string& destination);

    [[nodiscard]] int knocks() const { return listener_.get(); } // readable when somebody is to be
    void turn_away();

private:
    Bridge(unique_fd listener, uint16_t port) : listener_(std::move(listener)), port_(port) {}
    unique_fd take(uint16_t from);

    unique_fd listener_;
    uint16_t port_;
    Gateway* gateway_ = nullptr;
};

// connect(2) that does not wait longer than a moment, whatever the socket says about waiting; returns errno or 0.
int connect_briefly(int socket, const void* address, unsigned size);

} // namespace treadline::egress

// The few requests to the kernel's routing tables that the capture needs (rtnetlink(7)).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::egress {

class RouteTable {
public:
    static result<RouteTable> open(); // of the network namespace this process is in

    // `family` AF_INET or AF_INET6; addresses as text.
    result<ok> add_address(int family, const std::string& address);
    // Every address is local, by way of the loopback interface; `source` is what is sent from.
    result<ok> add_local_default(int family, uint8_t table, const std::string& source);
    // What is of this protocol (and goes to this port, where it is not 0) looks into that table.
    result<ok> add_rule(int family, uint8_t protocol, uint16_t port, uint8_t table);

private:
    explicit RouteTable(unique_fd socket) : socket_(std::move(socket)) {}
    result<ok> send(std::vector<char> message, std::string_view what);
    unique_fd socket_;
    uint32_t sequence_ = 0;
};

} // namespace treadline::egress

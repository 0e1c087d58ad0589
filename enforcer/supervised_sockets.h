// What a command that has no network namespace does with its TCP sockets: connect, bind and listen are done for it, on a copy
// of its socket, with an address that was read once. So none of its own such calls goes on to the kernel, and no other thread
// can put something else in its place.
//
//   connect   to the egress gateway, whatever the address (bridge.h), or to 127.0.0.1 and ::1 at a port of `listen` or `host:PORT`
//   bind      at a port of `listen`, on the loopback; what asks for every address of the machine gets the loopback, too
//   listen    where a socket is bound so
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <netinet/in.h>
#include <sys/types.h>

#include "base/unique_fd.h"
#include "enforcer/egress/bridge.h"
#include "enforcer/plan.h"
#include "enforcer/violation.h"

namespace treadline {

// Where it takes the place of a network namespace.
bool supervises_sockets(const Plan& plan);

// What tells programs the way to the gateway at `proxy`: who reads none of these may still be led there by glibc's lookups, which
// are sent by TCP.
std::map<std::string, std::string> bridge_variables(const std::string& proxy);

// A copy of a task's descriptor; invalid if it has none of that number, or may not be reached.
unique_fd take_descriptor(pid_t task, int descriptor);

class SupervisedSockets {
public:
    // `bridge`: where the network is the gateway's to judge; else null.
    SupervisedSockets(const Plan& plan, egress::Bridge* bridge) : plan_(plan), bridge_(bridge) {}

    struct Answer {
        int error = 0;                      // errno for the program
        std::optional<Violation> violation; // why, where the profile refuses it
        std::string contact;                // how the gateway's reports will name it; "" if it will not
    };
    // Any socket of a program's; `address` is a sockaddr of whatever family. Nothing: no TCP, and the kernel's own to answer.
    [[nodiscard]] std::optional<Answer> connect(int socket, const std::string& address) const;
    [[nodiscard]] std::optional<Answer> bind(int socket, const std::string& address) const;
    [[nodiscard]] Answer listen(int socket, int backlog) const;

private:
    [[nodiscard]] bool is_own_port(uint16_t port) const;
    [[nodiscard]] bool is_host_service(uint16_t port) const;
    [[nodiscard]] Answer connect_loopback(int socket, const in6_addr& address, uint16_t port) const;
    [[nodiscard]] Answer lead_in(int socket, const std::string& destination, std::string contact) const;
    [[nodiscard]] std::optional<Violation> why_not_listen(int socket) const;

    const Plan& plan_;
    egress::Bridge* bridge_;
};

} // namespace treadline

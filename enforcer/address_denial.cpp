#include "enforcer/address_denial.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/addresses.h"
#include "base/path.h"
#include "enforcer/denial.h"
#include "enforcer/egress/decision.h"
#include "enforcer/outside_denial.h"
#include "enforcer/supervised_sockets.h"

namespace treadline {
namespace {

std::vector<Violation> unix_denials(const Plan& plan, const InsideView& view, pid_t task,
                                    const WatchedAddress& asked, const sockaddr_storage& address) {
    const size_t offset = offsetof(sockaddr_un, sun_path);
    const auto& named = reinterpret_cast<const sockaddr_un&>(address);
    if (asked.bytes.size() <= offset) {
        return {}; // unnamed
    }
    if (named.sun_path[0] == '\0') { // abstract: a network namespace has a space of its own for those
        const bool apart = plan.namespaces && plan.network != NetworkMode::Host && !plan.audit && !asked.bind;
        const size_t length = std::min(asked.bytes.size() - offset, sizeof named.sun_path);
        const auto violation = apart ? abstract_socket_denial(task, {named.sun_path, length}) : std::nullopt;
        return violation ? std::vector{*violation} : std::vector<Violation>{};
    }
    WatchedPath path;
    path.raw.assign(named.sun_path, ::strnlen(named.sun_path, asked.bytes.size() - offset));
    path.directory = AT_FDCWD;
    if (asked.bind) {
        path.create = true;
        path.only_if_missing = true;
        path.last = LastLink::Keep;
    }
    const auto inside = view.resolve(task, path.directory, path.raw, path.last);
    if (!inside) {
        return {};
    }
    if (asked.bind) {
        return path_denials(plan, view, path, *inside);
    }
    // What has been made since the run started is the command's own; what was there is a server of the host.
    const bool of_host = inside->exists ? view.older_than_run(inside->path) : exists_outside(inside->path);
    const Decision decision = plan.policy->decide(Operation::UnixConnect, inside->path);
    if (!of_host || decision.allowed) {
        return {};
    }
    return {violation_of(decision, inside->exists ? "seccomp" : "mount", "connect", inside->path)};
}

std::optional<std::string> host_text(const sockaddr_storage& address, uint16_t& port) {
    char text[INET6_ADDRSTRLEN] = {};
    if (address.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(address);
        port = ntohs(four.sin_port);
        return ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
    }
    if (address.ss_family == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
        port = ntohs(six.sin6_port);
        return ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
    }
    return std::nullopt;
}

bool is_loopback(const sockaddr_storage& address) {
    if (address.ss_family == AF_INET) {
        const uint32_t four = ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr);
        return (four >> 24) == 127 || four == INADDR_ANY; // connecting to 0.0.0.0 reaches the loopback
    }
    const in6_addr& six = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&six) || IN6_IS_ADDR_UNSPECIFIED(&six) ||
           (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
}

// The type of the task's socket; 0 if it cannot be known.
int socket_type(pid_t task, int descriptor) {
    const unique_fd socket = take_descriptor(task, descriptor);
    int type = 0;
    socklen_t size = sizeof type;
    if (!socket || ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
        return 0;
    }
    return type;
}

// By egress/capture.h; of a socket whose type cannot be known it is assumed, since nothing else finds a route.
bool reaches_gateway(int type, uint16_t port) {
    return type == SOCK_STREAM || type == 0 || (type == SOCK_DGRAM && port == 53);
}

// The loopback inside is the sandbox's own. Where Landlock holds `listen`, a port that nobody inside may bind can only be
// meant for a service of the host's.
std::vector<Violation> host_service_denials(const Plan& plan, pid_t task, const WatchedAddress& asked, const std::string& host, uint16_t port) {
    if (plan.landlock_abi < 4 || port == 0 || asked.sends || socket_type(task, asked.descriptor) != SOCK_STREAM) {
        return {};
    }
    auto violation = loopback_denial(plan, host, port);
    return violation ? std::vector{std::move(*violation)} : std::vector<Violation>{};
}

} // namespace

std::optional<Violation> loopback_denial(const Plan& plan, const std::string& host, uint16_t port) {
    const std::string address = to_text(parse_address(host));
    const bool nameable = address == "127.0.0.1" || address == "0.0.0.0" || address == "::1" || address == "::";
    const std::string object = (nameable ? "127.0.0.1" : address) + ":" + std::to_string(port);
    const Decision decision = plan.policy->decide(Operation::Connect, object);
    if (decision.allowed) {
        return std::nullopt;
    }
    Violation violation = violation_of(decision, "egress", "connect", object);
    violation.risk = "opens a service of this machine that trusts whoever is on it";
    if (!nameable) {
        violation.rule.clear();
        violation.section.clear();
        violation.reason = "the loopback inside is the sandbox's own, and of the host's only 127.0.0.1 and ::1 can be opened, by `host:PORT`";
    }
    return violation;
}

Violation connect_denial(const Plan& plan, const std::string& host, uint16_t port) {
    const std::string object = (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
    return violation_of(plan.policy->decide(Operation::Connect, object), "egress", "connect", object);
}

std::optional<Violation> listen_denial(const Plan& plan, uint16_t port) {
    const Decision decision = plan.policy->decide(Operation::Listen, std::to_string(port));
    return decision.allowed ? std::nullopt : std::optional(violation_of(decision, plan.landlock_abi >= 4 ? "landlock" : "seccomp", "listen", std::to_string(port)));
}

std::vector<Violation> address_denials(const Plan& plan, const InsideView& view, pid_t task,
                                       const WatchedAddress& asked) {
    sockaddr_storage address{};
    std::memcpy(&address, asked.bytes.data(), std::min(asked.bytes.size(), sizeof address));
    if (plan.policy == nullptr || asked.bytes.size() < sizeof(sa_family_t)) {
        return {};
    }
    if (address.ss_family == AF_UNIX) {
        return unix_denials(plan, view, task, asked, address);
    }
    uint16_t port = 0;
    const auto host = host_text(address, port);
    if (!host) {
        return {};
    }
    if (asked.bind) {
        const Decision decision = plan.policy->decide(Operation::Listen, std::to_string(port));
        // Landlock governs TCP only; a datagram socket binds on the sandbox's own loopback.
        if (decision.allowed || (plan.landlock_abi < 4 && !plan.audit) || socket_type(task, asked.descriptor) != SOCK_STREAM) {
            return {};
        }
        return {violation_of(decision, "landlock", "listen", std::to_string(port))};
    }
    const bool loopback = is_loopback(address);
    if (!plan.audit && !plan.flat && loopback && plan.network != NetworkMode::Host) {
        return host_service_denials(plan, task, asked, *host, port);
    }
    if (!plan.audit && plan.network == NetworkMode::Host) {
        return {};
    }
    // What the gateway gets it judges, and reports, itself.
    if (plan.network == NetworkMode::Gateway && !plan.audit && reaches_gateway(socket_type(task, asked.descriptor), port)) {
        return {};
    }
    // A datagram socket's connect sends nothing: libc's resolver sorts addresses this way, and those of a name by its port.
    const bool of_name = plan.network == NetworkMode::Gateway && stands_for_name(*host);
    if (!asked.sends && (port == 0 || ((port == 9 || of_name) && socket_type(task, asked.descriptor) == SOCK_DGRAM))) {
        return {};
    }
    const std::string canonical = to_text(parse_address(*host)); // an IPv4 address in IPv6's form is that address
    const std::string object = (canonical.find(':') != std::string::npos ? "[" + canonical + "]" : canonical) + ":" + std::to_string(port);
    const Decision decision = plan.policy->decide(Operation::Connect, object);
    if ((plan.audit || plan.flat) && decision.allowed) {
        return {};
    }
    Violation violation = violation_of(decision, "egress", "connect", object);
    constexpr uint16_t domain = 53; // lookups are the exception
    if (plan.network == NetworkMode::None && !plan.flat && !plan.audit && port != domain && socket_type(task, asked.descriptor) == SOCK_DGRAM) {
        violation.rule.clear();
        violation.reason = "it would go there by datagrams, which no rule carries";
    }
    if (plan.network == NetworkMode::Gateway && !plan.audit) {
        violation.rule.clear();
        violation.section.clear();
        violation.reason = egress::no_way_out;
    }
    return {violation};
}

std::string endpoint_of(const WatchedAddress& asked) {
    sockaddr_storage address{};
    std::memcpy(&address, asked.bytes.data(), std::min(asked.bytes.size(), sizeof address));
    uint16_t port = 0;
    const auto host = asked.bind || asked.bytes.size() < sizeof(sa_family_t) ? std::nullopt : host_text(address, port);
    if (!host || port == 0) {
        return "";
    }
    return (port == 53 ? "" : to_text(parse_address(*host))) + ":" + std::to_string(port);
}

} // namespace treadline

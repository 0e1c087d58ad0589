#include "enforcer/supervised_sockets.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/addresses.h"
#include "base/syscalls.h"
#include "enforcer/address_denial.h"
#include "enforcer/denial.h"
#include "enforcer/missing_defs.h"
#include "profiles/profile_reader.h"

namespace treadline {
namespace {

constexpr uint16_t domain = 53;

int option_of(int socket, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(socket, level, name, &value, &size) == 0 ? value : -1;
}

bool is_tcp(int socket) {
    const int family = option_of(socket, SOL_SOCKET, SO_DOMAIN);
    return (family == AF_INET || family == AF_INET6) && option_of(socket, SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
           option_of(socket, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
}

// UNIX sockets are the kernel's own to answer, if whoever lets such a call go on holds what may be swapped for one meanwhile
// (watch.cpp). Netlink's are served on the copy; nothing else is let make contact.
std::optional<SupervisedSockets::Answer> answer_to_others(int socket, const std::string& address, int (*call)(int, const sockaddr*, socklen_t)) {
    using Answer = SupervisedSockets::Answer;
    switch (option_of(socket, SOL_SOCKET, SO_DOMAIN)) {
    case AF_UNIX:
        return std::nullopt;
    case AF_NETLINK: {
        const bool done = call(socket, reinterpret_cast<const sockaddr*>(address.data()), static_cast<socklen_t>(address.size())) == 0;
        return Answer{done ? 0 : errno, std::nullopt, ""};
    }
    case -1:
        return Answer{ENOTSOCK, std::nullopt, ""};
    default:
        return Answer{EACCES, std::nullopt, ""};
    }
}

// IPv4 in its mapped form.
struct Endpoint {
    in6_addr address{};
    uint16_t port = 0;
    [[nodiscard]] bool v4() const { return IN6_IS_ADDR_V4MAPPED(&address); }
    [[nodiscard]] Address parsed() const {
        Address same;
        std::memcpy(same.bytes.data(), address.s6_addr, same.bytes.size());
        same.v4 = v4();
        same.valid = true;
        return same;
    }
    [[nodiscard]] bool any() const {
        return IN6_IS_ADDR_UNSPECIFIED(&address) || (v4() && std::all_of(address.s6_addr + 12, address.s6_addr + 16, [](uint8_t byte) { return byte == 0; }));
    }
    [[nodiscard]] bool loopback() const {
        constexpr uint8_t four[] = {127, 0, 0, 1};
        return IN6_IS_ADDR_LOOPBACK(&address) || (v4() && std::memcmp(address.s6_addr + 12, four, sizeof four) == 0);
    }
};

in6_addr mapped(uint32_t ordered) {
    in6_addr address{};
    address.s6_addr[10] = address.s6_addr[11] = 0xFF;
    std::memcpy(address.s6_addr + 12, &ordered, sizeof ordered);
    return address;
}

std::optional<Endpoint> endpoint_in(const std::string& bytes) {
    sockaddr_storage address{};
    std::memcpy(&address, bytes.data(), std::min(bytes.size(), sizeof address));
    if (address.ss_family == AF_INET && bytes.size() >= sizeof(sockaddr_in)) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(address);
        return Endpoint{mapped(four.sin_addr.s_addr), ntohs(four.sin_port)};
    }
    constexpr size_t without_scope = 24; // SIN6_LEN_RFC2133, which the kernel takes
    if (address.ss_family == AF_INET6 && bytes.size() >= without_scope) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
        return Endpoint{six.sin6_addr, ntohs(six.sin6_port)};
    }
    return std::nullopt;
}

sa_family_t family_in(const std::string& bytes) {
    sa_family_t family = AF_UNSPEC;
    std::memcpy(&family, bytes.data(), std::min(bytes.size(), sizeof family));
    return family;
}

// As a sockaddr of the socket's own family; empty where that cannot hold it.
std::string address_for(int socket, const Endpoint& endpoint) {
    std::string bytes;
    if (option_of(socket, SOL_SOCKET, SO_DOMAIN) == AF_INET6) {
        sockaddr_in6 six{};
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(endpoint.port);
        six.sin6_addr = endpoint.address;
        bytes.assign(reinterpret_cast<const char*>(&six), sizeof six);
    } else if (endpoint.v4()) {
        sockaddr_in four{};
        four.sin_family = AF_INET;
        four.sin_port = htons(endpoint.port);
        std::memcpy(&four.sin_addr, endpoint.address.s6_addr + 12, sizeof four.sin_addr);
        bytes.assign(reinterpret_cast<const char*>(&four), sizeof four);
    }
    return bytes;
}

// An address that stands for all of this machine's becomes the loopback's; 127.0.0.1 also where both kinds are meant.
Endpoint on_loopback(int socket, Endpoint endpoint) {
    if (endpoint.any()) {
        const bool only_six = !endpoint.v4() && option_of(socket, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
        endpoint.address = only_six ? in6addr_loopback : mapped(htonl(INADDR_LOOPBACK));
    }
    return endpoint;
}

std::optional<Endpoint> bound_to(int socket) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        return std::nullopt;
    }
    return endpoint_in(std::string(reinterpret_cast<const char*>(&own), std::min<size_t>(size, sizeof own)));
}

SupervisedSockets::Answer refused(Violation violation) {
    return {EACCES, std::move(violation), ""};
}

// The process of a thread: the file table is its, as a rule.
pid_t process_of(pid_t task) {
    const auto status = sys::read_file("/proc/" + std::to_string(task) + "/status");
    const size_t at = status ? status->find("\nTgid:") : std::string::npos;
    return at == std::string::npos ? task : std::atoi(status->c_str() + at + 6);
}

} // namespace

bool supervises_sockets(const Plan& plan) {
    return plan.flat && plan.notify && plan.watch_paths && !plan.audit && plan.network != NetworkMode::Host;
}

std::map<std::string, std::string> bridge_variables(const std::string& proxy) {
    const std::string direct = "localhost,127.0.0.1,::1";
    return {
        {"HTTP_PROXY", proxy},  {"HTTPS_PROXY", proxy}, {"ALL_PROXY", proxy}, {"NO_PROXY", direct},
        {"http_proxy", proxy},  {"https_proxy", proxy}, {"all_proxy", proxy}, {"no_proxy", direct},
        {"NODE_USE_ENV_PROXY", "1"}, // Node.js 24, 22.21: else its fetch() reads none of them
        {"RES_OPTIONS", "use-vc"},   // resolv.conf(5): lookups by TCP
    };
}

unique_fd take_descriptor(pid_t task, int descriptor) {
    // A program often asks many times in a row. When its number is another's by now, the old descriptor gives ESRCH.
    thread_local pid_t known = 0;
    thread_local unique_fd process;
    const auto get = [&] { return unique_fd(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), descriptor, 0))); };
    unique_fd copy = known == task ? get() : unique_fd();
    if (!copy) {
        process = unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, task, 0)));
        if (!process) {
            process = unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, task, pidfd_thread)));
        }
        if (!process) { // a thread that is no leader has no pidfd before Linux 6.9
            process = unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, process_of(task), 0)));
        }
        known = task;
        copy = get();
    }
    return copy;
}

bool SupervisedSockets::is_own_port(uint16_t port) const {
    return port != 0 && std::find(plan_.bind_ports.begin(), plan_.bind_ports.end(), port) != plan_.bind_ports.end();
}

bool SupervisedSockets::is_host_service(uint16_t port) const {
    const auto& rules = plan_.policy->connect();
    return std::any_of(rules.begin(), rules.end(), [&](const PolicyEndpoint& rule) { return rule.host == host_loopback && rule.port == port; });
}

SupervisedSockets::Answer SupervisedSockets::lead_in(int socket, const std::string& destination, std::string contact) const {
    const egress::Bridge::Led led = bridge_->lead_in(socket, destination);
    return {led.error, std::nullopt, contact.empty() ? led.from : std::move(contact)};
}

SupervisedSockets::Answer SupervisedSockets::connect_loopback(int socket, const in6_addr& address, uint16_t port) const {
    const Endpoint asked{address, port};
    const Endpoint meant = on_loopback(socket, asked);
    if (meant.loopback() && (is_own_port(port) || is_host_service(port))) {
        const std::string bytes = address_for(socket, meant);
        return {bytes.empty() ? EAFNOSUPPORT : egress::connect_briefly(socket, bytes.data(), static_cast<unsigned>(bytes.size())), std::nullopt, ""};
    }
    if (bridge_ != nullptr && meant.v4() && meant.loopback() && port == bridge_->port()) {
        return lead_in(socket, "", "");
    }
    const std::string host = to_text(asked.parsed());
    if (bridge_ != nullptr && port == domain) { // a resolver of this machine's, in whose place the gateway answers
        return lead_in(socket, host + ":53", ":53");
    }
    auto violation = loopback_denial(plan_, host, port);
    // Of a name that leads there it is the gateway's to judge; to the command nobody is there.
    return violation ? refused(std::move(*violation)) : Answer{ECONNREFUSED, std::nullopt, ""};
}

std::optional<SupervisedSockets::Answer> SupervisedSockets::connect(int socket, const std::string& address) const {
    if (!is_tcp(socket)) {
        return answer_to_others(socket, address, ::connect);
    }
    if (family_in(address) == AF_UNSPEC) { // ends a connection; there is nobody in it to be held to anything
        const sockaddr none{};
        return Answer{::connect(socket, &none, sizeof none) == 0 ? 0 : errno, std::nullopt, ""};
    }
    const auto asked = endpoint_in(address);
    if (!asked) {
        return Answer{family_in(address) == AF_INET || family_in(address) == AF_INET6 ? EINVAL : EAFNOSUPPORT, std::nullopt, ""};
    }
    if (is_loopback(asked->parsed())) {
        return connect_loopback(socket, asked->address, asked->port);
    }
    const std::string host = to_text(asked->parsed());
    if (bridge_ == nullptr) {
        return refused(connect_denial(plan_, host, asked->port));
    }
    const std::string destination = host + ":" + std::to_string(asked->port);
    return lead_in(socket, destination, asked->port == domain ? ":53" : destination);
}

std::optional<SupervisedSockets::Answer> SupervisedSockets::bind(int socket, const std::string& address) const {
    if (!is_tcp(socket)) {
        return answer_to_others(socket, address, ::bind);
    }
    const auto asked = endpoint_in(address);
    if (!asked) {
        return Answer{EINVAL, std::nullopt, ""};
    }
    if (auto violation = listen_denial(plan_, asked->port)) {
        return refused(std::move(*violation));
    }
    const Endpoint meant = on_loopback(socket, *asked);
    if (!meant.loopback()) {
        Violation violation;
        violation.layer = "seccomp";
        violation.operation = "listen";
        violation.object = to_text(asked->parsed()) + ":" + std::to_string(asked->port);
        violation.reason = "without a network namespace ports are bound on this machine's loopback only, which other machines do not reach";
        return refused(std::move(violation));
    }
    const std::string bytes = address_for(socket, meant);
    const bool bound = !bytes.empty() && ::bind(socket, reinterpret_cast<const sockaddr*>(bytes.data()), static_cast<socklen_t>(bytes.size())) == 0;
    return Answer{bytes.empty() ? EAFNOSUPPORT : bound ? 0 : errno, std::nullopt, ""};
}

std::optional<Violation> SupervisedSockets::why_not_listen(int socket) const {
    const auto bound = bound_to(socket);
    if (bound && bound->loopback() && is_own_port(bound->port)) {
        return std::nullopt;
    }
    Violation violation;
    violation.layer = "seccomp";
    violation.operation = "listen";
    violation.object = bound && bound->port != 0 ? std::to_string(bound->port) : "(a port of the kernel's choice)";
    violation.reason = "it is bound to no port of `listen` on this machine's loopback, and without a network namespace everybody could reach it";
    return violation;
}

SupervisedSockets::Answer SupervisedSockets::listen(int socket, int backlog) const {
    if (!is_tcp(socket)) {
        const int family = option_of(socket, SOL_SOCKET, SO_DOMAIN);
        if (family != AF_UNIX) { // where nobody from elsewhere comes in
            return {family < 0 ? ENOTSOCK : EACCES, std::nullopt, ""};
        }
        return {::listen(socket, backlog) == 0 ? 0 : errno, std::nullopt, ""};
    }
    if (auto violation = why_not_listen(socket)) {
        return refused(std::move(*violation));
    }
    if (::listen(socket, backlog) != 0) {
        return {errno, std::nullopt, ""};
    }
    if (auto violation = why_not_listen(socket)) { // what it is bound to can have changed only until now
        ::shutdown(socket, SHUT_RDWR);
        return refused(std::move(*violation));
    }
    return {0, std::nullopt, ""};
}

} // namespace treadline

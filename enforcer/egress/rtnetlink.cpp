#include "enforcer/egress/rtnetlink.h"

#include <cstring>

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace treadline::egress {
namespace {

constexpr uint32_t loopback = 1; // the first interface of every network namespace

void append(std::vector<char>& message, const void* bytes, size_t size) {
    const auto* const from = static_cast<const char*>(bytes);
    message.insert(message.end(), from, from + size);
    message.resize(NLMSG_ALIGN(message.size()));
}

template <class Body>
std::vector<char> request(uint16_t type, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    std::vector<char> message;
    append(message, &header, sizeof header);
    append(message, &body, sizeof body);
    return message;
}

void attribute(std::vector<char>& message, uint16_t type, const void* bytes, size_t size) {
    const rtattr header{static_cast<uint16_t>(RTA_LENGTH(size)), type};
    append(message, &header, sizeof header);
    append(message, bytes, size);
}

std::vector<char> binary(int family, const std::string& address) {
    std::vector<char> bytes(family == AF_INET ? 4 : 16);
    ::inet_pton(family, address.c_str(), bytes.data()); // constants of ours
    return bytes;
}

} // namespace

result<RouteTable> RouteTable::open() {
    unique_fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket) {
        return fail_errno("cannot open a socket to the kernel's routing tables");
    }
    return RouteTable(std::move(socket));
}

result<ok> RouteTable::send(std::vector<char> message, std::string_view what) {
    nlmsghdr header{};
    std::memcpy(&header, message.data(), sizeof header);
    header.nlmsg_len = static_cast<uint32_t>(message.size());
    header.nlmsg_seq = ++sequence_;
    std::memcpy(message.data(), &header, sizeof header);
    if (::send(socket_.get(), message.data(), message.size(), 0) != static_cast<ssize_t>(message.size())) {
        return fail_errno("cannot " + std::string(what));
    }
    alignas(nlmsghdr) char answer[1024];
    const ssize_t size = ::recv(socket_.get(), answer, sizeof answer, 0);
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) {
        return size < 0 ? fail_errno("cannot " + std::string(what)) : fail("cannot " + std::string(what) + ": no answer");
    }
    nlmsgerr outcome{};
    std::memcpy(&outcome, answer + NLMSG_HDRLEN, sizeof outcome);
    return outcome.error == 0 ? result<ok>(ok{}) : fail_code(-outcome.error, "cannot " + std::string(what));
}

result<ok> RouteTable::add_address(int family, const std::string& address) {
    ifaddrmsg body{};
    body.ifa_family = static_cast<uint8_t>(family);
    body.ifa_prefixlen = family == AF_INET ? 32 : 128;
    body.ifa_flags = IFA_F_NODAD;
    body.ifa_index = loopback;
    auto message = request(RTM_NEWADDR, body);
    const auto bytes = binary(family, address);
    attribute(message, IFA_LOCAL, bytes.data(), bytes.size());
    attribute(message, IFA_ADDRESS, bytes.data(), bytes.size());
    return send(std::move(message), "give the sandbox an address");
}

result<ok> RouteTable::add_local_default(int family, uint8_t table, const std::string& source) {
    rtmsg body{};
    body.rtm_family = static_cast<uint8_t>(family);
    body.rtm_table = table;
    body.rtm_protocol = RTPROT_BOOT;
    body.rtm_scope = RT_SCOPE_HOST;
    body.rtm_type = RTN_LOCAL;
    auto message = request(RTM_NEWROUTE, body);
    attribute(message, RTA_OIF, &loopback, sizeof loopback);
    const auto bytes = binary(family, source);
    attribute(message, RTA_PREFSRC, bytes.data(), bytes.size());
    return send(std::move(message), "make the gateway's route in the sandbox");
}

result<ok> RouteTable::add_rule(int family, uint8_t protocol, uint16_t port, uint8_t table) {
    fib_rule_hdr body{};
    body.family = static_cast<uint8_t>(family);
    body.table = table;
    body.action = FR_ACT_TO_TBL;
    auto message = request(RTM_NEWRULE, body);
    const uint32_t priority = 100U + protocol;
    attribute(message, FRA_PRIORITY, &priority, sizeof priority);
    attribute(message, FRA_IP_PROTO, &protocol, sizeof protocol);
    if (port != 0) {
        const fib_rule_port_range range{port, port};
        attribute(message, FRA_DPORT_RANGE, &range, sizeof range);
    }
    return send(std::move(message), "route by protocol in the sandbox (Linux 4.17, CONFIG_IP_MULTIPLE_TABLES)");
}

} // namespace treadline::egress

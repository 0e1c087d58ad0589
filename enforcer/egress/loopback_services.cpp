#include "enforcer/egress/loopback_services.h"

#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace treadline::egress {
namespace {

constexpr uint16_t dns_port = 53;
constexpr timeval answer_time{2, 0};
constexpr const char* failed = "cannot list what listens on the loopback, which learning shows inside (kernel module tcp_diag); '--network host' does without";

// 0.0.0.0, 127.0.0.1, ::, ::1 and ::ffff:127.0.0.1
bool reached_by_loopback(const inet_diag_msg& socket) {
    if (socket.idiag_family == AF_INET) {
        const uint32_t address = ntohl(socket.id.idiag_src[0]);
        return address == INADDR_ANY || address == INADDR_LOOPBACK;
    }
    in6_addr address{};
    static_assert(sizeof address == sizeof socket.id.idiag_src);
    std::memcpy(&address, socket.id.idiag_src, sizeof address);
    uint32_t last = 0;
    std::memcpy(&last, &address.s6_addr[12], sizeof last);
    return IN6_IS_ADDR_UNSPECIFIED(&address) || IN6_IS_ADDR_LOOPBACK(&address) ||
           (IN6_IS_ADDR_V4MAPPED(&address) && ntohl(last) == INADDR_LOOPBACK);
}

} // namespace

result<LoopbackServices> LoopbackServices::open() {
    unique_fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &answer_time, sizeof answer_time) != 0) {
        return fail_errno(failed);
    }
    return LoopbackServices(std::move(socket));
}

result<ok> LoopbackServices::ask(int family, std::set<uint16_t>& ports) {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 body;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.header.nlmsg_seq = ++sequence_;
    request.body.sdiag_family = static_cast<uint8_t>(family);
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = 1U << TCP_LISTEN;
    if (::send(socket_.get(), &request, sizeof request, 0) != static_cast<ssize_t>(sizeof request)) {
        return fail_errno(failed);
    }
    alignas(nlmsghdr) std::array<char, 32 * 1024> bytes; // what the kernel fills at most
    for (;;) {
        const ssize_t size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
        if (size <= 0) {
            return fail_errno(failed);
        }
        auto left = static_cast<unsigned>(size);
        for (auto* message = reinterpret_cast<nlmsghdr*>(bytes.data()); NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_seq != sequence_) {
                continue; // of a question that was given up
            }
            if (message->nlmsg_type == NLMSG_DONE) {
                return ok{};
            }
            if (message->nlmsg_type == NLMSG_ERROR) {
                nlmsgerr refusal{};
                if (message->nlmsg_len >= NLMSG_LENGTH(sizeof refusal)) {
                    std::memcpy(&refusal, NLMSG_DATA(message), sizeof refusal);
                }
                return fail_code(-refusal.error, failed);
            }
            inet_diag_msg socket{};
            if (message->nlmsg_len < NLMSG_LENGTH(sizeof socket)) {
                continue;
            }
            std::memcpy(&socket, NLMSG_DATA(message), sizeof socket);
            const uint16_t port = ntohs(socket.id.idiag_sport);
            if (port != dns_port && reached_by_loopback(socket)) {
                ports.insert(port);
            }
        }
    }
}

result<std::set<uint16_t>> LoopbackServices::ports() {
    std::set<uint16_t> ports;
    TRY(ask(AF_INET, ports));
    TRY(ask(AF_INET6, ports));
    if (ports.size() > max_loopback_services) {
        ports.erase(std::next(ports.begin(), max_loopback_services), ports.end());
    }
    return ports;
}

} // namespace treadline::egress

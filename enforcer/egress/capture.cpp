#include "enforcer/egress/capture.h"

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <net/if.h>
#include <netinet/in.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/inside_sockets.h"
#include "enforcer/egress/loopback_services.h"
#include "enforcer/egress/name_table.h"
#include "enforcer/egress/refused_datagrams.h"
#include "enforcer/egress/rtnetlink.h"

namespace treadline::egress {
namespace {

constexpr uint8_t table = 100;
constexpr uint16_t listener_port = 1;
constexpr uint16_t dns_port = 53;
constexpr const char* listener_v4 = "198.18.0.3"; // beside the sandbox's own, name_table.h
constexpr const char* listener_v6 = "fd74:7265:6164::3";
constexpr int backlog = 1024;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

Address address_of(int family, const char* text, uint16_t port) {
    Address address;
    if (family == AF_INET) {
        auto& four = reinterpret_cast<sockaddr_in&>(address.storage);
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        ::inet_pton(AF_INET, text, &four.sin_addr);
        address.size = sizeof four;
    } else {
        auto& six = reinterpret_cast<sockaddr_in6&>(address.storage);
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        ::inet_pton(AF_INET6, text, &six.sin6_addr);
        address.size = sizeof six;
    }
    return address;
}

result<unique_fd> open_socket(int family, int type, const char* address, uint16_t port) {
    unique_fd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    const bool v4 = family == AF_INET;
    if (!socket || (!v4 && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)) {
        return fail_errno("cannot make the gateway's socket in the sandbox");
    }
    const int transparent = v4 ? ::setsockopt(socket.get(), IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on)
                               : ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof on);
    const int told = type != SOCK_DGRAM ? 0
                     : v4 ? ::setsockopt(socket.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
                          : ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    if (transparent != 0 || told != 0) {
        return fail_errno("cannot make the gateway's socket transparent");
    }
    const Address at = address_of(family, address, port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at.storage), at.size) != 0 ||
        (type == SOCK_STREAM && ::listen(socket.get(), backlog) != 0)) {
        return fail_errno("cannot listen in the sandbox's network");
    }
    return socket;
}

// Datagrams to elsewhere fail at once (EPERM), and are remembered: no call that the supervisor looks at need have sent them.
std::string refusing(const std::string& family, const std::string& allowed, const char* set) {
    const std::string address = family == "ipv4" ? "ip daddr" : "ip6 daddr";
    return "  " + address + " { " + allowed + " } accept\n" + "  meta nfproto " + family + " udp dport 53 accept\n" + "  meta nfproto " + family +
           " meta l4proto udp add @" + set + " { " + address + " . udp dport }\n" + "  meta nfproto " + family + " drop\n";
}

std::string set_of(const char* name, const char* address) {
    return std::string(" set ") + name + " { type " + address + " . inet_service; flags dynamic; size " + std::to_string(max_refused) + "; }\n";
}

std::string ruleset(bool v6) {
    const std::string port = std::to_string(listener_port);
    const std::string loopback_v4 = "127.0.0.0/8, " + std::string(own_v4) + ", " + resolver_v4;
    const std::string loopback_v6 = "::1, " + std::string(own_v6);
    std::string text = "table inet " + std::string(refused_table) + " {\n" + set_of(refused_v4, "ipv4_addr") + set_of(refused_v6, "ipv6_addr") +
                       " chain output {\n"
                       "  type filter hook output priority 0; policy accept;\n"
                       "  meta l4proto tcp accept\n"
                       "  ip daddr " + probe_address + " udp dport " + std::to_string(probe_port) + " drop\n" +
                       refusing("ipv4", loopback_v4, refused_v4) + (v6 ? refusing("ipv6", loopback_v6, refused_v6) : "") + " }\n"
                       " chain prerouting {\n"
                       "  type filter hook prerouting priority -150; policy accept;\n"
                       "  ip daddr { 127.0.0.0/8, " + std::string(own_v4) + " } accept\n"
                       // Being the namespace's own, it is also what connections to it come from.
                       "  ip daddr " + std::string(resolver_v4) + " tcp dport != 53 accept\n"
                       "  meta nfproto ipv4 meta l4proto tcp tproxy ip to " + listener_v4 + ":" + port + " accept\n";
    if (v6) {
        text += "  ip6 daddr { ::1, " + std::string(own_v6) + " } accept\n"
                "  meta nfproto ipv6 meta l4proto tcp tproxy ip6 to [" + listener_v6 + "]:" + port + " accept\n";
    }
    // No listener any more: the kernel's own reset would need a route from an address that the sandbox does not have.
    return text + "  meta l4proto tcp reject with tcp reset\n }\n}\n";
}

template <class Function>
Function* function(void* library, const char* name) {
    return reinterpret_cast<Function*>(::dlsym(library, name));
}

result<ok> load_ruleset(bool v6) {
    // Loaded here and nowhere else; this process ends when it is done.
    void* library = ::dlopen("libnftables.so.1", RTLD_NOW);
    if (library == nullptr) {
        return fail("the egress gateway needs libnftables.so.1; install the package libnftables1");
    }
    const auto make = function<decltype(::nft_ctx_new)>(library, "nft_ctx_new");
    const auto buffer_output = function<decltype(::nft_ctx_buffer_output)>(library, "nft_ctx_buffer_output");
    const auto buffer_error = function<decltype(::nft_ctx_buffer_error)>(library, "nft_ctx_buffer_error");
    const auto error_text = function<decltype(::nft_ctx_get_error_buffer)>(library, "nft_ctx_get_error_buffer");
    const auto run = function<decltype(::nft_run_cmd_from_buffer)>(library, "nft_run_cmd_from_buffer");
    nft_ctx* context = make != nullptr && run != nullptr && buffer_output != nullptr && buffer_error != nullptr && error_text != nullptr
                           ? make(NFT_CTX_DEFAULT)
                           : nullptr;
    if (context == nullptr || buffer_error(context) != 0 || buffer_output(context) != 0) {
        return fail("cannot use libnftables");
    }
    if (run(context, ruleset(v6).c_str()) != 0) {
        const std::string said = error_text(context);
        return fail("cannot send the sandbox's connections to the gateway (nf_tables with tproxy, CONFIG_NFT_TPROXY): " +
                    printable(said.substr(0, said.find('\n'))));
    }
    return ok{};
}

// What listens at the host's port is reached through this one, so nobody inside can listen there.
result<unique_fd> open_service(int family, uint16_t port) {
    unique_fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const Address at = address_of(family, family == AF_INET ? "127.0.0.1" : "::1", port);
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at.storage), at.size) != 0 || ::listen(socket.get(), backlog) != 0) {
        return fail_errno("cannot stand in for the host's service at port " + std::to_string(port) + " in the sandbox");
    }
    return socket;
}

// In the order in which captured_from() takes them.
result<std::vector<unique_fd>> set_up(const CaptureWants& wants) {
    const bool v6 = ::access("/proc/self/net/if_inet6", F_OK) == 0;
    RouteTable routes = TRY(RouteTable::open());
    std::vector<int> families = {AF_INET};
    if (v6) {
        families.push_back(AF_INET6);
    }
    for (const int family : families) {
        const char* own = family == AF_INET ? own_v4 : own_v6;
        TRY(routes.add_address(family, own));
        TRY(routes.add_local_default(family, table, own));
        TRY(routes.add_rule(family, IPPROTO_TCP, 0, table));
        TRY(routes.add_rule(family, IPPROTO_UDP, wants.refused_datagrams ? 0 : dns_port, table)); // 0: the firewall sees where to
    }
    // When the gateway has gone, the kernel can say so of this address (ICMP, port unreachable), and lookups fail at once.
    TRY(routes.add_address(AF_INET, resolver_v4));
    TRY(load_ruleset(v6));
    std::vector<unique_fd> fds;
    if (wants.refused_datagrams) {
        fds.push_back(TRY(open_firewall_socket()));
    }
    if (wants.services) {
        fds.push_back(TRY(LoopbackServices::open()).take_socket());
    }
    fds.push_back(TRY(open_socket(AF_INET, SOCK_STREAM, listener_v4, listener_port)));
    fds.push_back(TRY(open_socket(AF_INET, SOCK_DGRAM, "0.0.0.0", dns_port)));
    if (v6) {
        fds.push_back(TRY(open_socket(AF_INET6, SOCK_STREAM, listener_v6, listener_port)));
        fds.push_back(TRY(open_socket(AF_INET6, SOCK_DGRAM, "::", dns_port)));
    }
    for (const uint16_t port : wants.host_services) {
        for (const int family : families) {
            fds.push_back(TRY(open_service(family, port)));
        }
    }
    return fds;
}

result<Captured> captured_from(std::vector<unique_fd> fds, const CaptureWants& wants) {
    const size_t listeners = fds.size() - (wants.dial_in ? 1 : 0) - (wants.services ? 1 : 0) - (wants.refused_datagrams ? 1 : 0);
    const size_t in_family = 2 + wants.host_services.size();
    const bool v6 = listeners == 2 * in_family;
    if (!v6 && listeners != in_family) {
        return fail("the process that sets up the gateway's capture passed something else than was asked for");
    }
    auto next = fds.begin();
    Captured captured;
    if (wants.refused_datagrams) {
        captured.firewall = std::move(*next++);
    }
    if (wants.services) {
        captured.services = std::move(*next++);
    }
    captured.tcp_v4 = std::move(*next++);
    captured.dns_v4 = std::move(*next++);
    if (v6) {
        captured.tcp_v6 = std::move(*next++);
        captured.dns_v6 = std::move(*next++);
    }
    for (const uint16_t port : wants.host_services) {
        HostService service{port, std::move(*next++), {}};
        if (v6) {
            service.v6 = std::move(*next++);
        }
        captured.host_services.push_back(std::move(service));
    }
    if (wants.dial_in) {
        captured.inside_sockets = std::move(*next++);
    }
    return captured;
}

// What `enter` and then the set-up say, done in a process of its own.
result<Capture> in_child(const CaptureWants& wants, const std::function<result<ok>()>& enter) {
    const auto work = [&](HelperStart start) {
        const auto done = [&]() -> result<unique_fd> {
            TRY(enter());
            auto fds = TRY(set_up(wants));
            unique_fd sockets;
            if (wants.dial_in) {
                auto pair = TRY(sys::socketpair(SOCK_SEQPACKET));
                fds.push_back(std::move(pair.first));
                sockets = std::move(pair.second);
            }
            TRY(start.pass(fds));
            return sockets;
        }();
        if (!done) {
            start.failed(done.error());
        } else if (!*done) {
            start.ready();
        } else {
            make_sockets_inside(done->get(), start);
        }
    };
    HelperProcess process = TRY(HelperProcess::start("set up the gateway's capture", work));
    Capture capture{TRY(captured_from(process.take_fds(), wants)), std::nullopt};
    if (wants.dial_in) {
        capture.maker = std::move(process);
    }
    return capture;
}

result<ok> enter_namespaces_of(int pidfd) {
    if (::setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return fail_errno("cannot enter the sandbox's network namespace");
    }
    return ok{};
}

result<ok> enter_new_namespaces() {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        return fail_errno("cannot make a user and a network namespace");
    }
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const unique_fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
        return fail_errno("cannot bring up a loopback interface");
    }
    return ok{};
}

} // namespace

result<Capture> capture(int pidfd, const CaptureWants& wants) {
    return in_child(wants, [pidfd] { return enter_namespaces_of(pidfd); });
}

result<ok> check_capture() {
    TRY(in_child({}, enter_new_namespaces));
    return ok{};
}

} // namespace treadline::egress

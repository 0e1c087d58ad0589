#include "enforcer/egress/capture.h"

#include <array>
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
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/name_table.h"
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

std::string ruleset(bool v6) {
    const std::string port = std::to_string(listener_port);
    std::string text = "table inet treadline {\n"
                       " chain prerouting {\n"
                       "  type filter hook prerouting priority -150; policy accept;\n"
                       "  ip daddr { 127.0.0.0/8, " + std::string(own_v4) + " } accept\n"
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

result<Captured> set_up() {
    Captured captured;
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
        TRY(routes.add_rule(family, IPPROTO_UDP, dns_port, table));
    }
    TRY(load_ruleset(v6));
    captured.tcp_v4 = TRY(open_socket(AF_INET, SOCK_STREAM, listener_v4, listener_port));
    captured.dns_v4 = TRY(open_socket(AF_INET, SOCK_DGRAM, "0.0.0.0", dns_port));
    if (v6) {
        captured.tcp_v6 = TRY(open_socket(AF_INET6, SOCK_STREAM, listener_v6, listener_port));
        captured.dns_v6 = TRY(open_socket(AF_INET6, SOCK_DGRAM, "::", dns_port));
    }
    return captured;
}

void report(int socket, const result<Captured>& captured) {
    if (!captured) {
        const std::string text = "!" + std::to_string(captured.error().code) + " " + captured.error().what;
        ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        return;
    }
    std::vector<int> fds = {captured->tcp_v4.get(), captured->dns_v4.get()};
    if (captured->tcp_v6) {
        fds.push_back(captured->tcp_v6.get());
        fds.push_back(captured->dns_v6.get());
    }
    (void)sys::send_fds(socket, "ok", fds);
}

// What `enter` and then the set-up say, done in a process of its own.
result<Captured> in_child(const std::function<result<ok>()>& enter) {
    auto sockets = TRY(sys::socketpair(SOCK_SEQPACKET));
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("cannot fork to set up the gateway's capture");
    }
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        sockets.first.reset();
        const auto entered = enter();
        report(sockets.second.get(), entered ? set_up() : result<Captured>(failure(entered.error())));
        ::_exit(0);
    }
    sockets.second.reset();
    auto message = sys::receive_fds(sockets.first.get(), 4096);
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (!message) {
        return failure(message.error());
    }
    if (message->bytes == "ok" && (message->fds.size() == 2 || message->fds.size() == 4)) {
        Captured captured;
        captured.tcp_v4 = std::move(message->fds[0]);
        captured.dns_v4 = std::move(message->fds[1]);
        if (message->fds.size() == 4) {
            captured.tcp_v6 = std::move(message->fds[2]);
            captured.dns_v6 = std::move(message->fds[3]);
        }
        return captured;
    }
    if (message->bytes.empty() || message->bytes[0] != '!') {
        return fail("the process that sets up the gateway's capture died");
    }
    const size_t space = message->bytes.find(' ');
    return fail_code(std::atoi(message->bytes.c_str() + 1), message->bytes.substr(space + 1));
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

result<Captured> capture(int pidfd) {
    return in_child([pidfd] { return enter_namespaces_of(pidfd); });
}

result<ok> check_capture() {
    TRY(in_child(enter_new_namespaces));
    return ok{};
}

} // namespace treadline::egress

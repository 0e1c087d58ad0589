#include "enforcer/egress/inside_sockets.h"

#include <array>

#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "enforcer/egress/confinement.h"

namespace treadline::egress {
namespace {

result<ok> give_up_the_rest(int to, int start) {
    // Few are made ahead: descriptors on their way count against the user's limit.
    const int smallest = 1;
    if (::setsockopt(to, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest) != 0 || !let_go_of_all_but({to, start})) {
        return fail_errno("cannot give up what the sandbox's sockets do not need");
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0) {
        return fail_errno("cannot drop the capabilities of what makes the sandbox's sockets");
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // again: entering the namespaces has cleared it
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ::prctl(PR_SET_NAME, "treadline-dial", 0, 0, 0);
    ::signal(SIGPIPE, SIG_IGN);
    return confine_socket_maker();
}

} // namespace

void make_sockets_inside(int to, HelperStart& start) {
    ::setsid(); // out of the terminal's reach
    if (const auto given_up = give_up_the_rest(to, start.socket()); !given_up) {
        start.failed(given_up.error());
        return;
    }
    start.ready();
    for (;;) {
        const unique_fd v4(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const unique_fd v6(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const std::array both = {v4.get(), v6.get()};
        const auto sent = v4 ? sys::send_fds(to, "s", {both.data(), v6 ? size_t{2} : size_t{1}}) : fail_errno("cannot make a socket");
        if (!sent) {
            return;
        }
    }
}

} // namespace treadline::egress

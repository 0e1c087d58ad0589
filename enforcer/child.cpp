#include "enforcer/child.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enforcer/child_view.h"
#include "enforcer/self_test.h"

namespace treadline {
namespace {

bool write_whole(const char* path, const char* text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const auto length = static_cast<ssize_t>(std::strlen(text));
    const bool written = ::write(fd, text, static_cast<size_t>(length)) == length;
    const int code = errno;
    ::close(fd);
    errno = code;
    return written;
}

bool send_message(int socket, char kind, int fd) {
    iovec part{&kind, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

// The supervisor's death is ours. The check after the prctl closes the race with a supervisor already gone.
void die_with_supervisor(const ChildPlan& plan) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    pollfd peer{plan.socket, 0, 0};
    if (::poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR)) != 0) {
        ::_exit(125);
    }
}

void drop_capabilities(const ChildPlan& plan) {
    if (!plan.namespaces && plan.uid != 0) {
        return; // an ordinary user's process, without any
    }
    constexpr unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0) {
        die(plan, ChildStep::Capabilities);
    }
    for (unsigned long capability = 0; capability < 64; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
            if (errno == EINVAL) {
                break; // beyond the last one this kernel knows
            }
            die(plan, ChildStep::Capabilities);
        }
    }
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) != 0) {
        die(plan, ChildStep::Capabilities);
    }
}

int make_ruleset(const ChildPlan& plan) {
    if (plan.landlock_size == 0) {
        return -1;
    }
    const auto ruleset = static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &plan.landlock_attributes, plan.landlock_size, 0));
    if (ruleset < 0) {
        die(plan, ChildStep::LandlockCreate);
    }
    return ruleset;
}

void add_path_rules(const ChildPlan& plan, int ruleset, size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
        const ChildLandlockRule& rule = plan.landlock_rules[i];
        landlock::PathBeneath beneath{rule.rights, ::open(rule.path, O_PATH | O_CLOEXEC)};
        if (beneath.parent_fd < 0 && errno == ENOENT) {
            continue; // gone since the plan was made: nothing to allow
        }
        if (beneath.parent_fd < 0 ||
            ::syscall(SYS_landlock_add_rule, ruleset, landlock::rule_path_beneath, &beneath, 0) != 0) {
            die(plan, ChildStep::LandlockRule, static_cast<int>(i));
        }
        ::close(beneath.parent_fd);
    }
}

void add_port_rules(const ChildPlan& plan, int ruleset) {
    for (const uint16_t port : plan.bind_ports) {
        const landlock::NetPort rule{plan.port_rights, port};
        if (::syscall(SYS_landlock_add_rule, ruleset, landlock::rule_net_port, &rule, 0) != 0) {
            die(plan, ChildStep::LandlockPort, port);
        }
    }
}

void restrict_with_landlock(const ChildPlan& plan, int ruleset) {
    if (ruleset >= 0 && ::syscall(SYS_landlock_restrict_self, ruleset, plan.landlock_flags) != 0) {
        die(plan, ChildStep::LandlockRestrict);
    }
}

// Refused in every domain of Landlock's, and for want of a capability if it were not: tells the reader of the kernel's log which
// domain is ours (landlock_events.h).
void try_canary(const ChildPlan& plan) {
    if (plan.landlock_flags != 0) {
        ::mount(nullptr, "/", nullptr, MS_PRIVATE, nullptr);
    }
}

// After this only a store to the shared page, the filter's own test, execve and exit_group may follow: nothing else need
// be allowed.
void install_filter(const ChildPlan& plan) {
    if (!plan.filtered) {
        return;
    }
    const unsigned length = plan.status->filter_length; // 0, should it be missing, is an error of the call
    const sock_fprog program{static_cast<unsigned short>(length), plan.status->filter.data()};
    const long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, plan.filter_flags, &program);
    if (listener < 0) {
        die(plan, ChildStep::Seccomp);
    }
    if ((plan.filter_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) {
        plan.status->listener = static_cast<int>(listener);
    }
}

// With the first so many path rules to be added; init adds the others meanwhile.
[[noreturn]] void become_command(const ChildPlan& plan, int ruleset, size_t rules) {
    if (::chdir(plan.directory) != 0) {
        die(plan, ChildStep::Directory);
    }
    for (const ChildLimit& limit : plan.limits) {
        if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &limit.value) != 0) {
            die(plan, ChildStep::Limits);
        }
    }
    if (::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
        die(plan, ChildStep::Descriptors);
    }
    drop_capabilities(plan);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        die(plan, ChildStep::NoNewPrivileges);
    }
    add_path_rules(plan, ruleset, 0, rules);
    add_port_rules(plan, ruleset);
    char go = 0;
    if (!send_message(plan.socket, 'R', -1)) {
        die(plan, ChildStep::Report);
    }
    if (TEMP_FAILURE_RETRY(::read(plan.socket, &go, 1)) != 1 || go != 'G') {
        ::_exit(125); // the supervisor gave up
    }
    restrict_with_landlock(plan, ruleset); // it is complete: the supervisor has heard of init, too
    test_view(plan); // the host's root has been taken away by now
    try_canary(plan);
    ::pthread_sigmask(SIG_SETMASK, &plan.signal_mask, nullptr);
    install_filter(plan);
    test_filter(plan);
    ::execve(plan.program, plan.argv.data(), plan.environment.data());
    die(plan, ChildStep::Execute);
}

constexpr int init_socket = 0; // in init's descriptor table

// Pid 1: reaps, reports, and by its exit lets the kernel kill what is left. Not dumpable, so that nothing
// inside may trace it or read its memory; signals from inside do not reach it.
[[noreturn]] void run_init(const ChildPlan& plan) {
    int pidfd = -1;
    const int ruleset = make_ruleset(plan);
    const size_t half = plan.landlock_rules.size() / 2; // each takes some microseconds, and there may be hundreds
    const bool hiding = begin_to_hide_host(plan);
    const auto command = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD | CLONE_PIDFD, 0, &pidfd, 0, 0));
    if (command < 0) {
        die(plan, ChildStep::Fork);
    }
    if (command == 0) {
        become_command(plan, ruleset, half);
    }
    // Meanwhile the command's process gets ready. It is not let go before the supervisor has this message.
    add_path_rules(plan, ruleset, half, plan.landlock_rules.size());
    hide_host(plan, hiding);
    if (!send_message(plan.socket, 'P', pidfd)) {
        die(plan, ChildStep::Report);
    }
    ::dup2(plan.socket, init_socket);
    ::syscall(SYS_close_range, 1U, ~0U, 0U); // nothing else is kept
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    for (;;) {
        int status = 0;
        const pid_t ended = ::waitpid(-1, &status, WUNTRACED | __WALL);
        if (ended < 0 && errno == EINTR) {
            continue;
        }
        if (ended < 0) {
            ::_exit(125);
        }
        if (ended != command) {
            continue;
        }
        if (WIFSTOPPED(status)) {
            send_message(init_socket, 'S', -1);
            continue;
        }
        plan.status->wait_status = status;
        ::_exit(0);
    }
}

void make_namespaces(const ChildPlan& plan) {
    if (!write_whole("/proc/self/setgroups", "deny") || !write_whole("/proc/self/uid_map", plan.uid_map) ||
        !write_whole("/proc/self/gid_map", plan.gid_map)) {
        die(plan, ChildStep::IdMap);
    }
    // Here and not by clone, which would keep the supervisor waiting for it.
    const int rest = CLONE_NEWNS | (plan.isolate_processes ? CLONE_NEWIPC | CLONE_NEWUTS : 0) | (plan.own_network ? CLONE_NEWNET : 0);
    if (::unshare(rest) != 0) {
        die(plan, ChildStep::Namespaces);
    }
    begin_view(plan);
    if (plan.own_network) {
        const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        if (socket < 0 || ::ioctl(socket, SIOCSIFFLAGS, &request) != 0) {
            die(plan, ChildStep::Loopback);
        }
        ::close(socket);
    }
}

[[noreturn]] void run_first(const ChildPlan& plan) {
    ::close(plan.peer);
    // setresuid and the new namespaces' credentials clear both of these.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (plan.die_with_supervisor) {
        die_with_supervisor(plan);
    }
    if (plan.namespaces) {
        make_namespaces(plan);
    }
    char there = 0;
    if (TEMP_FAILURE_RETRY(::read(plan.socket, &there, 1)) != 1 || there != 'P') {
        ::_exit(125); // the supervisor gave up
    }
    if (plan.namespaces) {
        build_view(plan);
    }
    if (plan.isolate_processes) {
        run_init(plan);
    }
    if (plan.namespaces) {
        hide_host(plan, false);
    }
    become_command(plan, make_ruleset(plan), plan.landlock_rules.size());
}

} // namespace

void die(const ChildPlan& plan, ChildStep step, int index) {
    const int code = errno;
    plan.status->failed_errno = code;
    plan.status->failed_index = index;
    plan.status->failed_step = static_cast<int>(step);
    for (;;) {
        ::syscall(SYS_exit_group, 125);
    }
}

std::string_view to_string(ChildStep step) {
    switch (step) {
    case ChildStep::None:
        return "start";
    case ChildStep::User:
        return "become the user";
    case ChildStep::Namespaces:
        return "make the namespaces";
    case ChildStep::IdMap:
        return "map the user into the namespace";
    case ChildStep::Loopback:
        return "bring up the loopback interface";
    case ChildStep::Root:
        return "make the new root";
    case ChildStep::Proc:
        return "mount a new /proc";
    case ChildStep::Devices:
        return "make a new /dev";
    case ChildStep::Mount:
        return "mount";
    case ChildStep::HideHost:
        return "take the host's root away";
    case ChildStep::Fork:
        return "fork the command";
    case ChildStep::Directory:
        return "enter the working directory";
    case ChildStep::Limits:
        return "set the resource limits";
    case ChildStep::Descriptors:
        return "close inherited descriptors";
    case ChildStep::Capabilities:
        return "drop the capabilities";
    case ChildStep::NoNewPrivileges:
        return "set no_new_privs";
    case ChildStep::LandlockCreate:
        return "make the Landlock ruleset";
    case ChildStep::LandlockRule:
        return "add the Landlock rule for";
    case ChildStep::LandlockPort:
        return "add the Landlock rule for port";
    case ChildStep::LandlockRestrict:
        return "enforce the Landlock ruleset";
    case ChildStep::SelfTest:
        return "trust the sandbox";
    case ChildStep::Report:
        return "report to the supervisor";
    case ChildStep::Seccomp:
        return "install the system call filter";
    case ChildStep::Execute:
        return "execute";
    }
    return "start";
}

pid_t start_child(const ChildPlan& plan) {
    unsigned long flags = SIGCHLD;
    if (plan.namespaces) {
        flags |= CLONE_NEWUSER | (plan.isolate_processes ? CLONE_NEWPID : 0);
    }
    if (!plan.switch_user) {
        const auto pid = static_cast<pid_t>(::syscall(SYS_clone, flags, 0, 0, 0, 0));
        if (pid == 0) {
            run_first(plan);
        }
        return pid;
    }
    // Real root: a step of its own gives the rights away first, because the user namespace must be the
    // user's. CLONE_PARENT makes the next child ours all the same.
    const auto step = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    if (step == 0) {
        if (::setgroups(plan.groups.size(), plan.groups.data()) != 0 ||
            ::setresgid(plan.gid, plan.gid, plan.gid) != 0 ||
            ::setresuid(plan.uid, plan.uid, plan.uid) != 0) {
            die(plan, ChildStep::User);
        }
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        const auto pid = static_cast<pid_t>(::syscall(SYS_clone, flags | CLONE_PARENT, 0, 0, 0, 0));
        if (pid == 0) {
            run_first(plan);
        }
        if (pid < 0) {
            die(plan, ChildStep::Namespaces);
        }
        plan.status->first_pid = pid;
        ::_exit(0);
    }
    if (step < 0) {
        return -1;
    }
    int status = 0;
    while (::waitpid(step, &status, 0) < 0 && errno == EINTR) {
    }
    const int pid = plan.status->first_pid;
    if (pid == 0) {
        errno = plan.status->failed_errno;
        return -1;
    }
    return pid;
}

} // namespace treadline

#include <algorithm>
#include <cerrno>

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <catch2/catch_test_macros.hpp>

#include "enforcer/call_program.h"
#include "enforcer/missing_defs.h"
#include "enforcer/seccomp_filter.h"
#include "profiles/syscall_groups.h"
#include "tests/enforcer/bpf_evaluator.h"

using namespace treadline;

namespace {

#if defined(__x86_64__)
constexpr uint32_t native = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t native = AUDIT_ARCH_AARCH64;
#endif
constexpr uint32_t allowed = SECCOMP_RET_ALLOW;
constexpr uint32_t notified = SECCOMP_RET_USER_NOTIF;
constexpr uint32_t high_bit = 0x80000000;

uint32_t no(int code) {
    return SECCOMP_RET_ERRNO | static_cast<uint32_t>(code);
}

class Filter {
public:
    explicit Filter(const SeccompRules& rules) : program_(compile_seccomp(rules).value()) {}
    [[nodiscard]] uint32_t operator()(long number, std::vector<uint64_t> arguments = {},
                                      uint32_t architecture = native) const {
        seccomp_data call{};
        call.nr = static_cast<int>(number);
        call.arch = architecture;
        std::copy(arguments.begin(), arguments.end(), static_cast<__u64*>(call.args));
        return test::evaluate(program_, call);
    }
    std::vector<sock_filter> program_;
};

SeccompRules listing(std::vector<std::string> names) {
    return {std::move(names), true, true};
}

} // namespace

TEST_CASE("calls that reach for a process or a key are looked at unless their arguments mean nothing outside", "[enforcer][seccomp]") {
    SeccompRules rules = listing({"kill", "tgkill", "prlimit64", "ptrace", "shmget", "mq_open", "pidfd_open", "read"});
    const Filter plain(rules);
    rules.watch_reaching = true;
    const Filter filter(rules);
    struct Call {
        long number;
        std::vector<uint64_t> arguments;
        uint32_t verdict;
    };
    for (const Call& call : {Call{SYS_kill, {4711, 9}, notified}, Call{SYS_kill, {4711, 0}, allowed}, Call{SYS_kill, {0, 9}, allowed},
                             Call{SYS_kill, {static_cast<uint64_t>(-4711), 15}, notified}, Call{SYS_tgkill, {1, 1, 6}, notified},
                             Call{SYS_tgkill, {1, 1, 0}, allowed}, Call{SYS_prlimit64, {0, 7}, allowed}, Call{SYS_prlimit64, {4711, 7}, notified},
                             Call{SYS_ptrace, {0, 0}, allowed}, Call{SYS_ptrace, {7, 4711}, allowed}, Call{SYS_ptrace, {16, 4711}, notified},
                             Call{SYS_ptrace, {0x4206, 4711}, notified}, Call{SYS_ptrace, {0x4207, 4711}, allowed},
                             Call{SYS_ptrace, {0x420e, 4711}, allowed}, Call{SYS_shmget, {0, 1}, allowed}, Call{SYS_shmget, {5, 1}, notified},
                             Call{SYS_mq_open, {1, 1}, notified}, Call{SYS_pidfd_open, {4711}, notified}, Call{SYS_read, {0}, allowed}}) {
        INFO(call.number << " " << call.arguments[0]);
        CHECK(filter(call.number, call.arguments) == call.verdict);
        CHECK(plain(call.number, call.arguments) == allowed);
    }
    rules.notify = false;
    CHECK(Filter(rules)(SYS_kill, {4711, 9}) == allowed);
}

TEST_CASE("a listed call is allowed, any other is reported", "[enforcer][seccomp]") {
    const Filter filter(listing({"read", "getpid"}));
    CHECK(filter(SYS_read) == allowed);
    CHECK(filter(SYS_getpid) == allowed);
    CHECK(filter(SYS_ptrace) == notified);
    CHECK(filter(SYS_io_uring_setup) == notified);
    CHECK(filter(SYS_bpf) == notified);
    CHECK(filter(999) == notified); // the supervisor answers ENOSYS to numbers nobody knows
}

TEST_CASE("without notifications what is not listed fails with EPERM", "[enforcer][seccomp]") {
    const Filter filter({{"read", "openat"}, false, true});
    CHECK(filter(SYS_read) == allowed);
    CHECK(filter(SYS_openat) == allowed); // nobody to look at it
    CHECK(filter(SYS_ptrace) == no(EPERM));
}

TEST_CASE("an empty list still lets a process end and return from a signal", "[enforcer][seccomp]") {
    const Filter filter(listing({}));
    CHECK(filter(SYS_exit_group) == allowed);
    CHECK(filter(SYS_exit) == allowed);
    CHECK(filter(SYS_rt_sigreturn) == allowed);
    CHECK(filter(SYS_read) == notified);
}

TEST_CASE("calls that name paths are watched where paths are watched", "[enforcer][seccomp]") {
    const SeccompRules watching = listing({"openat", "execve", "connect", "read"});
    CHECK(Filter(watching)(SYS_openat) == notified);
    CHECK(Filter(watching)(SYS_execve) == notified);
    CHECK(Filter(watching)(SYS_connect) == notified);
    SeccompRules blind = watching;
    blind.watch_paths = false;
    CHECK(Filter(blind)(SYS_openat) == allowed);
    CHECK(Filter(blind)(SYS_execve) == allowed);
}

TEST_CASE("foreign architectures and x32 get ENOSYS, whatever is listed", "[enforcer][seccomp]") {
    const Filter filter(listing({"read", "getpid", "ioctl"}));
    CHECK(filter(SYS_getpid, {}, AUDIT_ARCH_I386) == no(ENOSYS));
    CHECK(filter(54 /* ioctl in i386 */, {0, TIOCSTI}, AUDIT_ARCH_I386) == no(ENOSYS));
#ifdef __x86_64__
    CHECK(filter(0x40000000 | SYS_getpid) == no(ENOSYS));
    CHECK(filter(0x40000000 | SYS_read) == no(ENOSYS));
#endif
}

TEST_CASE("typing into the terminal is refused, with any high bits", "[enforcer][seccomp]") {
    const Filter filter(listing({"ioctl"}));
    CHECK(filter(SYS_ioctl, {0, TCGETS}) == allowed);
    CHECK(filter(SYS_ioctl, {0, TIOCSTI}) == notified);
    CHECK(filter(SYS_ioctl, {0, TIOCLINUX}) == notified);
    CHECK(filter(SYS_ioctl, {0, TIOCSTI | (1ULL << 32)}) == notified);
    CHECK(filter(SYS_ioctl, {0, TIOCLINUX | (0xffffffffULL << 32)}) == notified);
    CHECK(filter(SYS_ioctl, {TIOCSTI, TCGETS}) == allowed);
    CHECK(filter(SYS_ioctl, {0, TIOCSETD}) == notified); // a line discipline
    CHECK(filter(SYS_ioctl, {0, TIOCCONS | (1ULL << 63)}) == notified);
}

TEST_CASE("a value that is zero in the half the kernel looks at is what it looks like to the kernel", "[enforcer][seccomp]") {
    constexpr uint64_t high = 1ULL << 32;
    const Filter filter(listing({"ioctl", "prctl", "clone", "seccomp", "unshare", "socket", "listen", "personality", "memfd_create"}));
    CHECK(filter(SYS_ioctl, {0, uint64_t{TIOCSTI} << 32}) == allowed); // no command of that number: ENOTTY
    CHECK(filter(SYS_prctl, {uint64_t{PR_SET_MM} << 32}) == allowed);
    CHECK(filter(SYS_prctl, {PR_SET_MM | high}) == notified);
    CHECK(filter(SYS_prctl, {PR_SET_SECCOMP | high}) == allowed); // `seccomp` is listed
    CHECK(filter(SYS_seccomp, {1, SECCOMP_FILTER_FLAG_NEW_LISTENER | high}) == notified);
    CHECK(filter(SYS_seccomp, {1, high}) == allowed);
    CHECK(filter(SYS_unshare, {high}) == allowed);
    CHECK(filter(SYS_unshare, {CLONE_NEWUSER | high}) == notified);
    CHECK(filter(SYS_clone, {CLONE_NEWUSER | high}) == notified);
    CHECK(filter(SYS_clone, {high}) == allowed);
    CHECK(filter(SYS_memfd_create, {0, memfd_noexec_seal | high}) == allowed);
    CHECK(filter(SYS_memfd_create, {0, uint64_t{memfd_noexec_seal} << 32}) == notified);
    // Where a list of values is allowed, anything else in the register is refused.
    CHECK(filter(SYS_socket, {AF_UNIX | high, SOCK_STREAM, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_PACKET | high, SOCK_RAW, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_INET | high, SOCK_STREAM, 0}) == notified);
    CHECK(filter(SYS_personality, {high}) == notified);
}

TEST_CASE("processes are made, namespaces are not", "[enforcer][seccomp]") {
    const Filter filter(listing({"clone", "clone3", "fork"}));
    CHECK(filter(SYS_clone, {17 /* SIGCHLD */}) == allowed);
    CHECK(filter(SYS_clone, {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD}) == allowed);
    for (const uint64_t flag : {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                                CLONE_NEWUTS, CLONE_NEWCGROUP}) {
        CHECK(filter(SYS_clone, {17 | flag}) == notified);
    }
    CHECK(filter(SYS_clone3) == no(ENOSYS)); // libc falls back to clone
    CHECK(filter(SYS_unshare) == notified);
}

TEST_CASE("a listed unshare divides what threads share, and makes no namespace", "[enforcer][seccomp]") {
    const Filter filter(listing({"unshare"}));
    CHECK(filter(SYS_unshare, {CLONE_FS | CLONE_FILES}) == allowed);
    constexpr uint64_t new_time = 0x80;
    for (const uint64_t flag : {uint64_t{CLONE_NEWUSER}, uint64_t{CLONE_NEWNS}, uint64_t{CLONE_NEWPID}, uint64_t{CLONE_NEWNET},
                                uint64_t{CLONE_NEWIPC}, uint64_t{CLONE_NEWUTS}, uint64_t{CLONE_NEWCGROUP}, new_time}) {
        CHECK(filter(SYS_unshare, {flag}) == notified);
        CHECK(filter(SYS_unshare, {CLONE_FS | flag}) == notified);
    }
}

TEST_CASE("nothing dangerous is in a group", "[enforcer][seccomp]") {
    std::vector<std::string> everything;
    for (const std::string& group : syscalls::groups()) {
        const std::vector<std::string> calls = syscalls::expand(group).value();
        everything.insert(everything.end(), calls.begin(), calls.end());
    }
    const Filter filter(listing(everything));
    for (const long number : {SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_seccomp, SYS_bpf,
                              SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key, SYS_request_key, SYS_io_uring_setup,
                              SYS_io_uring_enter, SYS_io_uring_register, SYS_mount, SYS_umount2, SYS_mount_setattr,
                              SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_pivot_root,
                              SYS_chroot, SYS_setns, SYS_unshare, SYS_kexec_load, SYS_reboot, SYS_init_module, SYS_finit_module,
                              SYS_delete_module, SYS_swapon, SYS_swapoff, SYS_open_by_handle_at, SYS_name_to_handle_at,
                              SYS_quotactl, SYS_acct, SYS_personality, SYS_syslog, SYS_clock_settime, SYS_settimeofday,
                              SYS_adjtimex, SYS_sethostname, SYS_setdomainname, SYS_fanotify_init, SYS_fanotify_mark,
                              SYS_move_pages, SYS_migrate_pages, SYS_memfd_secret, SYS_vhangup}) {
        INFO(syscall_name(static_cast<int>(number)));
        CHECK(filter(number, {2, 2, 2}) == notified);
    }
    CHECK(filter(SYS_kcmp) == allowed); // asks what ptrace may, and only within the sandbox's own processes
}

TEST_CASE("sockets are UNIX, TCP and UDP, and netlink as libc needs it", "[enforcer][seccomp]") {
    const Filter filter(listing({"socket", "socketpair", "listen"}));
    CHECK(filter(SYS_socket, {AF_UNIX, SOCK_STREAM, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0}) == allowed);
    for (const uint64_t family : {AF_INET, AF_INET6}) {
        for (const uint64_t flags : {0, int{SOCK_CLOEXEC}, int{SOCK_NONBLOCK}, SOCK_CLOEXEC | SOCK_NONBLOCK}) {
            CHECK(filter(SYS_socket, {family, SOCK_STREAM | flags, 0}) == allowed);
            CHECK(filter(SYS_socket, {family, SOCK_STREAM | flags, IPPROTO_TCP}) == allowed);
            CHECK(filter(SYS_socket, {family, SOCK_DGRAM | flags, 0}) == allowed);
            CHECK(filter(SYS_socket, {family, SOCK_DGRAM | flags, IPPROTO_UDP}) == allowed);
        }
        CHECK(filter(SYS_socket, {family, SOCK_RAW, IPPROTO_ICMP}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_RAW, IPPROTO_RAW}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_DGRAM, IPPROTO_ICMP}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_DGRAM, IPPROTO_UDPLITE}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_STREAM, IPPROTO_SCTP}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_SEQPACKET, 0}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_DCCP, 0}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_PACKET, 0}) == notified);
        // As from a kernel without it, which runtimes that prefer it expect.
        CHECK(filter(SYS_socket, {family, SOCK_STREAM, IPPROTO_MPTCP}) == no(EPROTONOSUPPORT));
    }
    CHECK(filter(SYS_socket, {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}) == allowed);
    for (const uint64_t protocol : {NETLINK_NETFILTER, NETLINK_SOCK_DIAG, NETLINK_XFRM, NETLINK_AUDIT, NETLINK_KOBJECT_UEVENT,
                                    NETLINK_GENERIC, NETLINK_CRYPTO, NETLINK_CONNECTOR}) {
        CHECK(filter(SYS_socket, {AF_NETLINK, SOCK_RAW, protocol}) == notified);
    }
    for (const uint64_t family : {AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_CAN, AF_TIPC, AF_RDS, AF_XDP, AF_KEY, AF_NFC,
                                  AF_KCM, AF_SMC, AF_APPLETALK, AF_UNSPEC}) {
        CHECK(filter(SYS_socket, {family, SOCK_STREAM, 0}) == notified);
        CHECK(filter(SYS_socket, {family, SOCK_RAW, 0}) == notified);
    }
    CHECK(filter(SYS_socketpair, {AF_UNIX}) == allowed);
    CHECK(filter(SYS_socketpair, {AF_INET}) == notified);
    CHECK(filter(SYS_socketpair, {AF_TIPC}) == notified);
}

TEST_CASE("without @network only UNIX sockets can be made", "[enforcer][seccomp]") {
    const Filter filter(listing({"socket", "socketpair", "connect"}));
    CHECK(filter(SYS_socket, {AF_UNIX, SOCK_STREAM, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_INET, SOCK_STREAM, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_INET6, SOCK_DGRAM, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}) == notified);
    CHECK(filter(SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_MPTCP}) == notified);
}

TEST_CASE("without a network namespace sockets are TCP, and what they are told to do is the supervisor's", "[enforcer][seccomp][flat]") {
    SeccompRules rules = listing({"socket", "connect", "bind", "listen", "sendto", "sendmsg", "setsockopt"});
    rules.flat = FlatSockets{false, true, true};
    const Filter filter(rules);
    CHECK(filter(SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_INET6, SOCK_STREAM, IPPROTO_TCP}) == allowed);
    CHECK(filter(SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_MPTCP}) == no(EPROTONOSUPPORT));
    for (const std::vector<uint64_t>& arguments : {std::vector<uint64_t>{AF_INET, SOCK_DGRAM, 0}, {AF_INET6, SOCK_DGRAM, IPPROTO_UDP}, {AF_INET, SOCK_RAW, IPPROTO_ICMP},
                                                   {AF_INET, SOCK_STREAM, IPPROTO_SCTP}, {AF_UNIX, SOCK_STREAM, 0}, {AF_PACKET, SOCK_RAW, 0}, {AF_VSOCK, SOCK_STREAM, 0}}) {
        CHECK(filter(SYS_socket, arguments) == notified);
    }
    for (const long number : {SYS_connect, SYS_bind, SYS_listen}) {
        CHECK(filter(number, {3, 0, 0}) == notified);
    }
    CHECK(filter(SYS_sendmsg, {3, 0, MSG_FASTOPEN}) == notified);
    CHECK(filter(SYS_sendmsg, {3, 0, MSG_NOSIGNAL}) == allowed);
    for (const uint64_t high : {uint64_t{0}, uint64_t{1} << 32}) { // which the kernel does not look at
        CHECK(filter(SYS_setsockopt, {3, high | IPPROTO_IP, high | IP_OPTIONS}) == notified);
        CHECK(filter(SYS_setsockopt, {3, high | IPPROTO_IPV6, high | IPV6_RTHDR}) == notified);
        CHECK(filter(SYS_setsockopt, {3, high | SOL_SOCKET, high | SO_BINDTODEVICE}) == notified);
        CHECK(filter(SYS_setsockopt, {3, high | IPPROTO_TCP, high | 31}) == notified); // TCP_ULP
    }
    CHECK(filter(SYS_setsockopt, {3, SOL_SOCKET, SO_REUSEADDR}) == allowed);
    CHECK(filter(SYS_setsockopt, {3, IPPROTO_TCP, 4}) == allowed); // TCP_KEEPIDLE, the number of IP_OPTIONS
    rules.flat = FlatSockets{false, true, false};
    CHECK(Filter(rules)(SYS_listen, {3, 0, 0}) == allowed);
}

TEST_CASE("a filter of its own comes with `seccomp` only, in whatever way it is asked for", "[enforcer][seccomp]") {
    CHECK(Filter(listing({"prctl"}))(SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_FILTER}) == notified);
    CHECK(Filter(listing({"prctl"}))(SYS_seccomp, {SECCOMP_SET_MODE_FILTER}) == notified);
    CHECK(Filter(listing({"prctl", "seccomp"}))(SYS_prctl, {PR_SET_SECCOMP, SECCOMP_MODE_FILTER}) == allowed);
}

TEST_CASE("what no rule would allow is told apart from what one would, as the filter does it", "[enforcer][seccomp]") {
    const Filter filter(listing({"ioctl", "prctl", "seccomp", "unshare", "clone", "socket", "socketpair", "listen", "personality",
                                 "memfd_create", "read", "ptrace", "setpriority", "ioprio_set"}));
    const auto agree = [&](long number, std::vector<uint64_t> arguments) {
        seccomp_data call{};
        std::copy(arguments.begin(), arguments.end(), static_cast<__u64*>(call.args));
        CAPTURE(syscall_name(static_cast<int>(number)), arguments);
        CHECK(refused_for_arguments(syscall_name(static_cast<int>(number)), call) == (filter(number, arguments) == notified));
    };
    for (const uint64_t high : {uint64_t{0}, uint64_t{1} << 32, uint64_t{0xffffffff} << 32}) {
        for (uint64_t low = 0; low < 300; ++low) {
            for (const long number : {SYS_ioctl, SYS_prctl, SYS_unshare, SYS_clone, SYS_socketpair, SYS_personality, SYS_read, SYS_ptrace, SYS_setpriority,
                                      SYS_ioprio_set}) {
                agree(number, {high | low, high | low});
            }
            if (low != IPPROTO_MPTCP) {
                for (const uint64_t family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK, AF_PACKET}) {
                    agree(SYS_socket, {family, SOCK_STREAM, high | low});
                    agree(SYS_socket, {family, low, IPPROTO_UDP});
                }
                agree(SYS_socket, {high | low, SOCK_STREAM, 0});
            }
            agree(SYS_seccomp, {1, high | low});
            agree(SYS_memfd_create, {0, high | low});
        }
        for (const uint64_t command : {TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS, TCGETS}) {
            agree(SYS_ioctl, {0, high | command});
        }
        for (int bit = 0; bit < 32; ++bit) {
            agree(SYS_unshare, {high | (uint64_t{1} << bit)});
            agree(SYS_clone, {high | (uint64_t{1} << bit)});
        }
    }
}

TEST_CASE("arguments that would undo the sandbox are refused though the call is listed",
          "[enforcer][seccomp]") {
    const Filter filter(listing({"prctl", "seccomp", "personality", "memfd_create"}));
    CHECK(filter(SYS_prctl, {PR_SET_NAME}) == allowed);
    CHECK(filter(SYS_prctl, {PR_SET_MM}) == notified);
    CHECK(filter(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, 0}) == allowed);
    CHECK(filter(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER}) == notified);
    CHECK(filter(SYS_seccomp, {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | 1}) == notified);
    CHECK(filter(SYS_personality, {0}) == allowed);
    CHECK(filter(SYS_personality, {0xffffffff}) == allowed);
    CHECK(filter(SYS_personality, {ADDR_NO_RANDOMIZE}) == notified);
    CHECK(filter(SYS_memfd_create, {0, memfd_noexec_seal}) == allowed);
    CHECK(filter(SYS_memfd_create, {0, 0}) == notified); // the supervisor gives a sealed one
    CHECK(filter(SYS_memfd_create, {0, memfd_exec}) == notified);
    CHECK(filter(SYS_memfd_create, {0, memfd_exec | memfd_noexec_seal}) == notified);
}

TEST_CASE("priorities are its own processes', not the process group's, which is the caller's", "[enforcer][seccomp]") {
    const Filter filter(listing({"setpriority", "ioprio_set"}));
    CHECK(filter(SYS_setpriority, {PRIO_PROCESS, 0, 19}) == allowed);
    CHECK(filter(SYS_setpriority, {PRIO_PGRP, 0, 19}) == notified);
    CHECK(filter(SYS_setpriority, {PRIO_PGRP | (1ULL << 32), 0, 19}) == notified);
    CHECK(filter(SYS_setpriority, {PRIO_USER, 0, 19}) == allowed); // of those it can see
    CHECK(filter(SYS_ioprio_set, {1, 0, 0}) == allowed);
    CHECK(filter(SYS_ioprio_set, {2, 0, 0}) == notified);
}

TEST_CASE("a name libseccomp does not know is left out, not an error", "[enforcer][seccomp]") {
    CHECK(compile_seccomp(listing({"read", "call_of_a_kernel_to_come"})).has_value());
    CHECK(syscall_number("call_of_a_kernel_to_come") < 0);
    CHECK(syscall_name(SYS_read) == "read");
    CHECK(syscall_name(999).empty());
}

TEST_CASE("calls are told apart in a program longer than a jump", "[enforcer][seccomp]") {
    CallProgram calls(native, no(EPERM), no(ENOSYS));
    for (int number = 0; number < 900; number += 3) {
        calls.answer(number, allowed, number % 2 == 0 ? ArgumentShape{{2, 0xff, 7}} : ArgumentShape{});
    }
    const std::vector<sock_filter> program = calls.compile();
    REQUIRE(program.size() > 1000);
    seccomp_data call{};
    call.arch = native;
    for (call.nr = 0; call.nr < 1000; ++call.nr) {
        INFO(call.nr);
        const bool listed = call.nr < 900 && call.nr % 3 == 0;
        call.args[2] = 0x1107;
        CHECK(test::evaluate(program, call) == (listed ? allowed : no(EPERM)));
        call.args[2] = 0x1108;
        CHECK(test::evaluate(program, call) == (listed && call.nr % 2 == 1 ? allowed : no(EPERM)));
    }
}

TEST_CASE("the evaluator tells a wrong filter from a right one", "[enforcer][seccomp]") {
    const std::vector<sock_filter> everything = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    seccomp_data call{};
    call.nr = SYS_ptrace;
    CHECK(test::evaluate(everything, call) == allowed);
    CHECK_THROWS(test::evaluate({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, high_bit)}, call));
    CHECK_THROWS(test::evaluate({}, call));
}

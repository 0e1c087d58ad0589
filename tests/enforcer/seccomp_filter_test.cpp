#include <algorithm>
#include <cerrno>

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <catch2/catch_test_macros.hpp>

#include "enforcer/missing_defs.h"
#include "enforcer/seccomp_filter.h"
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

TEST_CASE("sockets are of the families that a network namespace holds", "[enforcer][seccomp]") {
    const Filter filter(listing({"socket", "socketpair", "listen"}));
    CHECK(filter(SYS_socket, {AF_UNIX, SOCK_STREAM, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_INET, SOCK_STREAM, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_INET6, SOCK_DGRAM, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}) == allowed);
    CHECK(filter(SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}) == notified);
    CHECK(filter(SYS_socket, {AF_PACKET, SOCK_RAW, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}) == notified);
    CHECK(filter(SYS_socketpair, {AF_UNIX}) == allowed);
    CHECK(filter(SYS_socketpair, {AF_INET}) == notified);
}

TEST_CASE("without @network only UNIX sockets can be made", "[enforcer][seccomp]") {
    const Filter filter(listing({"socket", "socketpair", "connect"}));
    CHECK(filter(SYS_socket, {AF_UNIX, SOCK_STREAM, 0}) == allowed);
    CHECK(filter(SYS_socket, {AF_INET, SOCK_STREAM, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_INET6, SOCK_DGRAM, 0}) == notified);
    CHECK(filter(SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}) == notified);
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

TEST_CASE("a name libseccomp does not know is left out, not an error", "[enforcer][seccomp]") {
    CHECK(compile_seccomp(listing({"read", "call_of_a_kernel_to_come"})).has_value());
    CHECK(syscall_number("call_of_a_kernel_to_come") < 0);
    CHECK(syscall_name(SYS_read) == "read");
    CHECK(syscall_name(999).empty());
}

TEST_CASE("the evaluator tells a wrong filter from a right one", "[enforcer][seccomp]") {
    const std::vector<sock_filter> everything = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    seccomp_data call{};
    call.nr = SYS_ptrace;
    CHECK(test::evaluate(everything, call) == allowed);
    CHECK_THROWS(test::evaluate({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, high_bit)}, call));
    CHECK_THROWS(test::evaluate({}, call));
}

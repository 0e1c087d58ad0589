#include "enforcer/seccomp_filter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "enforcer/call_program.h"
#include "enforcer/missing_defs.h"

namespace treadline {
namespace {

constexpr std::array watched = {
    "open",      "openat",       "openat2",      "creat",         "execve",       "execveat",    "unlink",
    "unlinkat",  "rename",       "renameat",     "renameat2",     "mkdir",        "mkdirat",     "rmdir",
    "link",      "linkat",       "symlink",      "symlinkat",     "mknod",        "mknodat",     "truncate",
    "chmod",     "fchmod",       "fchmodat",     "fchmodat2",     "chown",        "lchown",      "fchown",
    "fchownat",  "utime",        "utimes",       "futimesat",     "utimensat",    "setxattr",    "lsetxattr",
    "fsetxattr", "setxattrat",   "removexattr",  "lremovexattr",  "fremovexattr", "removexattrat",
    "file_setattr", "connect",   "bind",
};
// Their addresses lie behind a pointer, so the filter cannot tell the calls without one, which are many.
constexpr std::array watched_in_audits = {"sendmsg", "sendmmsg"};

constexpr std::array reaching = {
    "kill",   "tkill",            "tgkill",            "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "prlimit64",
    "ptrace", "process_vm_readv", "process_vm_writev", "shmget",          "semget",            "msgget",     "mq_open",
};

// They change a file's attributes through a descriptor that only reads it.
constexpr std::array watched_ioctls = {static_cast<uint32_t>(FS_IOC_SETFLAGS), static_cast<uint32_t>(FS_IOC_FSSETXATTR)};

constexpr uint64_t new_namespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint32_t ioprio_of_group = 2;       // IOPRIO_WHO_PGRP of linux/ioprio.h, which Linux 6.1's headers have not
constexpr uint32_t new_time_namespace = 0x80; // CLONE_NEWTIME, which unshare takes; in clone it is part of a signal

#if defined(__x86_64__)
constexpr uint32_t native_architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t native_architecture = AUDIT_ARCH_AARCH64;
#else
#error "Treadline knows x86-64 and aarch64"
#endif

// A call whose argument must be looked at as the 32 bits the kernel takes it for: a comparison of the whole
// register would be passed by setting a high bit.
struct NarrowRefusal {
    enum class Test : uint8_t { Equal, AnyBit, NoBit };
    const char* name;
    unsigned argument;
    Test test;
    uint32_t value;
    const char* unless = nullptr; // not refused where this call is listed

    [[nodiscard]] bool matches(uint32_t low) const {
        switch (test) {
        case Test::Equal:
            return low == value;
        case Test::AnyBit:
            return (low & value) != 0;
        case Test::NoBit:
            return (low & value) == 0;
        }
        return true;
    }
};

constexpr std::array narrow_refusals = std::to_array<NarrowRefusal>({
    {"ioctl", 1, NarrowRefusal::Test::Equal, TIOCSTI},   // types into the terminal
    {"ioctl", 1, NarrowRefusal::Test::Equal, TIOCLINUX}, // pastes into a console
    {"ioctl", 1, NarrowRefusal::Test::Equal, TIOCSETD},  // loads line disciplines, modules nobody looks after
    {"ioctl", 1, NarrowRefusal::Test::Equal, TIOCCONS},  // takes the console's messages
    {"prctl", 0, NarrowRefusal::Test::Equal, PR_SET_MM}, // could make /proc/PID/exe lie to the supervisor
    // A filter of its own answers before ours, so that what it refuses is in no report.
    {"prctl", 0, NarrowRefusal::Test::Equal, PR_SET_SECCOMP, "seccomp"},
    {"seccomp", 1, NarrowRefusal::Test::AnyBit, SECCOMP_FILTER_FLAG_NEW_LISTENER}, // a supervisor of its own
    {"unshare", 0, NarrowRefusal::Test::AnyBit, static_cast<uint32_t>(new_namespaces) | new_time_namespace},
    // Its process group is the caller's: the supervisor is in it, and what the shell started beside it.
    {"setpriority", 0, NarrowRefusal::Test::Equal, PRIO_PGRP},
    {"ioprio_set", 0, NarrowRefusal::Test::Equal, ioprio_of_group},
    // An executable memory file is a program no rule names, in no directory a mount could hold.
    {"memfd_create", 1, NarrowRefusal::Test::AnyBit, memfd_exec},
    {"memfd_create", 1, NarrowRefusal::Test::NoBit, memfd_noexec_seal},
});

// Where no network namespace holds it: TCP's fast open contacts somebody without a connect that Landlock would see.
constexpr std::array flat_refusals = std::to_array<NarrowRefusal>({
    {"sendto", 3, NarrowRefusal::Test::AnyBit, MSG_FASTOPEN},
    {"sendmsg", 2, NarrowRefusal::Test::AnyBit, MSG_FASTOPEN},
    {"sendmmsg", 3, NarrowRefusal::Test::AnyBit, MSG_FASTOPEN},
});

bool lists(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Runs before the other program, which checks the architecture itself; a foreign one skips this.
std::vector<sock_filter> narrow_program(uint32_t refusal, const SeccompRules& rules) {
    std::vector<sock_filter> program = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_architecture, 0, 0), // patched: else to the end
    };
    std::vector<NarrowRefusal> refusals(narrow_refusals.begin(), narrow_refusals.end());
    if (rules.flat) {
        refusals.insert(refusals.end(), flat_refusals.begin(), flat_refusals.end());
    }
    for (const uint32_t request : watched_ioctls) {
        if (rules.notify && rules.watch_paths) { // no refusals, but to be judged: the supervisor sees them in the same way
            refusals.push_back({"ioctl", 1, NarrowRefusal::Test::Equal, request});
        }
    }
    for (const NarrowRefusal& rule : refusals) {
        if (rule.unless != nullptr && lists(rules.allowed, rule.unless)) {
            continue;
        }
        // Little-endian on every architecture here: the low half comes first.
        const auto low =
            static_cast<uint32_t>(offsetof(seccomp_data, args) + rule.argument * sizeof(uint64_t));
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(syscall_number(rule.name)), 0, 3));
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low));
        switch (rule.test) {
        case NarrowRefusal::Test::Equal:
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule.value, 0, 1));
            break;
        case NarrowRefusal::Test::AnyBit:
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, rule.value, 0, 1));
            break;
        case NarrowRefusal::Test::NoBit:
            program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, rule.value, 1, 0));
            break;
        }
        program.push_back(BPF_STMT(BPF_RET | BPF_K, refusal));
    }
    assert(program.size() - 2 <= UINT8_MAX);
    program[1].jf = static_cast<uint8_t>(program.size() - 2);
    return program;
}

ArgumentTest equal(unsigned argument, uint64_t value) {
    return {argument, UINT64_MAX, value};
}

ArgumentTest equal_but_for(unsigned argument, uint64_t ignored, uint64_t value) {
    return {argument, UINT32_MAX & ~ignored, value};
}

// The arguments with which a reaching call has nothing outside in mind.
std::vector<ArgumentShape> harmless_shapes(std::string_view name) {
    const auto low = [](unsigned argument, uint64_t ignored, uint64_t value) { return ArgumentShape{equal_but_for(argument, ignored, value)}; };
    if (name == "kill") {
        return {low(0, 0, 0), low(1, 0, 0)}; // its own group; only asked
    }
    if (name == "tkill" || name == "rt_sigqueueinfo") {
        return {low(1, 0, 0)};
    }
    if (name == "tgkill" || name == "rt_tgsigqueueinfo") {
        return {low(2, 0, 0)};
    }
    if (name == "prlimit64" || name == "shmget" || name == "semget" || name == "msgget") {
        return {low(0, 0, 0)}; // itself; IPC_PRIVATE
    }
    if (name == "ptrace") { // all but PTRACE_ATTACH (16) and PTRACE_SEIZE (0x4206) of what starts there
        return {low(0, 0xf, 0),      low(0, 0, 17),      low(0, 0, 24),      low(0, 0x3, 0x4200),
                low(0, 0x1, 0x4204), low(0, 0, 0x4207), low(0, 0x7, 0x4208)};
    }
    return {};
}

// The arguments with which a listed call is allowed; nothing: with any. A value with high bits that the kernel does not
// look at is no match, and so refused.
std::optional<std::vector<ArgumentShape>> shapes_of(std::string_view name, bool internet) {
    if (name == "clone") { // with its flags in a register; clone3 has them behind a pointer
        return {{{ArgumentTest{0, new_namespaces, 0}}}};
    }
    if (name == "socketpair") {
        return {{{equal(0, AF_UNIX)}}};
    }
    if (name == "personality") {
        // 0: what it is already; 0xffffffff: only ask. Others switch address checks off.
        return {{{equal(0, 0)}, {equal(0, 0xffffffff)}}};
    }
    if (name != "socket") {
        return std::nullopt;
    }
    std::vector<ArgumentShape> shapes = {{equal(0, AF_UNIX)}};
    if (internet) {
        // TCP and UDP. Others reach the network past rules about ports (MPTCP, SCTP), or load modules.
        constexpr uint64_t flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
        for (const uint64_t family : {AF_INET, AF_INET6}) {
            for (const uint64_t protocol : {0, static_cast<int>(IPPROTO_TCP)}) {
                shapes.push_back({equal(0, family), equal_but_for(1, flags, SOCK_STREAM), equal(2, protocol)});
            }
            for (const uint64_t protocol : {0, static_cast<int>(IPPROTO_UDP)}) {
                shapes.push_back({equal(0, family), equal_but_for(1, flags, SOCK_DGRAM), equal(2, protocol)});
            }
        }
        shapes.push_back({equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)}); // libc's getaddrinfo, getifaddrs
    }
    return shapes;
}

bool fits(const ArgumentShape& shape, const seccomp_data& data) {
    return std::all_of(shape.begin(), shape.end(),
                       [&](const ArgumentTest& test) { return (data.args[test.argument] & test.mask) == test.value; });
}

constexpr uint32_t fail_with(int code) {
    return SECCOMP_RET_ERRNO | static_cast<uint32_t>(code);
}

// Datagrams go where no Landlock rule looks; the kernel takes a type's lowest four bits.
void allow_flat_sockets(CallProgram& program, int number, const FlatSockets& sockets, bool internet) {
    const ArgumentTest stream{1, 0xf, SOCK_STREAM};
    if (sockets.unix_streams) {
        program.answer(number, SECCOMP_RET_ALLOW, {equal(0, AF_UNIX), stream});
    }
    if (!internet || !sockets.tcp) {
        return;
    }
    for (const uint64_t family : {AF_INET, AF_INET6}) {
        for (const uint64_t protocol : {0, static_cast<int>(IPPROTO_TCP)}) {
            program.answer(number, SECCOMP_RET_ALLOW, {equal(0, family), stream, equal(2, protocol)});
        }
    }
    program.answer(number, SECCOMP_RET_ALLOW, {equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)});
    for (const uint64_t family : {AF_INET, AF_INET6}) { // as elsewhere: some runtimes ask for it first
        program.answer(number, fail_with(EPROTONOSUPPORT), {equal(0, family), equal(2, IPPROTO_MPTCP)});
    }
}

// Of a socket's options those by which a connection that the supervisor makes would first go elsewhere (source routes, another
// device than the loopback), and what makes another protocol of TCP ("smc").
void allow_flat_options(CallProgram& program, int number, uint32_t refusal) {
    constexpr std::array elsewhere = std::to_array<std::pair<uint64_t, uint64_t>>({
        {IPPROTO_IP, IP_OPTIONS},
        {IPPROTO_IPV6, IPV6_RTHDR},
        {IPPROTO_IPV6, IPV6_2292RTHDR},
        {IPPROTO_IPV6, IPV6_2292PKTOPTIONS},
        {IPPROTO_TCP, TCP_ULP},
        {SOL_SOCKET, SO_BINDTODEVICE},
        {SOL_SOCKET, SO_BINDTOIFINDEX},
    });
    for (const auto& [level, option] : elsewhere) {
        program.answer(number, refusal, {equal_but_for(1, 0, level), equal_but_for(2, 0, option)});
    }
    program.answer(number, SECCOMP_RET_ALLOW);
}

void allow(CallProgram& program, const std::string& name, int number, const SeccompRules& rules) {
    const bool internet = allows_internet_sockets(rules.allowed);
    if (name == "socket" && rules.flat) {
        allow_flat_sockets(program, number, *rules.flat, internet);
        return;
    }
    if (name == "setsockopt" && rules.flat) {
        allow_flat_options(program, number, rules.notify ? SECCOMP_RET_USER_NOTIF : fail_with(EPERM));
        return;
    }
    if (name == "sendto" && rules.notify && rules.watch_paths) { // with an address it contacts somebody, as connect does
        program.answer(number, SECCOMP_RET_ALLOW, {equal(4, 0)});
        return;
    }
    if (name == "socket" && internet) {
        // Some runtimes ask for MPTCP first and take TCP where the kernel has none, as here.
        for (const uint64_t family : {AF_INET, AF_INET6}) {
            program.answer(number, fail_with(EPROTONOSUPPORT), {equal(0, family), equal(2, IPPROTO_MPTCP)});
        }
    }
    if (rules.watch_reaching && rules.notify && rules.watch_paths && is_reaching_syscall(name)) {
        for (const ArgumentShape& shape : harmless_shapes(name)) {
            program.answer(number, SECCOMP_RET_ALLOW, shape);
        }
        return;
    }
    const auto shapes = shapes_of(name, internet);
    if (!shapes) {
        program.answer(number, SECCOMP_RET_ALLOW);
        return;
    }
    for (const ArgumentShape& shape : *shapes) {
        program.answer(number, SECCOMP_RET_ALLOW, shape);
    }
}

} // namespace

const std::vector<std::string>& indispensable_syscalls() {
    static const std::vector<std::string> names = {"exit", "exit_group", "rt_sigreturn", "restart_syscall"};
    return names;
}

bool is_watched_syscall(std::string_view name) {
    return std::find(watched.begin(), watched.end(), name) != watched.end();
}

bool is_reaching_syscall(std::string_view name) {
    return std::find(reaching.begin(), reaching.end(), name) != reaching.end();
}

std::vector<std::string> looked_at_syscalls(Looks looks) {
    std::vector<std::string> names(watched.begin(), watched.end());
    names.emplace_back("sendto");
    if (looks == Looks::AtPathsAndReaching) {
        names.insert(names.end(), reaching.begin(), reaching.end());
    } else if (looks == Looks::InAudits) {
        names.insert(names.end(), watched_in_audits.begin(), watched_in_audits.end());
    }
    return names;
}

bool is_watched_ioctl(uint64_t request) {
    return std::find(watched_ioctls.begin(), watched_ioctls.end(), static_cast<uint32_t>(request)) != watched_ioctls.end();
}

bool is_watched_in_audits(std::string_view name) {
    return std::find(watched_in_audits.begin(), watched_in_audits.end(), name) != watched_in_audits.end();
}

bool is_native(uint32_t architecture) {
    return architecture == native_architecture;
}

bool allows_internet_sockets(const std::vector<std::string>& allowed) {
    return lists(allowed, "listen");
}

bool refused_for_arguments(std::string_view name, const seccomp_data& data) {
    const bool narrow = std::any_of(narrow_refusals.begin(), narrow_refusals.end(), [&](const NarrowRefusal& rule) {
        return rule.unless == nullptr && name == rule.name && rule.matches(static_cast<uint32_t>(data.args[rule.argument]));
    });
    const auto shapes = shapes_of(name, true);
    return narrow || (shapes && std::none_of(shapes->begin(), shapes->end(),
                                             [&](const ArgumentShape& shape) { return fits(shape, data); }));
}

std::string syscall_name(int number) {
    std::unique_ptr<char, decltype(&std::free)> name(
        ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &std::free);
    return name != nullptr ? name.get() : "";
}

int syscall_number(const std::string& name) {
    return ::seccomp_syscall_resolve_name(name.c_str());
}

result<std::vector<sock_filter>> compile_seccomp(const SeccompRules& rules) {
    const uint32_t refusal = rules.notify ? SECCOMP_RET_USER_NOTIF : fail_with(EPERM);
    CallProgram calls(native_architecture, refusal, rules.audit ? SECCOMP_RET_USER_NOTIF : fail_with(ENOSYS));
    for (const auto* names : {&indispensable_syscalls(), &rules.allowed}) {
        for (const std::string& name : *names) {
            const int number = syscall_number(name);
            const bool notified = rules.notify && rules.watch_paths &&
                                  (is_watched_syscall(name) || (rules.audit && is_watched_in_audits(name)) ||
                                   (rules.flat && rules.flat->supervised && name == "listen"));
            if (number >= 0 && !notified && name != "clone3") {
                allow(calls, name, number, rules);
            }
        }
    }
    // libc falls back to clone, whose flags can be seen.
    if (const int number = syscall_number("clone3"); number >= 0) {
        calls.answer(number, fail_with(ENOSYS));
    }
    std::vector<sock_filter> program = narrow_program(refusal, rules);
    const std::vector<sock_filter> rest = calls.compile();
    program.insert(program.end(), rest.begin(), rest.end());
    return program;
}

} // namespace treadline

#include "enforcer/seccomp_filter.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/syscalls.h"
#include "enforcer/missing_defs.h"

namespace treadline {
namespace {

struct ReleaseFilter {
    void operator()(void* context) const { ::seccomp_release(context); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

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
// register, the only one libseccomp has for "not equal", would be passed by setting a high bit.
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

// Runs before libseccomp's program, which checks the architecture itself; a foreign one skips this.
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

result<ok> add(const Filter& filter, uint32_t action, int number, std::vector<scmp_arg_cmp> arguments = {}) {
    const int code = ::seccomp_rule_add_array(filter.get(), action, number,
                                              static_cast<unsigned>(arguments.size()), arguments.data());
    if (code != 0 && code != -EEXIST) {
        return fail_code(-code, "cannot add system call '" + syscall_name(number) + "' to the filter");
    }
    return ok{};
}

scmp_arg_cmp equal(unsigned argument, uint64_t value) {
    return {argument, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp equal_but_for(unsigned argument, uint64_t ignored, uint64_t value) {
    return {argument, SCMP_CMP_MASKED_EQ, UINT32_MAX & ~ignored, value};
}

using Shape = std::vector<scmp_arg_cmp>; // all of these

// The arguments with which a listed call is allowed; nothing: with any. A value with high bits that the kernel does not
// look at is no match, and so refused.
std::optional<std::vector<Shape>> shapes_of(std::string_view name, bool internet) {
    if (name == "clone") { // with its flags in a register; clone3 has them behind a pointer
        return {{{SCMP_A0(SCMP_CMP_MASKED_EQ, new_namespaces, 0)}}};
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
    std::vector<Shape> shapes = {{equal(0, AF_UNIX)}};
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

bool fits(const Shape& shape, const seccomp_data& data) {
    return std::all_of(shape.begin(), shape.end(), [&](const scmp_arg_cmp& test) {
        const uint64_t value = data.args[test.arg];
        return test.op == SCMP_CMP_MASKED_EQ ? (value & test.datum_a) == test.datum_b : value == test.datum_a;
    });
}

// Datagrams go where no Landlock rule looks; the kernel takes a type's lowest four bits.
result<ok> allow_flat_sockets(const Filter& filter, int number, const FlatSockets& sockets, bool internet) {
    const scmp_arg_cmp stream{1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM};
    if (sockets.unix_streams) {
        TRY(add(filter, SCMP_ACT_ALLOW, number, {equal(0, AF_UNIX), stream}));
    }
    if (!internet || !sockets.tcp) {
        return ok{};
    }
    for (const uint64_t family : {AF_INET, AF_INET6}) {
        for (const uint64_t protocol : {0, static_cast<int>(IPPROTO_TCP)}) {
            TRY(add(filter, SCMP_ACT_ALLOW, number, {equal(0, family), stream, equal(2, protocol)}));
        }
    }
    return add(filter, SCMP_ACT_ALLOW, number, {equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)});
}

result<ok> allow(const Filter& filter, const std::string& name, int number, const SeccompRules& rules) {
    const bool internet = allows_internet_sockets(rules.allowed);
    if (name == "socket" && rules.flat) {
        return allow_flat_sockets(filter, number, *rules.flat, internet);
    }
    if (name == "sendto" && rules.notify && rules.watch_paths) { // with an address it contacts somebody, as connect does
        return add(filter, SCMP_ACT_ALLOW, number, {equal(4, 0)});
    }
    if (name == "socket" && internet) {
        // Some runtimes ask for MPTCP first and take TCP where the kernel has none, as here.
        for (const uint64_t family : {AF_INET, AF_INET6}) {
            TRY(add(filter, SCMP_ACT_ERRNO(EPROTONOSUPPORT), number, {equal(0, family), equal(2, IPPROTO_MPTCP)}));
        }
    }
    const auto shapes = shapes_of(name, internet);
    if (!shapes) {
        return add(filter, SCMP_ACT_ALLOW, number);
    }
    for (const Shape& shape : *shapes) {
        TRY(add(filter, SCMP_ACT_ALLOW, number, shape));
    }
    return ok{};
}

result<std::vector<sock_filter>> exported(const Filter& filter) {
    const unique_fd file(::memfd_create("filter", MFD_CLOEXEC));
    if (!file) {
        return fail_errno("cannot make a memory file for the system call filter");
    }
    if (const int code = ::seccomp_export_bpf(filter.get(), file.get()); code != 0) {
        return fail_code(-code, "cannot compile the system call filter");
    }
    if (::lseek(file.get(), 0, SEEK_SET) != 0) {
        return fail_errno("cannot read the system call filter back");
    }
    const std::string bytes = TRY(sys::read_all(file.get()));
    const auto* first = reinterpret_cast<const sock_filter*>(bytes.data());
    return std::vector<sock_filter>(first, first + bytes.size() / sizeof(sock_filter));
}

} // namespace

const std::vector<std::string>& indispensable_syscalls() {
    static const std::vector<std::string> names = {"exit", "exit_group", "rt_sigreturn", "restart_syscall"};
    return names;
}

bool is_watched_syscall(std::string_view name) {
    return std::find(watched.begin(), watched.end(), name) != watched.end();
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
                                             [&](const Shape& shape) { return fits(shape, data); }));
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
    const uint32_t refusal = rules.notify ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(EPERM);
    const Filter filter(::seccomp_init(refusal));
    if (filter == nullptr) {
        return fail("cannot make a system call filter");
    }
    if (::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH,
                           rules.audit ? SCMP_ACT_NOTIFY : SCMP_ACT_ERRNO(ENOSYS)) != 0) {
        return fail("cannot set the answer to foreign system calls");
    }
    // The kernel remembers which numbers are allowed whatever their arguments (Linux 5.11), so the order of
    // the comparisons matters to the others only.
    for (const auto* names : {&indispensable_syscalls(), &rules.allowed}) {
        for (const std::string& name : *names) {
            const int number = syscall_number(name);
            const bool notified = rules.notify && rules.watch_paths &&
                                  (is_watched_syscall(name) || (rules.audit && is_watched_in_audits(name)));
            if (number < 0 || notified || name == "clone3") {
                continue;
            }
            TRY(allow(filter, name, number, rules));
        }
    }
    // libc falls back to clone, whose flags can be seen.
    TRY(add(filter, SCMP_ACT_ERRNO(ENOSYS), syscall_number("clone3")));
    std::vector<sock_filter> program = narrow_program(refusal, rules);
    const std::vector<sock_filter> rest = TRY(exported(filter));
    program.insert(program.end(), rest.begin(), rest.end());
    return program;
}

} // namespace treadline

#include "enforcer/seccomp_filter.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include <asm/ioctls.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
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
    "open",    "openat",    "openat2",   "creat",   "execve",   "execveat", "unlink",   "unlinkat",
    "rename",  "renameat",  "renameat2", "mkdir",   "mkdirat",  "rmdir",    "link",     "linkat",
    "symlink", "symlinkat", "mknod",     "mknodat", "truncate", "chmod",    "fchmodat", "fchmodat2",
    "chown",   "lchown",    "fchownat",  "connect", "bind",
};

constexpr uint64_t new_namespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

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
    int number;
    unsigned argument;
    enum class Test : uint8_t { Equal, AnyBit, NoBit } test;
    uint32_t value;
};

std::vector<NarrowRefusal> narrow_refusals() {
    using enum NarrowRefusal::Test;
    return {
        {syscall_number("ioctl"), 1, Equal, TIOCSTI},   // types into the terminal
        {syscall_number("ioctl"), 1, Equal, TIOCLINUX}, // pastes into a console
        {syscall_number("prctl"), 0, Equal, PR_SET_MM}, // could make /proc/PID/exe lie to the supervisor
        {syscall_number("seccomp"), 1, AnyBit, SECCOMP_FILTER_FLAG_NEW_LISTENER}, // a supervisor of its own
        // An executable memory file is a program no rule names, in no directory a mount could hold.
        {syscall_number("memfd_create"), 1, AnyBit, memfd_exec},
        {syscall_number("memfd_create"), 1, NoBit, memfd_noexec_seal},
    };
}

// Runs before libseccomp's program, which checks the architecture itself; a foreign one skips this.
std::vector<sock_filter> narrow_program(uint32_t refusal) {
    std::vector<sock_filter> program = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, native_architecture, 0, 0), // patched: else to the end
    };
    for (const NarrowRefusal& rule : narrow_refusals()) {
        // Little-endian on every architecture here: the low half comes first.
        const auto low =
            static_cast<uint32_t>(offsetof(seccomp_data, args) + rule.argument * sizeof(uint64_t));
        program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(rule.number), 0, 3));
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

result<ok> allow(const Filter& filter, const std::string& name, int number, bool internet) {
    if (name == "clone") { // with its flags in a register; clone3 has them behind a pointer
        return add(filter, SCMP_ACT_ALLOW, number, {SCMP_A0(SCMP_CMP_MASKED_EQ, new_namespaces, 0)});
    }
    if (name == "socket") {
        TRY(add(filter, SCMP_ACT_ALLOW, number, {equal(0, AF_UNIX)}));
        if (!internet) {
            return ok{};
        }
        for (const uint64_t family : {AF_INET, AF_INET6}) {
            TRY(add(filter, SCMP_ACT_ALLOW, number, {equal(0, family)}));
        }
        return add(filter, SCMP_ACT_ALLOW, number, {equal(0, AF_NETLINK), equal(2, NETLINK_ROUTE)});
    }
    if (name == "socketpair") {
        return add(filter, SCMP_ACT_ALLOW, number, {equal(0, AF_UNIX)});
    }
    if (name ==
        "personality") { // 0: what it is already; 0xffffffff: only ask. Others switch address checks off.
        TRY(add(filter, SCMP_ACT_ALLOW, number, {equal(0, 0)}));
        return add(filter, SCMP_ACT_ALLOW, number, {equal(0, 0xffffffff)});
    }
    return add(filter, SCMP_ACT_ALLOW, number);
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

bool allows_internet_sockets(const std::vector<std::string>& allowed) {
    return std::find(allowed.begin(), allowed.end(), "listen") != allowed.end();
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
    if (::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) != 0) {
        return fail("cannot set the answer to foreign system calls");
    }
    // The kernel remembers which numbers are allowed whatever their arguments (Linux 5.11), so the order of
    // the comparisons matters to the others only.
    for (const auto* names : {&indispensable_syscalls(), &rules.allowed}) {
        for (const std::string& name : *names) {
            const int number = syscall_number(name);
            const bool notified = rules.notify && rules.watch_paths && is_watched_syscall(name);
            if (number < 0 || notified || name == "clone3") {
                continue;
            }
            TRY(allow(filter, name, number, allows_internet_sockets(rules.allowed)));
        }
    }
    // libc falls back to clone, whose flags can be seen.
    TRY(add(filter, SCMP_ACT_ERRNO(ENOSYS), syscall_number("clone3")));
    std::vector<sock_filter> program = narrow_program(refusal);
    const std::vector<sock_filter> rest = TRY(exported(filter));
    program.insert(program.end(), rest.begin(), rest.end());
    return program;
}

} // namespace treadline

#include "enforcer/egress/confinement.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "enforcer/missing_defs.h"

namespace treadline::egress {
namespace {

// Configuration and libraries of the C library's name services, and the sockets of the daemons some of them ask.
constexpr std::array readable = {"/etc", "/usr", "/lib", "/lib64", "/run", "/proc", "/var/lib"};

constexpr std::array refused = {
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "pidfd_send_signal", "kill", "tkill", "setns",
    "unshare", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "mount_setattr", "bpf", "perf_event_open",
    "userfaultfd", "io_uring_setup", "keyctl", "add_key", "request_key", "init_module", "finit_module", "kexec_load", "open_by_handle_at",
};

// What leads out of the machine takes one of these.
constexpr std::array socket_calls = {"socket", "socketpair", "connect"};

// Memory is for what sends the sockets; `write` for sanitizers, which could not say what they found.
constexpr std::array socket_making = {"socket", "sendmsg", "sendto", "close", "exit", "exit_group", "rt_sigreturn", "restart_syscall",
                                      "brk",    "mmap",    "munmap", "madvise", "futex", "write"};

uint64_t handled_files(int abi) {
    uint64_t rights = (landlock::refer - 1) | (abi >= 2 ? landlock::refer : 0);
    rights |= abi >= 3 ? landlock::truncate : 0;
    rights |= abi >= 5 ? landlock::ioctl_dev : 0;
    return rights | (abi >= 9 ? landlock::resolve_unix : 0);
}

result<ok> hold_files(MayListen listen, MayReach reach) {
    constexpr unsigned version = 1; // LANDLOCK_CREATE_RULESET_VERSION
    const auto abi = static_cast<int>(::syscall(SYS_landlock_create_ruleset, nullptr, 0, version));
    if (abi <= 0) {
        return fail("the egress gateway, which reads what hostile programs send, cannot give up the user's files: that takes Landlock (Linux "
                    "5.13 or newer, and switched on: 'treadline doctor'). Without it, leave `connect` and `publish` out, or run with --network host "
                    "(a named degradation)");
    }
    landlock::RulesetAttributes attributes;
    attributes.handled_access_fs = handled_files(abi);
    attributes.handled_access_net = abi >= 4 && listen == MayListen::No ? landlock::bind_tcp : 0;
    attributes.scoped = abi >= 6 ? landlock::scope_signal | landlock::scope_abstract_unix_socket : 0;
    const size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8; // what each knows of the structure
    const unique_fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0)));
    if (!ruleset) {
        return fail_errno("cannot make the gateway's Landlock ruleset");
    }
    for (const char* path : readable) {
        if (reach != MayReach::Outside) {
            break;
        }
        const unique_fd at(::open(path, O_PATH | O_CLOEXEC));
        const landlock::PathBeneath rule{landlock::read_file | landlock::read_dir, at.get()};
        if (at && ::syscall(SYS_landlock_add_rule, ruleset.get(), landlock::rule_path_beneath, &rule, 0) != 0) {
            return fail_errno("cannot add to the gateway's Landlock ruleset");
        }
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
        return fail_errno("cannot enforce the gateway's Landlock ruleset");
    }
    return ok{};
}

result<ok> hold_calls(MayReach reach) {
    const std::unique_ptr<void, decltype(&::seccomp_release)> filter(::seccomp_init(SCMP_ACT_ALLOW), ::seccomp_release);
    if (filter == nullptr || ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0) {
        return fail("cannot make the gateway's system call filter");
    }
    std::vector<const char*> names(refused.begin(), refused.end());
    if (reach != MayReach::Outside) {
        names.insert(names.end(), socket_calls.begin(), socket_calls.end() - (reach == MayReach::Inside ? 1 : 0));
    }
    for (const char* name : names) {
        const int number = ::seccomp_syscall_resolve_name(name);
        if (number >= 0 && ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), number, 0) != 0) {
            return fail("cannot make the gateway's system call filter");
        }
    }
    if (::seccomp_load(filter.get()) != 0) {
        return fail("cannot install the gateway's system call filter");
    }
    return ok{};
}

result<ok> hold_to_making_sockets() {
    const std::unique_ptr<void, decltype(&::seccomp_release)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), ::seccomp_release);
    if (filter == nullptr) {
        return fail("cannot make the filter of what makes the sandbox's sockets");
    }
    for (const char* name : socket_making) {
        const int number = ::seccomp_syscall_resolve_name(name);
        if (number >= 0 && ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0) != 0) {
            return fail("cannot make the filter of what makes the sandbox's sockets");
        }
    }
    if (::seccomp_load(filter.get()) != 0) {
        return fail("cannot install the filter of what makes the sandbox's sockets");
    }
    return ok{};
}

} // namespace

result<ok> confine_socket_maker() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail_errno("cannot set no_new_privs");
    }
    return hold_to_making_sockets();
}

result<ok> confine_gateway(MayListen listen, MayReach reach) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return fail_errno("cannot set no_new_privs");
    }
    if (auto held = hold_files(listen, reach); !held) {
        return held;
    }
    return hold_calls(reach);
}

} // namespace treadline::egress

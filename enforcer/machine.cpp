#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/missing_defs.h"
#include "enforcer/plan.h"
#include "enforcer/run_cgroup.h"

namespace treadline {
namespace {

int landlock_abi() {
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U /* LANDLOCK_CREATE_RULESET_VERSION */);
    return abi < 0 ? 0 : static_cast<int>(abi);
}

// Some systems let anyone make the namespace and then grant nothing in it (AppArmor on Ubuntu 24.04), so the
// question is whether a mount works.
bool namespaces_work() {
    const auto child =
        static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER | CLONE_NEWNS, 0, 0, 0, 0));
    if (child == 0) {
        ::_exit(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : 1);
    }
    if (child < 0) {
        return false;
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool setting_is(const std::string& path, std::string_view value) {
    const auto text = sys::read_file(path);
    return text && trimmed(*text) == value;
}

std::string why_no_namespaces() {
    if (setting_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
        return "AppArmor keeps programs from using user namespaces: install Treadline's AppArmor profile, or "
               "run "
               "`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`";
    }
    if (setting_is("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
        return "user namespaces are switched off: run `sudo sysctl kernel.unprivileged_userns_clone=1`";
    }
    if (setting_is("/proc/sys/user/max_user_namespaces", "0")) {
        return "user namespaces are switched off: run `sudo sysctl user.max_user_namespaces=15000`";
    }
    return "user namespaces are refused here, as inside most containers and other sandboxes: run Treadline "
           "outside "
           "of it, or start the container with a profile that allows unshare and mount";
}

bool action_available(uint32_t action) {
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// A flag the kernel knows lets it come as far as reading the program; EINVAL says it does not know it.
bool filter_flag_known(unsigned flags) {
    ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, nullptr);
    return errno == EFAULT;
}

// Under somebody else's filter ours may be refused, and only one in a chain may have a listener (seccomp_unotify(2)).
// Tried where it can do no harm: in a child that ends at once.
enum class Filters : uint8_t { None, Plain, Listening };
Filters filters_work() {
    if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0) {
        return Filters::Listening;
    }
    const pid_t child = ::fork();
    if (child == 0) {
        sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        const sock_fprog program{1, &allow};
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) >= 0) {
            ::_exit(static_cast<int>(Filters::Listening));
        }
        const bool plain = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
        ::_exit(static_cast<int>(plain ? Filters::Plain : Filters::None));
    }
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) ? static_cast<Filters>(WEXITSTATUS(status)) : Filters::None;
}

bool memfd_noexec_known() {
    const unique_fd file(::memfd_create("probe", MFD_CLOEXEC | memfd_noexec_seal));
    return file.valid();
}

} // namespace

Machine inspect_machine(UserNamespaces namespaces) {
    Machine machine;
    machine.landlock_abi = landlock_abi();
    machine.user_namespaces = namespaces == UserNamespaces::Assume || namespaces_work();
    if (!machine.user_namespaces) {
        machine.user_namespaces_why = why_no_namespaces();
    }
    utsname names{};
    ::uname(&names);
    machine.kernel = names.release;
    machine.architecture = names.machine;
    int major = 0;
    int minor = 0;
    std::sscanf(names.release, "%d.%d", &major, &minor);
    const Filters filters = filters_work();
    machine.seccomp = filters != Filters::None;
    machine.seccomp_notify =
        filters == Filters::Listening && action_available(SECCOMP_RET_USER_NOTIF) && (major > 5 || (major == 5 && minor >= 6));
    machine.seccomp_wait_killable =
        filter_flag_known(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    machine.memfd_noexec = memfd_noexec_known();
    DelegatedCgroup cgroup = find_delegated_cgroup();
    machine.cgroup = std::move(cgroup.directory);
    machine.cgroup_controllers = std::move(cgroup.controllers);
    return machine;
}

} // namespace treadline

#include "enforcer/child.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace treadline {
namespace {

constexpr const char* host_root = "/.host";
constexpr const char* attach_point = "/tmp"; // any directory every host has; only covered until pivot_root
constexpr const char* mask_file = "/.mask-file";
constexpr const char* mask_directory = "/.mask-directory";

[[noreturn]] void die(const ChildPlan& plan, ChildStep step, int index = -1) {
    const int code = errno;
    plan.status->failed_errno = code;
    plan.status->failed_index = index;
    plan.status->failed_step = static_cast<int>(step);
    for (;;) {
        ::syscall(SYS_exit_group, 125);
    }
}

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

// --- mounts
// ---------------------------------------------------------------------------------------------------

int set_attributes(int fd, const char* path, unsigned flags, uint64_t attributes) {
    mount_attr attr{};
    attr.attr_set = attributes;
    return static_cast<int>(::syscall(SYS_mount_setattr, fd, path, flags, &attr, sizeof attr));
}

// Opens without following any link: rule paths were resolved when the plan was made, so a link met here is
// somebody's swap.
int open_exact(int directory, const char* path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW;
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

int clone_tree(int fd, const char* path, unsigned recursive) {
    return static_cast<int>(
        ::syscall(SYS_open_tree, fd, path, AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive));
}

bool attach(int tree, const char* target) {
    const int at = open_exact(AT_FDCWD, target);
    if (at < 0) {
        return false;
    }
    const bool moved =
        ::syscall(SYS_move_mount, tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
    const int code = errno;
    ::close(at);
    errno = code;
    return moved;
}

bool bind_from(int host, const char* source, const char* target, uint64_t attributes) {
    const int from = open_exact(host, source);
    if (from < 0) {
        return false;
    }
    const int tree = clone_tree(from, "", AT_RECURSIVE);
    ::close(from);
    if (tree < 0) {
        return false;
    }
    const bool done =
        set_attributes(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, attributes) == 0 && attach(tree, target);
    const int code = errno;
    ::close(tree);
    errno = code;
    return done;
}

// The mount point of something that is no directory. In a bound tree it exists already.
bool make_file(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (fd < 0) {
        return errno == EEXIST || errno == EROFS;
    }
    ::close(fd);
    return true;
}

bool make_directory(const char* path, mode_t mode) {
    return ::mkdir(path, mode) == 0 || errno == EEXIST || errno == EROFS;
}

// The two objects masks are made of. A mask is a clone of a mount that is attached in this namespace: the
// first use attaches the prepared one, later uses clone it from there.
struct Masks {
    int file = -1;
    int directory = -1;
    const char* file_at = nullptr;
    const char* directory_at = nullptr;
};

// Made in a tmpfs of ours, mounted at the root or at the attach point. The two names have to stay until the
// last mask is in place: what is unlinked cannot be mounted.
bool prepare_masks(Masks& masks, bool at_root) {
    char file[64];
    char directory[64];
    std::strcpy(file, at_root ? "" : attach_point);
    std::strcat(file, mask_file);
    std::strcpy(directory, at_root ? "" : attach_point);
    std::strcat(directory, mask_directory);
    const int made = ::open(file, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    if (made < 0 || ::mkdir(directory, 0) != 0) {
        return false;
    }
    ::close(made);
    masks.file = clone_tree(AT_FDCWD, file, 0);
    masks.directory = clone_tree(AT_FDCWD, directory, 0);
    constexpr uint64_t sealed = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    return masks.file >= 0 && masks.directory >= 0 &&
           set_attributes(masks.file, "", AT_EMPTY_PATH, sealed) == 0 &&
           set_attributes(masks.directory, "", AT_EMPTY_PATH, sealed) == 0;
}

bool apply_mask(int& prepared, const char*& at, const char* target) {
    if (at == nullptr) {
        const bool done = attach(prepared, target);
        ::close(prepared);
        prepared = -1;
        at = target;
        return done;
    }
    const int tree = clone_tree(AT_FDCWD, at, 0);
    if (tree < 0) {
        return false;
    }
    const bool done = attach(tree, target);
    const int code = errno;
    ::close(tree);
    errno = code;
    return done;
}

bool make_devices(int host, const char* terminal) {
    constexpr uint64_t device = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    if (::mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m") != 0) {
        return false;
    }
    static constexpr const char* nodes[] = {"/dev/null", "/dev/zero",   "/dev/full",
                                            "/dev/tty",  "/dev/random", "/dev/urandom"};
    for (const char* node : nodes) {
        if (!make_file(node) || !bind_from(host, node + 1, node, device)) {
            return false;
        }
    }
    static constexpr const char* links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                               {"/proc/self/fd/0", "/dev/stdin"},
                                               {"/proc/self/fd/1", "/dev/stdout"},
                                               {"/proc/self/fd/2", "/dev/stderr"},
                                               {"pts/ptmx", "/dev/ptmx"}};
    for (const auto& [text, path] : links) {
        if (::symlink(text, path) != 0) {
            return false;
        }
    }
    if (::mkdir("/dev/pts", 0755) != 0 || ::mkdir("/dev/shm", 01777) != 0 ||
        ::mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
                "newinstance,ptmxmode=0666,mode=0620") != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=25%") != 0) {
        return false;
    }
    // So that ttyname(3) finds the terminal, which belongs to the host's devpts.
    if (terminal != nullptr &&
        (!make_file("/dev/console") || !bind_from(host, terminal + 1, "/dev/console", device))) {
        return false;
    }
    return true;
}

bool make_proc(uid_t uid) {
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        return false;
    }
    if (uid != 0) {
        return true;
    }
    // Global root may write here without any capability.
    static constexpr const char* kernel_knobs[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
                                                   "/proc/bus"};
    for (const char* path : kernel_knobs) {
        const int tree = clone_tree(AT_FDCWD, path, AT_RECURSIVE);
        if (tree < 0 && errno == ENOENT) {
            continue;
        }
        if (tree < 0 || set_attributes(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, MOUNT_ATTR_RDONLY) != 0 ||
            !attach(tree, path)) {
            return false;
        }
        ::close(tree);
    }
    return true;
}

bool apply_mount(const ChildPlan& plan, const ChildMount& step, int host, Masks& masks) {
    switch (step.kind) {
    case MountStep::Kind::Directory:
        return make_directory(step.target, step.mode);
    case MountStep::Kind::Symlink:
        return ::symlink(step.source, step.target) == 0 || errno == EEXIST;
    case MountStep::Kind::Tmpfs: {
        unsigned long flags = MS_NOSUID | MS_NODEV;
        flags |= (step.attributes & MOUNT_ATTR_NOEXEC) != 0 ? MS_NOEXEC : 0;
        // A read-only one is a skeleton that later steps still make directories in: sealed at the end.
        return make_directory(step.target, 0755) &&
               ::mount("tmpfs", step.target, "tmpfs", flags,
                       step.mode == 01777 ? "mode=1777,size=25%" : "mode=0755,size=25%") == 0;
    }
    case MountStep::Kind::Bind:
    case MountStep::Kind::Device:
        return (step.directory ? make_directory(step.target, 0755) : make_file(step.target)) &&
               bind_from(host, step.source, step.target, step.attributes);
    case MountStep::Kind::Proc:
        return make_directory(step.target, 0755) && make_proc(plan.uid);
    case MountStep::Kind::Devices:
        return make_directory(step.target, 0755) && make_devices(host, plan.terminal);
    case MountStep::Kind::MaskFile:
        return apply_mask(masks.file, masks.file_at, step.target);
    case MountStep::Kind::MaskDirectory:
        return apply_mask(masks.directory, masks.directory_at, step.target);
    }
    errno = EINVAL;
    return false;
}

void build_view(const ChildPlan& plan) {
    if (plan.mounts.empty() && !plan.new_root) {
        return;
    }
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", attach_point, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m") != 0) {
        die(plan, ChildStep::Root);
    }
    Masks masks;
    if (plan.new_root) {
        char old_root[32];
        std::strcpy(old_root, attach_point);
        std::strcat(old_root, host_root);
        if (::mkdir(old_root, 0700) != 0 || ::syscall(SYS_pivot_root, attach_point, old_root) != 0 ||
            ::chdir("/") != 0 || !prepare_masks(masks, true)) {
            die(plan, ChildStep::Root);
        }
    } else if (!prepare_masks(masks, false) || ::umount2(attach_point, MNT_DETACH) != 0) {
        die(plan, ChildStep::Root);
    }
    const int host = ::open(plan.new_root ? host_root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (host < 0) {
        die(plan, ChildStep::Root);
    }
    for (size_t i = 0; i < plan.mounts.size(); ++i) {
        if (!apply_mount(plan, plan.mounts[i], host, masks)) {
            die(plan, ChildStep::Mount, static_cast<int>(i));
        }
    }
    ::close(host);
    ::close(masks.file);
    ::close(masks.directory);
    if (!plan.new_root) {
        return;
    }
    for (size_t i = 0; i < plan.mounts.size(); ++i) {
        const ChildMount& step = plan.mounts[i];
        const bool skeleton =
            step.kind == MountStep::Kind::Tmpfs && (step.attributes & MOUNT_ATTR_RDONLY) != 0;
        if ((skeleton || step.kind == MountStep::Kind::Devices) &&
            set_attributes(AT_FDCWD, step.target, AT_SYMLINK_NOFOLLOW, MOUNT_ATTR_RDONLY) != 0) {
            die(plan, ChildStep::Mount, static_cast<int>(i));
        }
    }
    if (::unlink(mask_file) != 0 || ::rmdir(mask_directory) != 0 || ::umount2(host_root, MNT_DETACH) != 0 ||
        ::rmdir(host_root) != 0 || set_attributes(AT_FDCWD, "/", 0, MOUNT_ATTR_RDONLY) != 0) {
        die(plan, ChildStep::HideHost);
    }
}

// --- the command
// ----------------------------------------------------------------------------------------------

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

void restrict_with_landlock(const ChildPlan& plan) {
    if (plan.landlock_size == 0) {
        return;
    }
    const auto ruleset = static_cast<int>(
        ::syscall(SYS_landlock_create_ruleset, &plan.landlock_attributes, plan.landlock_size, 0));
    if (ruleset < 0) {
        die(plan, ChildStep::LandlockCreate);
    }
    for (size_t i = 0; i < plan.landlock_rules.size(); ++i) {
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
    for (const uint16_t port : plan.bind_ports) {
        const landlock::NetPort rule{landlock::bind_tcp, port};
        if (::syscall(SYS_landlock_add_rule, ruleset, landlock::rule_net_port, &rule, 0) != 0) {
            die(plan, ChildStep::LandlockPort, port);
        }
    }
    if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        die(plan, ChildStep::LandlockRestrict);
    }
    ::close(ruleset);
}

// After this only a store to the shared page, execve and exit_group may follow: nothing else need be allowed.
void install_filter(const ChildPlan& plan) {
    if (plan.filter.empty()) {
        return;
    }
    const sock_fprog program{static_cast<unsigned short>(plan.filter.size()),
                             const_cast<sock_filter*>(plan.filter.data())};
    const long listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, plan.filter_flags, &program);
    if (listener < 0) {
        die(plan, ChildStep::Seccomp);
    }
    if ((plan.filter_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0) {
        plan.status->listener = static_cast<int>(listener);
    }
}

[[noreturn]] void become_command(const ChildPlan& plan) {
    if (::chdir(plan.directory) != 0) {
        die(plan, ChildStep::Directory);
    }
    for (const auto& [resource, limit] : plan.limits) {
        if (::setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) {
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
    restrict_with_landlock(plan);
    char go = 0;
    if (!send_message(plan.socket, 'R', -1)) {
        die(plan, ChildStep::Report);
    }
    if (TEMP_FAILURE_RETRY(::read(plan.socket, &go, 1)) != 1 || go != 'G') {
        ::_exit(125); // the supervisor gave up
    }
    ::pthread_sigmask(SIG_SETMASK, &plan.signal_mask, nullptr);
    install_filter(plan);
    ::execve(plan.program, plan.argv.data(), plan.environment.data());
    die(plan, ChildStep::Execute);
}

// Pid 1: reaps, reports, and by its exit lets the kernel kill what is left. Not dumpable, so that nothing
// inside may trace it or read its memory; signals from inside do not reach it.
[[noreturn]] void run_init(const ChildPlan& plan) {
    int pidfd = -1;
    const auto command = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD | CLONE_PIDFD, 0, &pidfd, 0, 0));
    if (command < 0) {
        die(plan, ChildStep::Fork);
    }
    if (command == 0) {
        become_command(plan);
    }
    if (!send_message(plan.socket, 'P', pidfd)) {
        die(plan, ChildStep::Report);
    }
    const int socket = ::fcntl(plan.socket, F_DUPFD_CLOEXEC, 3);
    if (socket > 3) {
        ::dup3(socket, 3, O_CLOEXEC);
    }
    ::close(0);
    ::close(1);
    ::close(2);
    ::syscall(SYS_close_range, 4U, ~0U, 0U);
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
            send_message(3, 'S', -1);
            continue;
        }
        plan.status->wait_status = status;
        ::_exit(0);
    }
}

[[noreturn]] void run_first(const ChildPlan& plan) {
    // setresuid and the new namespaces' credentials clear both of these.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (plan.isolate_processes) {
        die_with_supervisor(plan);
    }
    if (plan.namespaces) {
        if (!write_whole("/proc/self/setgroups", "deny") ||
            !write_whole("/proc/self/uid_map", plan.uid_map) ||
            !write_whole("/proc/self/gid_map", plan.gid_map)) {
            die(plan, ChildStep::IdMap);
        }
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
        build_view(plan);
    }
    if (plan.isolate_processes) {
        run_init(plan);
    }
    become_command(plan);
}

} // namespace

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
        flags |= CLONE_NEWUSER | CLONE_NEWNS;
        flags |= plan.isolate_processes ? CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS : 0;
        flags |= plan.own_network ? CLONE_NEWNET : 0;
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

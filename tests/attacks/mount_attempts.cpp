// Changing the view: each makes the call itself; the namespaces it takes, if any, are the caller's.
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/hostile.h"

namespace {

const char* c(const std::string& text) {
    return text.c_str();
}

long new_tree(const char* type) {
    const long context = ::syscall(SYS_fsopen, type, 0);
    if (context < 0) {
        return -1;
    }
    ::syscall(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, nullptr, nullptr, 0);
    return ::syscall(SYS_fsmount, context, 0, 0);
}

// As libc makes processes: by clone3, and by clone where the kernel says it has none.
long clone_into_namespaces() {
    constexpr uint64_t flags = CLONE_NEWUSER | CLONE_NEWNS;
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments{flags, 0, 0, 0, SIGCHLD, 0, 0, 0};
    long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0 && errno == ENOSYS) {
        pid = ::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    }
    if (pid == 0) {
        ::_exit(0);
    }
    return pid < 0 ? -1 : ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
}

} // namespace

const Attempts& mount_attempts() {
    static const Attempts table = {
        {"mount-tmpfs", [](const Words& w) { return long(::mount("none", c(w[0]), "tmpfs", 0, nullptr)); }},
        {"mount-proc", [](const Words& w) { return long(::mount("proc", c(w[0]), "proc", 0, nullptr)); }},
        {"mount-overlay", [](const Words& w) {
             const std::string options = "lowerdir=" + w[0] + ",upperdir=" + w[1] + ",workdir=" + w[2];
             return long(::mount("overlay", c(w[0]), "overlay", 0, c(options)));
         }},
        {"mount-bind", [](const Words& w) { return long(::mount(c(w[0]), c(w[1]), nullptr, MS_BIND | MS_REC, nullptr)); }},
        {"mount-move", [](const Words& w) {
             if (::mount("none", c(w[0]), "tmpfs", 0, nullptr) != 0) {
                 return -1L;
             }
             return long(::mount(c(w[0]), c(w[1]), nullptr, MS_MOVE, nullptr));
         }},
        {"remount-writable", [](const Words& w) { return long(::mount(nullptr, c(w[0]), nullptr, MS_REMOUNT | MS_BIND, nullptr)); }},
        {"make-shared", [](const Words&) { return long(::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr)); }},
        {"umount", [](const Words& w) { return long(::umount2(c(w[0]), MNT_DETACH)); }},
        {"pivot-root", [](const Words& w) {
             ::mount(c(w[0]), c(w[0]), nullptr, MS_BIND, nullptr);
             return ::syscall(SYS_pivot_root, c(w[0]), c(w[0]));
         }},
        {"chroot", [](const Words& w) { return long(::chroot(c(w[0]))); }},
        {"unshare-user", [](const Words&) { return long(::unshare(CLONE_NEWUSER)); }},
        {"clone-namespaces", [](const Words&) { return clone_into_namespaces(); }},
        {"setns", [](const Words& w) { return long(::setns(::open(c(w[0]), O_RDONLY), 0)); }},
        {"open-tree", [](const Words& w) { return ::syscall(SYS_open_tree, AT_FDCWD, c(w[0]), OPEN_TREE_CLONE); }},
        {"fsopen", [](const Words&) { return ::syscall(SYS_fsopen, "tmpfs", 0); }},
        {"fsmount", [](const Words&) { return new_tree("tmpfs"); }},
        {"fspick", [](const Words& w) { return ::syscall(SYS_fspick, AT_FDCWD, c(w[0]), 0); }},
        {"move-mount", [](const Words& w) {
             const long tree = ::syscall(SYS_open_tree, AT_FDCWD, c(w[0]), OPEN_TREE_CLONE);
             return ::syscall(SYS_move_mount, tree, "", AT_FDCWD, c(w[1]), MOVE_MOUNT_F_EMPTY_PATH);
         }},
        {"mount-setattr", [](const Words& w) {
             mount_attr attributes{};
             attributes.attr_clr = MOUNT_ATTR_RDONLY;
             return ::syscall(SYS_mount_setattr, AT_FDCWD, c(w[0]), 0, &attributes, sizeof attributes);
         }},
        {"make-block-device", [](const Words& w) { return long(::mknod(c(w[0]), S_IFBLK | 0600, 0x0800)); }},
    };
    return table;
}

#include "enforcer/child_view.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace treadline {
namespace {

constexpr const char* host_root = "/.host";
constexpr const char* attach_point = "/tmp"; // any directory every host has; only covered until pivot_root
constexpr const char* mask_file = "/.mask-file";
constexpr const char* mask_directory = "/.mask-directory";

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
bool make_file(const char* path, mode_t mode = 0400) {
    const int fd = ::open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
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

// The namespace's own from here on: no mount spreads to the host.
bool cover_attach_point() {
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", attach_point, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m") == 0;
}

// A mount of a new file with the step's content, not attached yet; -1 for an error. Its name has to stay until then.
int make_content(const char* path, const ChildMount& step) {
    const int fd = ::open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    const auto size = static_cast<ssize_t>(step.size);
    if (fd < 0 || ::write(fd, step.source, static_cast<size_t>(size)) != size) {
        return -1;
    }
    ::close(fd);
    const int tree = clone_tree(AT_FDCWD, path, 0);
    return tree >= 0 && set_attributes(tree, "", AT_EMPTY_PATH, step.attributes) == 0 ? tree : -1;
}

// Made at the root, which is a file system of ours, and mounted from there.
bool put_file(const ChildMount& step) {
    constexpr const char* made = "/.file";
    const int tree = make_content(made, step);
    const bool done = tree >= 0 && attach(tree, step.target);
    const int code = errno;
    ::close(tree);
    ::unlink(made);
    errno = code;
    return done;
}

// In the host's view there is a file system of ours only for a while: what is to lie over files is made then.
struct Contents {
    static constexpr size_t most = 8;
    int trees[most] = {};
    size_t made = 0;
    size_t attached = 0;
};

bool prepare_contents(Contents& contents, const ChildPlan& plan) {
    for (size_t i = 0; i < plan.mounts.size(); ++i) {
        if (plan.mounts[i].kind != MountStep::Kind::File) {
            continue;
        }
        if (contents.made == Contents::most) {
            errno = E2BIG;
            return false;
        }
        char path[64];
        std::strcpy(path, attach_point);
        std::strcat(path, "/.file0");
        path[std::strlen(path) - 1] = static_cast<char>('0' + contents.made);
        const int tree = make_content(path, plan.mounts[i]);
        if (tree < 0) {
            return false;
        }
        contents.trees[contents.made++] = tree;
    }
    return true;
}

bool attach_next(Contents& contents, const char* target) {
    const int tree = contents.trees[contents.attached++];
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

bool apply_mount(const ChildMount& step, int host, Masks& masks) {
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
    case MountStep::Kind::Devices:
        return true; // by begin_view()
    case MountStep::Kind::Decoy:
        return make_file(step.target, 0);
    case MountStep::Kind::File:
    case MountStep::Kind::TrustBundle:
    case MountStep::Kind::JavaTrust:
        return put_file(step);
    case MountStep::Kind::MaskFile:
        return apply_mask(masks.file, masks.file_at, step.target);
    case MountStep::Kind::MaskDirectory:
        return apply_mask(masks.directory, masks.directory_at, step.target);
    }
    errno = EINVAL;
    return false;
}

} // namespace

void begin_view(const ChildPlan& plan) {
    if (!plan.new_root) {
        return;
    }
    char old_root[32];
    std::strcpy(old_root, attach_point);
    std::strcat(old_root, host_root);
    const bool entered = cover_attach_point() && ::mkdir(old_root, 0700) == 0 &&
                         ::syscall(SYS_pivot_root, attach_point, old_root) == 0 && ::chdir("/") == 0;
    const int host = entered ? ::open(host_root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (host < 0) {
        die(plan, ChildStep::Root);
    }
    if (!make_directory("/proc", 0755) || !make_proc(plan.uid)) {
        die(plan, ChildStep::Proc);
    }
    if (!make_directory("/dev", 0755) || !make_devices(host, plan.terminal)) {
        die(plan, ChildStep::Devices);
    }
    ::close(host);
}

void build_view(const ChildPlan& plan) {
    if (plan.mounts.empty() && !plan.new_root) {
        return;
    }
    Masks masks;
    Contents contents;
    if (!(plan.new_root ? prepare_masks(masks, true)
                        : cover_attach_point() && prepare_masks(masks, false) && prepare_contents(contents, plan) &&
                              ::umount2(attach_point, MNT_DETACH) == 0)) {
        die(plan, ChildStep::Root);
    }
    const int host = ::open(plan.new_root ? host_root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (host < 0) {
        die(plan, ChildStep::Root);
    }
    for (size_t i = 0; i < plan.mounts.size(); ++i) {
        const ChildMount& step = plan.mounts[i];
        const bool prepared = !plan.new_root && step.kind == MountStep::Kind::File;
        if (!(prepared ? attach_next(contents, step.target) : apply_mount(step, host, masks))) {
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
    if (::unlink(mask_file) != 0 || ::rmdir(mask_directory) != 0) {
        die(plan, ChildStep::HideHost);
    }
}

namespace {

int detach_host(void* plan) {
    if (::umount2(host_root, MNT_DETACH) != 0) {
        die(*static_cast<const ChildPlan*>(plan), ChildStep::HideHost);
    }
    return 0;
}

// umount2 takes the mount out of sight at once, and then waits, for milliseconds, until no processor can still be looking at
// it. Another thread of init does that waiting: being init, nobody inside can signal or trace it. The directory can be removed
// from the moment on that nothing lies on it.
bool begin_to_detach(const ChildPlan& plan) {
    alignas(16) static char stack[16 * 1024];
    return ::clone(detach_host, stack + sizeof stack, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, const_cast<ChildPlan*>(&plan)) >= 0;
}

bool await_detached(const ChildPlan& plan) {
    for (unsigned turns = 0; ::rmdir(host_root) != 0; ++turns) {
        if (errno != EBUSY || plan.status->failed_step != 0) {
            die(plan, ChildStep::HideHost);
        }
        if (turns < 100) {
            ::sched_yield();
        } else {
            const timespec pause{0, 100'000};
            ::nanosleep(&pause, nullptr);
        }
    }
    return true;
}

} // namespace

bool begin_to_hide_host(const ChildPlan& plan) {
    return plan.new_root && plan.isolate_processes && begin_to_detach(plan);
}

void hide_host(const ChildPlan& plan, bool begun) {
    if (!plan.new_root) {
        return;
    }
    const bool hidden = begun ? await_detached(plan) : ::umount2(host_root, MNT_DETACH) == 0 && ::rmdir(host_root) == 0;
    if (!hidden || set_attributes(AT_FDCWD, "/", 0, MOUNT_ATTR_RDONLY) != 0) {
        die(plan, ChildStep::HideHost);
    }
}

} // namespace treadline

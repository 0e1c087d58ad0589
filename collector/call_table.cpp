#include "collector/call_table.h"

#include <cstdlib>
#include <utility>

#include <seccomp.h>
#include <sys/syscall.h>

namespace treadline {
namespace {

// Newer than the headers or the libseccomp of the oldest system this builds on; the same number on every
// architecture (asm-generic/unistd.h).
constexpr std::pair<int, const char*> recent_calls[] = {
    {451, "cachestat"},        // Linux 6.5
    {452, "fchmodat2"},        // 6.6
    {453, "map_shadow_stack"}, // 6.6
    {454, "futex_wake"},       // 6.7
    {455, "futex_wait"},
    {456, "futex_requeue"},
    {457, "statmount"}, // 6.8
    {458, "listmount"},
    {459, "lsm_get_self_attr"},
    {460, "lsm_set_self_attr"},
    {461, "lsm_list_modules"},
    {462, "mseal"},      // 6.10
    {463, "setxattrat"}, // 6.13
    {464, "getxattrat"},
    {465, "listxattrat"},
    {466, "removexattrat"},
    {467, "open_tree_attr"}, // 6.15
};
constexpr int nr_fchmodat2 = 452;
constexpr int nr_setxattrat = 463;
constexpr int nr_getxattrat = 464;
constexpr int nr_listxattrat = 465;
constexpr int nr_removexattrat = 466;

class Table {
public:
    void open(long number, int fd, int path, int flags, uint8_t more = 0) {
        set(number, {TL_FAMILY_OPEN, more, TL_OPEN, 0, s(fd), s(path), -1, -1, s(flags), -1, 0, {}});
    }
    void path(long number, uint8_t op, int fd, int path_argument, int flags = -1, uint8_t more = 0) {
        set(number, {TL_FAMILY_PATH, more, op, 0, s(fd), s(path_argument), -1, -1, s(flags), -1, 0, {}});
    }
    void two(long number, uint8_t op, uint8_t op2, int fd, int path, int fd2, int path2, int flags = -1) {
        set(number, {TL_FAMILY_PATH, 0, op, op2, s(fd), s(path), s(fd2), s(path2), s(flags), -1, 0, {}});
    }
    // `address` and `size` are argument indexes.
    void socket(long number, uint8_t op, int address, int size, uint8_t more = 0) {
        set(number, {TL_FAMILY_SOCKET, more, op, 0, 0, s(address), -1, -1, s(size), -1, 0, {}});
    }
    // How bytes pass, beside what the call already is; `flags` is the argument index of MSG_*.
    void traffic(long number, uint8_t how, int flags = -1) {
        tl_call& call = calls.at(static_cast<size_t>(number));
        if (call.family == TL_FAMILY_NONE) {
            call = {TL_FAMILY_TRAFFIC, 0, 0, 0, 0, -1, -1, -1, -1, -1, 0, {}};
        }
        call.traffic = how;
        call.traffic_flags = s(flags);
    }
    // `fd`: argument index of the file that is mapped; -1: it is mapped already.
    void mapping(long number, int fd = -1) {
        set(number, {TL_FAMILY_MAP, 0, TL_LOAD, 0, s(fd), -1, -1, -1, -1, -1, 0, {}});
    }
    void other(long number, uint8_t family, int fd = -1, int path = -1, int flags = -1) {
        set(number, {family, 0, TL_EXECUTE, 0, s(fd), s(path), -1, -1, s(flags), -1, 0, {}});
    }
    std::array<tl_call, TL_CALLS> calls{};

private:
    static int8_t s(int index) { return static_cast<int8_t>(index); }
    void set(long number, tl_call call) {
        if (number >= 0 && number < TL_CALLS) {
            calls[static_cast<size_t>(number)] = call;
        }
    }
};

} // namespace

std::array<tl_call, TL_CALLS> call_table() {
    Table t;
    constexpr int cwd = -1;
    constexpr int none = -1;

    t.open(SYS_openat, 0, 1, 2);
    t.open(SYS_openat2, 0, 1, 2, TL_CALL_OPEN_HOW);
    t.open(SYS_open_by_handle_at, 0, none, 2, TL_CALL_HANDLE);
    t.path(SYS_unlinkat, TL_UNLINK, 0, 1, 2);
    t.path(SYS_mkdirat, TL_MKDIR, 0, 1);
    t.path(SYS_mknodat, TL_MKNOD, 0, 1);
    t.path(SYS_symlinkat, TL_SYMLINK, 1, 2);
    t.two(SYS_linkat, TL_LINK_OLD, TL_LINK_NEW, 0, 1, 2, 3, 4);
    t.two(SYS_renameat2, TL_RENAME_OLD, TL_RENAME_NEW, 0, 1, 2, 3, 4);
    t.path(SYS_truncate, TL_TRUNCATE, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_ftruncate, TL_TRUNCATE, 0, none);
    t.path(SYS_fchmod, TL_ATTRIBUTES, 0, none);
    t.path(SYS_fchmodat, TL_ATTRIBUTES, 0, 1, none, TL_CALL_FOLLOW);
    t.path(nr_fchmodat2, TL_ATTRIBUTES, 0, 1, 3, TL_CALL_FOLLOW);
    t.path(SYS_fchown, TL_ATTRIBUTES, 0, none);
    t.path(SYS_fchownat, TL_ATTRIBUTES, 0, 1, 4, TL_CALL_FOLLOW);
    t.path(SYS_utimensat, TL_ATTRIBUTES, 0, 1, 3, TL_CALL_FOLLOW);
    t.path(SYS_setxattr, TL_ATTRIBUTES, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_lsetxattr, TL_ATTRIBUTES, cwd, 0);
    t.path(SYS_fsetxattr, TL_ATTRIBUTES, 0, none);
    t.path(nr_setxattrat, TL_ATTRIBUTES, 0, 1, 2, TL_CALL_FOLLOW);
    t.path(SYS_removexattr, TL_ATTRIBUTES, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_lremovexattr, TL_ATTRIBUTES, cwd, 0);
    t.path(SYS_fremovexattr, TL_ATTRIBUTES, 0, none);
    t.path(nr_removexattrat, TL_ATTRIBUTES, 0, 1, 2, TL_CALL_FOLLOW);
    t.path(SYS_chdir, TL_CHDIR, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_fchdir, TL_CHDIR, 0, none);
    t.path(SYS_newfstatat, TL_STAT, 0, 1, 3, TL_CALL_FOLLOW);
    t.path(SYS_statx, TL_STAT, 0, 1, 2, TL_CALL_FOLLOW);
    t.path(SYS_faccessat, TL_STAT, 0, 1, none, TL_CALL_FOLLOW);
    t.path(SYS_faccessat2, TL_STAT, 0, 1, 3, TL_CALL_FOLLOW);
    t.path(SYS_readlinkat, TL_STAT, 0, 1);
    t.path(SYS_statfs, TL_STAT, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_getxattr, TL_STAT, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_lgetxattr, TL_STAT, cwd, 0);
    t.path(SYS_listxattr, TL_STAT, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_llistxattr, TL_STAT, cwd, 0);
    t.path(nr_getxattrat, TL_STAT, 0, 1, 2, TL_CALL_FOLLOW);
    t.path(nr_listxattrat, TL_STAT, 0, 1, 2, TL_CALL_FOLLOW);
    t.path(SYS_name_to_handle_at, TL_STAT, 0, 1, none);
    t.path(SYS_inotify_add_watch, TL_STAT, cwd, 1, none, TL_CALL_FOLLOW);
    t.path(SYS_chroot, TL_STAT, cwd, 0, none, TL_CALL_FOLLOW);
    t.other(SYS_execve, TL_FAMILY_EXEC, cwd, 0);
    t.other(SYS_execveat, TL_FAMILY_EXEC, 0, 1, 4);
    // `fd` is the argument that holds the pid, `flags` the one that holds the request.
    t.other(SYS_ptrace, TL_FAMILY_PTRACE, 1, none, 0);
    t.other(SYS_process_vm_readv, TL_FAMILY_PTRACE, 0);
    t.other(SYS_process_vm_writev, TL_FAMILY_PTRACE, 0);
    t.other(SYS_io_uring_setup, TL_FAMILY_IO_URING);
    t.other(SYS_clone, TL_FAMILY_FORK);
    t.other(SYS_clone3, TL_FAMILY_FORK);
    t.socket(SYS_connect, TL_CONNECT, 1, 2);
    t.socket(SYS_bind, TL_BIND, 1, 2);
    t.socket(SYS_listen, TL_LISTEN, none, none);
    t.socket(SYS_sendto, TL_SEND, 4, 5);
    t.socket(SYS_sendmsg, TL_SEND, none, none, TL_CALL_MESSAGE);
    t.socket(SYS_sendmmsg, TL_SEND, none, none, TL_CALL_MESSAGES);

    t.mapping(SYS_mmap, 4);
    t.mapping(SYS_mprotect);
    t.mapping(SYS_pkey_mprotect);
    t.traffic(SYS_connect, TL_TRAFFIC_CONNECTS);
    t.traffic(SYS_sendto, TL_TRAFFIC_BUFFER | TL_TRAFFIC_ADDRESSED);
    t.traffic(SYS_sendmsg, TL_TRAFFIC_MESSAGE | TL_TRAFFIC_ADDRESSED);
    t.traffic(SYS_sendmmsg, TL_TRAFFIC_MESSAGES | TL_TRAFFIC_ADDRESSED);
    t.traffic(SYS_write, TL_TRAFFIC_BUFFER);
    t.traffic(SYS_writev, TL_TRAFFIC_VECTOR);
    t.traffic(SYS_recvfrom, TL_TRAFFIC_BUFFER | TL_TRAFFIC_RECEIVES, 3);
    t.traffic(SYS_recvmsg, TL_TRAFFIC_MESSAGE | TL_TRAFFIC_RECEIVES, 2);
    t.traffic(SYS_recvmmsg, TL_TRAFFIC_MESSAGES | TL_TRAFFIC_RECEIVES, 3);
    t.traffic(SYS_read, TL_TRAFFIC_BUFFER | TL_TRAFFIC_RECEIVES);
    t.traffic(SYS_readv, TL_TRAFFIC_VECTOR | TL_TRAFFIC_RECEIVES);

    // Not on architectures younger than the *at calls.
#ifdef SYS_open
    t.open(SYS_open, cwd, 0, 1);
    t.open(SYS_creat, cwd, 0, none, TL_CALL_CREAT);
    t.path(SYS_unlink, TL_UNLINK, cwd, 0);
    t.path(SYS_rmdir, TL_RMDIR, cwd, 0);
    t.path(SYS_mkdir, TL_MKDIR, cwd, 0);
    t.path(SYS_mknod, TL_MKNOD, cwd, 0);
    t.path(SYS_symlink, TL_SYMLINK, cwd, 1);
    t.two(SYS_link, TL_LINK_OLD, TL_LINK_NEW, cwd, 0, cwd, 1);
    t.two(SYS_rename, TL_RENAME_OLD, TL_RENAME_NEW, cwd, 0, cwd, 1);
    t.path(SYS_chmod, TL_ATTRIBUTES, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_chown, TL_ATTRIBUTES, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_lchown, TL_ATTRIBUTES, cwd, 0);
    t.path(SYS_utime, TL_ATTRIBUTES, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_utimes, TL_ATTRIBUTES, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_futimesat, TL_ATTRIBUTES, 0, 1, none, TL_CALL_FOLLOW);
#endif
#ifdef SYS_fork
    t.other(SYS_fork, TL_FAMILY_FORK);
    t.other(SYS_vfork, TL_FAMILY_FORK);
#endif
#ifdef SYS_stat
    t.path(SYS_stat, TL_STAT, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_lstat, TL_STAT, cwd, 0);
    t.path(SYS_access, TL_STAT, cwd, 0, none, TL_CALL_FOLLOW);
    t.path(SYS_readlink, TL_STAT, cwd, 0);
#endif
#ifdef SYS_renameat
    t.two(SYS_renameat, TL_RENAME_OLD, TL_RENAME_NEW, 0, 1, 2, 3);
#endif
    return t.calls;
}

std::string syscall_name(int number) {
    char* known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    if (known != nullptr) {
        std::string name(known);
        std::free(known);
        return name;
    }
    for (const auto& [recent, name] : recent_calls) {
        if (recent == number) {
            return name;
        }
    }
    return "#" + std::to_string(number);
}

} // namespace treadline

#include "profiles/syscall_groups.h"

#include <algorithm>
#include <map>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

namespace {
bool has(std::string_view group, std::string_view call) {
    const auto calls = syscalls::expand(group);
    REQUIRE(calls);
    return std::find(calls->begin(), calls->end(), call) != calls->end();
}
} // namespace

TEST_CASE("a call is in one group at most, and no dangerous call is in any", "[profiles][syscalls]") {
    std::map<std::string, std::string> seen;
    for (const std::string& group : syscalls::groups()) {
        const auto calls = syscalls::expand(group);
        REQUIRE(calls);
        REQUIRE_FALSE(calls->empty());
        for (const std::string& call : *calls) {
            INFO(group << " " << call);
            CHECK(seen.emplace(call, group).second);
            CHECK(syscalls::group_of(call) == group);
            CHECK_FALSE(syscalls::danger_of(call));
        }
        CHECK_FALSE(syscalls::describe_group(group).empty());
    }
    CHECK(syscalls::groups().front() == "@base");
}

TEST_CASE("families move together", "[profiles][syscalls]") {
    for (const auto& family : std::vector<std::vector<std::string>>{
             {"open", "openat", "openat2", "creat"},
             {"rename", "renameat", "renameat2"},
             {"unlink", "unlinkat", "rmdir"},
             {"chmod", "fchmod", "fchmodat", "fchmodat2"},
             {"stat", "lstat", "fstat", "newfstatat", "statx"},
             {"clone", "clone3", "fork", "vfork"},
             {"poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2"},
             {"dup", "dup2", "dup3"},
             {"pipe", "pipe2"},
             {"accept", "accept4"},
             {"futex", "futex_waitv", "futex_wait", "futex_wake"},
             {"execve", "execveat"},
         }) {
        for (const std::string& call : family) {
            INFO(call);
            CHECK(syscalls::group_of(call) == syscalls::group_of(family.front()));
            CHECK(syscalls::group_of(call) != "");
        }
    }
}

TEST_CASE("what reaches other processes, the kernel or the mount table is dangerous and says why",
          "[profiles][syscalls]") {
    for (const char* call : {"ptrace",
                             "process_vm_readv",
                             "process_vm_writev",
                             "pidfd_getfd",
                             "bpf",
                             "perf_event_open",
                             "userfaultfd",
                             "keyctl",
                             "add_key",
                             "request_key",
                             "mount",
                             "umount2",
                             "pivot_root",
                             "chroot",
                             "setns",
                             "unshare",
                             "io_uring_setup",
                             "io_uring_enter",
                             "io_uring_register",
                             "kexec_load",
                             "init_module",
                             "finit_module",
                             "delete_module",
                             "reboot",
                             "swapon",
                             "swapoff",
                             "open_by_handle_at",
                             "name_to_handle_at",
                             "quotactl",
                             "acct",
                             "personality",
                             "syslog",
                             "clock_settime",
                             "seccomp",
                             "move_mount",
                             "open_tree",
                             "fsopen",
                             "mount_setattr",
                             "iopl",
                             "fanotify_init"}) {
        INFO(call);
        const auto why = syscalls::danger_of(call);
        REQUIRE(why);
        CHECK(why->size() > 10);
        CHECK(syscalls::group_of(call) == "");
    }
    CHECK_FALSE(syscalls::danger_of("read"));
}

TEST_CASE("the base lets a program start, think and end, but neither change the tree nor serve",
          "[profiles][syscalls]") {
    for (const char* call :
         {"execve", "mmap", "openat", "read", "write", "clone", "wait4", "exit_group", "rt_sigaction",
          "prctl", "prlimit64", "getrandom", "rseq", "set_robust_list", "socketpair", "socket", "connect"}) {
        CHECK(has("@base", call));
    }
    for (const char* call :
         {"unlink", "rename", "mkdir", "chmod", "bind", "listen", "setsid", "shmget"}) {
        INFO(call);
        CHECK_FALSE(has("@base", call));
    }
    CHECK(has("@file", "rename"));
    CHECK(has("@network", "bind"));
}

TEST_CASE("a name stands for itself; an unknown name or group for nothing", "[profiles][syscalls]") {
    CHECK(syscalls::expand("ptrace") == std::vector<std::string>{"ptrace"});
    CHECK_FALSE(syscalls::expand("@everything"));
    CHECK_FALSE(syscalls::expand("launch_missiles"));
    CHECK_FALSE(syscalls::expand(""));
    CHECK_FALSE(syscalls::expand("@"));
}

TEST_CASE("libseccomp knows the names, except those younger than it", "[profiles][syscalls]") {
    // Linux 5.18 to 6.17; an older libseccomp has no number for them and the filter skips them.
    const std::vector<std::string> young = {"futex_wake",    "futex_wait",
                                            "futex_requeue", "map_shadow_stack",
                                            "cachestat",     "fchmodat2",
                                            "mseal",         "setxattrat",
                                            "getxattrat",    "listxattrat",
                                            "removexattrat", "file_getattr",
                                            "file_setattr",  "set_mempolicy_home_node"};
    for (const std::string& group : syscalls::groups()) {
        const auto calls = syscalls::expand(group);
        for (const std::string& call : *calls) {
            const bool is_young = std::find(young.begin(), young.end(), call) != young.end();
            INFO(call);
            CHECK((is_young || syscalls::known_to_libseccomp(call)));
        }
    }
}

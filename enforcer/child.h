// What runs between clone and execve: the steps in the kernel's order, on data laid out beforehand. No
// allocation, no locks, no library state; errors go through a shared page, because the last step forbids
// every other way.
//
//   supervisor --clone--> init (pid 1: namespaces, waits for the plan, mounts) --clone--> command (limits, capabilities,
//   Landlock, waits to be released, seccomp, execve)
//
// Without a pid namespace there is no init: the first child is the command.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "enforcer/missing_defs.h"
#include "enforcer/plan.h"
#include "enforcer/shared_memory.h"

namespace treadline {

enum class ChildStep : int {
    None,
    User,
    Namespaces,
    IdMap,
    Loopback,
    Root,
    Proc,
    Devices,
    Mount,
    HideHost,
    Fork,
    Directory,
    Limits,
    Descriptors,
    Capabilities,
    NoNewPrivileges,
    LandlockCreate,
    LandlockRule,
    LandlockPort,
    LandlockRestrict,
    SelfTest,
    Report,
    Seccomp,
    Execute,
};
std::string_view to_string(ChildStep step); // "mount", as in "cannot mount …"

// In memory that supervisor, init and command share.
struct ChildStatus {
    std::atomic<int> failed_step{0}; // ChildStep
    std::atomic<int> failed_errno{0};
    std::atomic<int> failed_index{-1}; // into mounts or Landlock rules
    std::atomic<int> first_pid{0};     // as the supervisor sees it
    std::atomic<int> listener{-1};     // the seccomp listener, a number in the command's descriptor table
    std::atomic<int> wait_status{-1};  // of the command, as wait(2) gives it; set by init
    // The system call filter, written by the supervisor while the view is being built, before it says go.
    std::atomic<unsigned> filter_length{0};
    std::array<sock_filter, BPF_MAXINSNS> filter;
};
static_assert(std::atomic<int>::is_always_lock_free);

struct ChildMount {
    MountStep::Kind kind = MountStep::Kind::Directory;
    const char* source = nullptr; // of a bind: relative to the host's root
    size_t size = 0;              // of a file's content
    const char* target = nullptr; // absolute
    uint64_t attributes = 0;      // MOUNT_ATTR_*
    mode_t mode = 0755;
    bool directory = true;
};

struct ChildLandlockRule {
    const char* path = nullptr;
    uint64_t rights = 0;
};

struct ChildLimit {
    int resource = 0; // RLIMIT_*
    rlimit value{};
};

struct ChildSelfTest { // SelfTest of plan.h
    const char* secret = nullptr;
    const char* sealed = nullptr;
    bool unlisted_call = false;
    bool contact = false;
    bool connection = false;
    bool signal = false;
};

// In shared memory, with all that it points to. The first part is read right after the clone, the rest when the supervisor
// has sent 'P': the kernel makes the namespaces while the supervisor is still finding out what to do in them.
struct ChildPlan {
    explicit ChildPlan(SharedMemory& memory)
        : groups(SharedAllocator<gid_t>(memory)), mounts(SharedAllocator<ChildMount>(memory)), limits(SharedAllocator<ChildLimit>(memory)),
          landlock_rules(SharedAllocator<ChildLandlockRule>(memory)), bind_ports(SharedAllocator<uint16_t>(memory)),
          argv(SharedAllocator<char*>(memory)), environment(SharedAllocator<char*>(memory)) {}

    ChildStatus* status = nullptr;
    // To the supervisor: 'P' + pidfd, 'R' ready, 'S' stopped; from it: 'P' the plan is there, 'G' go.
    int socket = -1;
    int peer =
        -1; // the supervisor's end, inherited and closed at once: its closing means the supervisor died
    int exec_pipe = -1; // write end; closed by a successful execve
    sigset_t signal_mask{};
    pid_t supervisor = 0;

    bool switch_user = false; // real root starts a command for somebody else
    uid_t uid = 0;
    gid_t gid = 0;
    SharedVector<gid_t> groups;

    bool namespaces = true;
    bool isolate_processes = true;
    bool own_network = true;
    bool new_root = true;
    bool die_with_supervisor = true;
    const char* uid_map = nullptr;
    const char* gid_map = nullptr;
    const char* terminal = nullptr; // bound to /dev/console; null if there is none

    // From here on: once there is a plan.
    SharedVector<ChildMount> mounts;

    const char* directory = nullptr;
    SharedVector<ChildLimit> limits;

    size_t landlock_size = 0; // 0: no Landlock
    landlock::RulesetAttributes landlock_attributes;
    SharedVector<ChildLandlockRule> landlock_rules;
    SharedVector<uint16_t> bind_ports;
    uint64_t port_rights = landlock::bind_tcp;
    unsigned landlock_flags = 0; // log_new_exec_on where the supervisor reads what Landlock logs (landlock_log.h)

    ChildSelfTest self_test;

    bool filtered = false; // ChildStatus::filter will be there
    unsigned filter_flags = 0;

    const char* program = nullptr;
    SharedVector<char*> argv;        // null at the end
    SharedVector<char*> environment; // null at the end
};

// Starts the first child: init, or the command itself where processes are not isolated. Returns its pid.
// The caller must have blocked all signals it wants to see.
pid_t start_child(const ChildPlan& plan);

} // namespace treadline

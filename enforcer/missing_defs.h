// Kernel constants newer than Debian 12's headers (Linux 6.1), each with the kernel that brought it. Names of
// our own, because newer headers define some of the kernel's as enumerators and macros alike.
#pragma once

#include <cstdint>

#include <linux/ioctl.h>
#include <linux/seccomp.h>

namespace treadline {

// linux/landlock.h, by ABI version (landlock(7)): 1 = 5.13, 2 = 5.19, 3 = 6.2, 4 = 6.7, 5 = 6.10, 6 = 6.12, 7
// = 6.15, 8 = 7.0, 9 = 7.1, 10 = 7.2.
namespace landlock {
inline constexpr uint64_t execute = 1ULL << 0;
inline constexpr uint64_t write_file = 1ULL << 1;
inline constexpr uint64_t read_file = 1ULL << 2;
inline constexpr uint64_t read_dir = 1ULL << 3;
inline constexpr uint64_t remove_dir = 1ULL << 4;
inline constexpr uint64_t remove_file = 1ULL << 5;
inline constexpr uint64_t make_char = 1ULL << 6;
inline constexpr uint64_t make_dir = 1ULL << 7;
inline constexpr uint64_t make_reg = 1ULL << 8;
inline constexpr uint64_t make_sock = 1ULL << 9;
inline constexpr uint64_t make_fifo = 1ULL << 10;
inline constexpr uint64_t make_block = 1ULL << 11;
inline constexpr uint64_t make_sym = 1ULL << 12;
inline constexpr uint64_t refer = 1ULL << 13;     // ABI 2
inline constexpr uint64_t truncate = 1ULL << 14;  // ABI 3
inline constexpr uint64_t ioctl_dev = 1ULL << 15; // ABI 5
// ABI 9: connect and send by a path to a UNIX socket that was bound outside of the domain.
inline constexpr uint64_t resolve_unix = 1ULL << 16;

inline constexpr uint64_t bind_tcp = 1ULL << 0;    // ABI 4
inline constexpr uint64_t connect_tcp = 1ULL << 1; // ABI 4
inline constexpr uint64_t bind_udp = 1ULL << 2; // ABI 10
inline constexpr uint64_t connect_send_udp = 1ULL << 3; // ABI 10

inline constexpr uint64_t scope_abstract_unix_socket = 1ULL << 0; // ABI 6
inline constexpr uint64_t scope_signal = 1ULL << 1;               // ABI 6

inline constexpr unsigned log_new_exec_on = 1U << 1; // ABI 7, of landlock_restrict_self

inline constexpr int rule_path_beneath = 1;
inline constexpr int rule_net_port = 2; // ABI 4

struct RulesetAttributes { // struct landlock_ruleset_attr; a kernel takes the prefix it knows
    uint64_t handled_access_fs = 0;
    uint64_t handled_access_net = 0; // ABI 4
    uint64_t scoped = 0;             // ABI 6
};
struct __attribute__((packed)) PathBeneath { // struct landlock_path_beneath_attr
    uint64_t allowed_access = 0;
    int32_t parent_fd = -1;
};
struct NetPort { // struct landlock_net_port_attr
    uint64_t allowed_access = 0;
    uint64_t port = 0;
};
} // namespace landlock

// linux/seccomp.h, Linux 6.6: the notified task's supervisor is woken on the same processor.
inline constexpr unsigned long seccomp_notif_set_flags = SECCOMP_IOW(4, uint64_t);
inline constexpr uint64_t seccomp_notif_sync_wake_up = 1;

// linux/pidfd.h, Linux 6.9: of a thread that does not lead its process.
inline constexpr unsigned pidfd_thread = 0200;

// asm-generic/unistd.h, Linux 6.6: takes AT_SYMLINK_NOFOLLOW.
inline constexpr long sys_fchmodat2 = 452;

// linux/memfd.h, Linux 6.3.
inline constexpr unsigned memfd_noexec_seal = 0x0008U;
inline constexpr unsigned memfd_exec = 0x0010U;

} // namespace treadline

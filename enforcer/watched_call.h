// What a watched system call asks for, read from the calling task: paths with the operations on them, or an
// address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <linux/seccomp.h>
#include <sys/types.h>

#include "enforcer/inside_view.h"

namespace treadline {

struct WatchedPath {
    std::string raw;   // as the program wrote it
    int directory = 0; // descriptor or AT_FDCWD
    LastLink last = LastLink::Follow;
    bool read = false;
    bool write = false;
    bool create = false;            // the name is made, whether it is there or not
    bool create_if_missing = false; // O_CREAT
    bool unnamed = false;           // with create: a file without a name, in the directory that is named (O_TMPFILE)
    bool only_if_missing = false;   // with create: where the name is there, the call fails by itself
    bool remove = false;
    bool remove_directory = false; // with remove: rmdir(2), or unlinkat(2) with AT_REMOVEDIR
    bool make_directory = false;   // with create: mkdir(2)
    bool execute = false;
    bool device = false;      // with create: a device node, which nobody may make
    bool by_loader = false; // with execute: run by the dynamic loader that is called; it need not be executable
    bool link_source = false; // with read: another name for it is made, which could be written where this one cannot
    [[nodiscard]] bool read_only() const {
        return read && !link_source && !write && !create && !create_if_missing && !remove && !execute;
    }
};

struct WatchedAddress {
    bool bind = false; // else connect, or a datagram sent there
    bool sends = false; // a datagram goes there now
    int descriptor = -1;
    std::string bytes; // the sockaddr
};

struct WatchedCall {
    std::vector<WatchedPath> paths;
    std::vector<WatchedAddress> addresses;
};

// Whether a program of this name is a dynamic loader, as `ld-linux-x86-64.so.2` and `ld-musl-x86_64.so.1` are.
bool is_dynamic_loader(std::string_view file_name);

// What a dynamic loader that the call executes was told to run; nothing where it only lists or verifies.
std::optional<WatchedPath> program_of_loader(pid_t task, const std::string& name, const seccomp_data& data);

WatchedCall read_call(pid_t task, const std::string& name, const seccomp_data& data);

} // namespace treadline

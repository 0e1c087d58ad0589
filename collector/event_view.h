// Reading the records of bpf/events.h: bytes in, checked views out. The C++ twin of that wire format.
//
// Views borrow from the bytes they were parsed from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "bpf/events.h"

namespace treadline {

static_assert(sizeof(tl_header) == 32 && offsetof(tl_header, time_ns) == 8 &&
              offsetof(tl_header, image) == 16 && offsetof(tl_header, pid) == 24);
static_assert(sizeof(tl_fork) == 48 && offsetof(tl_fork, child_image) == 32 &&
              offsetof(tl_fork, child_pid) == 40);
static_assert(sizeof(tl_exec) == 56 && offsetof(tl_exec, flags) == 40 &&
              offsetof(tl_exec, names_size) == 44 && offsetof(tl_exec, argv_size) == 50);
static_assert(sizeof(tl_exit) == 40 && offsetof(tl_exit, status) == 32);
static_assert(sizeof(tl_path) == 72 && offsetof(tl_path, object) == 32 && offsetof(tl_path, result) == 40 &&
              offsetof(tl_path, op) == 44 && offsetof(tl_path, call_flags) == 48 &&
              offsetof(tl_path, names_size) == 64 && offsetof(tl_path, text_size) == 68);
static_assert(sizeof(tl_socket) == 64 && offsetof(tl_socket, detail) == 44 && offsetof(tl_socket, op) == 48 &&
              offsetof(tl_socket, address_size) == 56);
static_assert(sizeof(tl_syscalls) == 96 && offsetof(tl_syscalls, words) == 32);
static_assert(sizeof(tl_environment) == 40 && offsetof(tl_environment, names_size) == 32);
static_assert(sizeof(tl_task) == 80 && sizeof(tl_seen_key) == 24 && sizeof(tl_seen) == 16 &&
              sizeof(tl_call) == 16);

struct ForkEvent {
    tl_fork fixed;
};
struct ExecEvent {
    tl_exec fixed;
    std::string_view names;    // the running program
    std::string_view base;     // working directory, if needed
    std::string_view filename; // the script, if one was interpreted
    std::string_view argv;
};
struct ExitEvent {
    tl_exit fixed;
};
struct PathEvent {
    tl_path fixed;
    std::string_view names;
    std::string_view base;
    std::string_view text;
};
struct SocketEvent {
    tl_socket fixed;
    std::string_view address;
    std::string_view base;
};
struct SyscallsEvent {
    tl_syscalls fixed;
};
struct EnvironmentEvent {
    tl_environment fixed;
    std::string_view names;
};
using Event =
    std::variant<ForkEvent, ExecEvent, ExitEvent, PathEvent, SocketEvent, SyscallsEvent, EnvironmentEvent>;

// Refuses what is truncated, has parts that do not add up to its size, or is of an unknown kind.
result<Event> parse_event(std::string_view bytes);

// "c\0b\0a\0" -> "/a/b/c"; nothing -> "/".
std::string path_from_names(std::string_view names);

// "a\0b\0" -> {"a", "b"}; a last one without NUL (cut off) is kept.
std::vector<std::string> texts_from(std::string_view terminated);

} // namespace treadline

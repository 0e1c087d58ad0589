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

static_assert(sizeof(tl_header) == 40 && offsetof(tl_header, sequence) == 4 &&
              offsetof(tl_header, time_ns) == 8 && offsetof(tl_header, image) == 16 &&
              offsetof(tl_header, pid) == 24 && offsetof(tl_header, cpu) == 32);
static_assert(sizeof(tl_name) == 56 && offsetof(tl_name, object) == 40 &&
              offsetof(tl_name, names_size) == 48);
static_assert(sizeof(tl_fork) == 56 && offsetof(tl_fork, child_image) == 40 &&
              offsetof(tl_fork, child_pid) == 48);
static_assert(sizeof(tl_exec) == 88 && offsetof(tl_exec, program) == 48 && offsetof(tl_exec, root) == 64 &&
              offsetof(tl_exec, flags) == 72 && offsetof(tl_exec, name_size) == 76 &&
              offsetof(tl_exec, argv_size) == 80 && offsetof(tl_exec, mounts) == 84);
static_assert(sizeof(tl_exit) == 56 && offsetof(tl_exit, status) == 40 && offsetof(tl_exit, cpu_ns) == 48);
static_assert(sizeof(tl_path) == 96 && offsetof(tl_path, object) == 40 && offsetof(tl_path, base) == 48 &&
              offsetof(tl_path, root) == 56 && offsetof(tl_path, directory) == 64 &&
              offsetof(tl_path, result) == 72 && offsetof(tl_path, op) == 76 &&
              offsetof(tl_path, flags) == 78 && offsetof(tl_path, name_size) == 79 &&
              offsetof(tl_path, call_flags) == 80 && offsetof(tl_path, inode_mode) == 88 &&
              offsetof(tl_path, text_size) == 90 && offsetof(tl_path, mounts) == 92);
static_assert(sizeof(tl_socket) == 88 && offsetof(tl_socket, base) == 48 && offsetof(tl_socket, root) == 56 &&
              offsetof(tl_socket, detail) == 68 && offsetof(tl_socket, op) == 72 &&
              offsetof(tl_socket, address_size) == 80 && offsetof(tl_socket, mounts) == 84);
static_assert(sizeof(tl_syscalls) == 104 && offsetof(tl_syscalls, words) == 40);
static_assert(sizeof(tl_environment) == 48 && offsetof(tl_environment, names_size) == 40);
static_assert(sizeof(tl_other_task) == 88 && offsetof(tl_other_task, other_pid) == 56 &&
              offsetof(tl_other_task, comm) == 68);
static_assert(sizeof(tl_getenv) == 48 && offsetof(tl_getenv, name_size) == 40);
static_assert(sizeof(tl_answer) == 56 && offsetof(tl_answer, socket) == 40 &&
              offsetof(tl_answer, bytes_size) == 52);
static_assert(sizeof(tl_repeats) == 64 && offsetof(tl_repeats, access) == 40);
static_assert(sizeof(tl_pending) == 16 && sizeof(tl_task) == 328 && sizeof(tl_seen_line) == 64 &&
              sizeof(tl_repeat_counts) == 128 && sizeof(tl_call) == 16);

struct NameEvent {
    tl_name fixed;
    std::string_view names;
};
struct ForkEvent {
    tl_fork fixed;
};
struct ExecEvent {
    tl_exec fixed;
    std::string_view name;     // of a program without a path
    std::string_view filename; // the script, if one was interpreted
    std::string_view argv;
};
struct ExitEvent {
    tl_exit fixed;
};
struct PathEvent {
    tl_path fixed;
    std::string_view name; // of the object, in `directory`
    std::string_view text;
};
struct SocketEvent {
    tl_socket fixed;
    std::string_view address;
};
struct SyscallsEvent {
    tl_syscalls fixed;
};
struct EnvironmentEvent {
    tl_environment fixed;
    std::string_view names;
};
struct OtherTaskEvent {
    tl_other_task fixed;
};
struct GetenvEvent {
    tl_getenv fixed;
    std::string_view name;
};
struct RepeatsEvent {
    tl_repeats fixed;
};
struct AnswerEvent {
    tl_answer fixed;
    std::string_view bytes;
};
using Event = std::variant<NameEvent, ForkEvent, ExecEvent, ExitEvent, PathEvent, SocketEvent, SyscallsEvent,
                           EnvironmentEvent, OtherTaskEvent, GetenvEvent, AnswerEvent, RepeatsEvent>;

// Refuses what is truncated, has parts that do not add up to its size, or is of an unknown kind.
result<Event> parse_event(std::string_view bytes);

// "c\0b\0a\0" -> "/a/b/c"; nothing -> "/".
std::string path_from_names(std::string_view names);
void path_from_names(std::string_view names, std::string& path); // the same, without a new string

// "a\0b\0" -> {"a", "b"}; a last one without NUL (cut off) is kept.
std::vector<std::string> texts_from(std::string_view terminated);

} // namespace treadline

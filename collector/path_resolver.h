// The path a call meant, from the directory it started in and the text it gave.
//
// Links are resolved on the disk as it is at that moment: a tree that changes in between can give the path
// before or after the change.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace treadline {

enum class LastLink { Follow, Keep };

struct Start {
    std::string directory;  // absolute and resolved; where a relative text starts
    pid_t pid = 0;          // who asked: /proc/self and /dev/fd mean that process
    std::string root = "/"; // what "/" and ".." at the top mean to it; absolute and resolved
    // That root as the process sees it, where it is in a mount namespace of its own; borrowed. -1:
    // nobody can tell, so links are not believed.
    std::optional<int> view = std::nullopt;
};

struct Resolution {
    std::string path; // absolute and resolved; from what does not exist on, as it was written
    bool directory = false;
    // It leads through a descriptor or directory of a process, which may be another one by now, or through
    // mounts that only the process saw.
    bool unknown = false;
};

Resolution resolve(const Start& start, std::string_view text, LastLink last);

// Opens what the process sees at a resolved path: of its links none is followed out of its root, nor into
// /proc.
std::optional<unique_fd> open_seen(const Start& start, const std::string& path, int flags);

// What is left of a text whose start names a descriptor or directory of a process (TL_PATH_PROC): relative to
// where that leads.
std::string_view after_proc_start(std::string_view text);

inline std::string resolve_path(std::string_view directory, std::string_view text, LastLink last, pid_t pid) {
    return resolve({std::string(directory), pid, "/"}, text, last).path;
}

} // namespace treadline

// The path a call meant, from the directory it started in and the text it gave.
//
// Links are resolved on the disk as it is at that moment: a tree that changes in between can give the path
// before or after the change.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace treadline {

enum class LastLink { Follow, Keep };

struct Start {
    std::string directory;  // absolute and resolved; where a relative text starts
    pid_t pid = 0;          // who asked: /proc/self and /dev/fd mean that process
    std::string root = "/"; // what "/" and ".." at the top mean to it; absolute and resolved
};

struct Resolution {
    std::string path; // absolute and resolved; from what does not exist on, as it was written
    bool directory = false;
    // It leads through a descriptor or directory of a process: by now that may be another one, or gone.
    bool unknown = false;
};

Resolution resolve(const Start& start, std::string_view text, LastLink last);

// What is left of a text whose start names a descriptor or directory of a process (TL_PATH_PROC): relative to
// where that leads.
std::string_view after_proc_start(std::string_view text);

inline std::string resolve_path(std::string_view directory, std::string_view text, LastLink last, pid_t pid) {
    return resolve({std::string(directory), pid, "/"}, text, last).path;
}

} // namespace treadline

// What a run changes outside the sandbox, and takes back: missing directories that a `c` rule names (they
// stay), placeholders for guards (removed if still the empty object that was made), a cgroup of the run's
// own.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/plan.h"

namespace treadline {

// Removes an empty directory, following no symbolic link on the way to it; anything else stays as it is.
void remove_empty_directory(const std::string& path);

class Outside {
public:
    static result<Outside> make(const Plan& plan);
    Outside(Outside&& other) noexcept;
    Outside& operator=(Outside&&) = delete;
    ~Outside();

    // Puts a process into the run's cgroup, if there is one.
    result<ok> confine(pid_t pid) const;

private:
    Outside() = default;
    result<ok> make_placeholder(const Placeholder& placeholder, uid_t uid, gid_t gid);
    result<ok> make_cgroup(const Plan& plan);
    result<ok> start_janitor();
    void remove_made() const;

    struct Made {
        std::string path;
        bool directory = false;
        dev_t device = 0;
        ino_t inode = 0;
    };
    std::vector<Made> made_;
    // A process that removes the placeholders when this one is killed: it waits for the pipe to close.
    unique_fd janitor_pipe_;
    pid_t janitor_ = -1;
    std::string cgroup_;
};

} // namespace treadline

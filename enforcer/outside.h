// What a run changes outside the sandbox, and takes back: missing directories that a `c` rule names (where they are
// still empty), placeholders for guards (where they are still as they were made), a cgroup and, without mounts, a temporary
// directory of the run's own.
//
// Overlapping runs of one project share what they make: each holds a shared lock on the project's directory, and only
// one that is alone takes anything back. What a run finds already made by another, or left by one that was killed, is
// its own, too.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/plan.h"
#include "enforcer/run_cgroup.h"

namespace treadline {

// Whether what is at `placeholder.path` is one that Treadline made and nobody has changed since.
bool is_untouched_placeholder(const Placeholder& placeholder);

class Outside {
public:
    static result<Outside> make(const Plan& plan);
    Outside(Outside&& other) noexcept;
    Outside& operator=(Outside&&) = delete;
    ~Outside();

    [[nodiscard]] const RunCgroup& cgroup() const { return cgroup_; }

    // The command made this one of the plan's directories itself: it stays, even if it is empty.
    void keep_directory(const std::string& path);
    // Removes, deepest first, those that are empty, unless another run of the project lasts.
    void remove_directories(const std::set<std::string>& paths);

private:
    Outside() = default;
    result<ok> lock_project(const Plan& plan);
    [[nodiscard]] bool alone() const;
    result<ok> make_temporary(const Plan& plan);
    result<ok> make_missing_directory(const std::string& path, uid_t uid, gid_t gid);
    result<ok> make_placeholder(const Placeholder& placeholder, uid_t uid, gid_t gid);
    result<ok> start_janitor();
    void remove_made() const;

    struct Made {
        Placeholder what;
        bool placeholder = false; // else a directory that a rule names
        dev_t device = 0;
        ino_t inode = 0;
    };
    std::vector<Made> made_; // what lies in another comes after it
    unique_fd lock_;         // the project's directory; none where there is no project or no lock
    // A process that removes placeholders and cgroup when this one is killed: it waits for the pipe to close.
    unique_fd janitor_pipe_;
    pid_t janitor_ = -1;
    RunCgroup cgroup_;
    std::string temporary_; // removed with what is in it
};

} // namespace treadline

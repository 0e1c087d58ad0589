// What a run changes outside the sandbox, and takes back: missing directories that a `c` rule names (they
// stay), placeholders for guards (removed if still the empty object that was made), a cgroup of the run's
// own.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "enforcer/plan.h"

namespace treadline {

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

    struct Made {
        std::string path;
        bool directory = false;
        dev_t device = 0;
        ino_t inode = 0;
    };
    std::vector<Made> made_;
    std::string cgroup_;
};

} // namespace treadline

// Notices that a guard no longer lies over what it guards.
//
// A mount falls off in every other mount namespace when somebody outside unlinks its mount point or renames over it,
// and it moves along when the mount point itself is renamed; editors and `git config` do both. Nothing inside may mount
// or unmount, so every change of the sandbox's own mounts comes from outside.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/plan.h"

namespace treadline {

class GuardWatch {
public:
    // `task` lives in the sandbox's mount namespace, all of the plan's mounts being done. Fails where one of them has
    // gone already.
    static result<GuardWatch> start(const Plan& plan, pid_t task);

    // Poll these for POLLPRI and for POLLIN (proc_pid_mountinfo(5), inotify(7)).
    [[nodiscard]] int mounts() const { return mounts_.get(); }
    [[nodiscard]] int moves() const { return moves_.get(); }

    // After either has reported: the guarded path that lies open, if one does. Mounts that only came along with a
    // directory of the host may go.
    [[nodiscard]] std::optional<std::string> lost();

    // The run is over. It holds the last reference to the sandbox's mounts, and the kernel takes some milliseconds to take
    // those apart, and up to some hundredths of a second to end the watch for moves: not while anybody waits, but for the
    // mounts where that has to be over now.
    enum class Mounts : uint8_t { Now, Later };
    void leave(Mounts mounts);

private:
    GuardWatch() = default;
    unique_fd mounts_;
    unique_fd moves_;
    std::map<std::string, int> expected_; // mount point -> number of the mount on it
    std::map<int, std::string> watched_;  // inotify's descriptor -> path
};

} // namespace treadline

// The file trees of processes in mount namespaces of their own, which the collector does not see.
//
// Only a process that still lives there can lend its view; nothing is held open in between, since that would
// keep alive what the command thinks it has unmounted.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>

#include "base/unique_fd.h"

namespace treadline {

struct MountView {
    unique_fd mounts; // keeps the namespace together while it is looked at
    unique_fd root;   // none: nobody can lend one
};

class MountViews {
public:
    // A process was in the namespace with this inode number.
    void met(uint32_t mounts, pid_t pid);
    // From the root that is called `root` in that namespace.
    [[nodiscard]] MountView open(uint32_t mounts, const std::string& root) const;

private:
    std::unordered_map<uint32_t, std::deque<pid_t>> inhabitants_; // the latest first
};

} // namespace treadline

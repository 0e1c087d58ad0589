#include "collector/mount_views.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/syscalls.h"

namespace treadline {
namespace {

constexpr size_t inhabitants_max = 8; // whoever made the namespace is often the first and lives longest

} // namespace

void MountViews::met(uint32_t mounts, pid_t pid) {
    std::deque<pid_t>& known = inhabitants_[mounts];
    if (std::find(known.begin(), known.end(), pid) != known.end()) {
        return;
    }
    known.push_front(pid);
    if (known.size() > inhabitants_max) {
        known.erase(known.end() - 2); // not the first
    }
}

MountView MountViews::open(uint32_t mounts, const std::string& root) const {
    const auto known = inhabitants_.find(mounts);
    if (known == inhabitants_.end()) {
        return {};
    }
    for (const pid_t pid : known->second) {
        const std::string process = "/proc/" + std::to_string(pid);
        auto space = sys::open(process + "/ns/mnt", O_RDONLY);
        struct stat about {};
        if (!space || ::fstat(space->get(), &about) != 0 || about.st_ino != mounts) {
            continue; // gone, or its number is another one's by now
        }
        auto top = sys::open(process + "/root", O_PATH | O_DIRECTORY);
        const auto name = top ? sys::readlink("/proc/self/fd/" + std::to_string(top->get())) : "";
        if (name && *name == root) {
            return {std::move(*space), std::move(*top)};
        }
    }
    return {};
}

} // namespace treadline

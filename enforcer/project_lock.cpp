#include "enforcer/project_lock.h"

#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>

#include "base/text.h"

namespace treadline {
namespace {

constexpr auto between_tries = std::chrono::milliseconds(2);

} // namespace

ProjectLock ProjectLock::share(const std::string& project, std::chrono::milliseconds longest) {
    ProjectLock lock;
    if (project.empty()) {
        return lock;
    }
    lock.directory_.reset(::open(project.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto until = std::chrono::steady_clock::now() + longest;
    while (lock.directory_ && ::flock(lock.directory_.get(), LOCK_SH | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            return lock; // a file system without locks
        }
        if (std::chrono::steady_clock::now() > until) {
            lock.kept_locked_ = project;
            return lock;
        }
        std::this_thread::sleep_for(between_tries);
    }
    return lock;
}

result<ok> ProjectLock::held() const {
    return kept_locked_.empty() ? result<ok>(ok{})
                                : fail("cannot start: another process keeps '" + printable(kept_locked_) + "' locked (flock)");
}

bool ProjectLock::alone() const {
    return !directory_ || ::flock(directory_.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void ProjectLock::give_up() const {
    ::flock(directory_.get(), LOCK_UN);
}

bool ProjectLock::wait_alone() const {
    return ::flock(directory_.get(), LOCK_EX) == 0;
}

} // namespace treadline

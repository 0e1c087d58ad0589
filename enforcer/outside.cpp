#include "enforcer/outside.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

// A placeholder's modification time (2014-10-30 13:46:44 UTC). Whoever writes into it, or makes a name in it, changes
// that, and makes it their own.
constexpr time_t placeholder_time = 0x54524144;
constexpr auto longest_wait = std::chrono::seconds(5); // for a run that is just ending

// Following no symbolic link on the way: something may have been swapped.
void remove_empty_directory(const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    const std::string parent(parent_path(path));
    const unique_fd directory(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, parent.c_str(), &how, sizeof how)));
    if (directory) {
        ::unlinkat(directory.get(), std::string(file_name(path)).c_str(), AT_REMOVEDIR);
    }
}

} // namespace

bool is_untouched_placeholder(const Placeholder& placeholder) {
    struct stat status {};
    // What another run is just making gets its time a moment after its name.
    for (int waited_ms = 0; ::lstat(placeholder.path.c_str(), &status) == 0 && status.st_mtime != placeholder_time; ++waited_ms) {
        if (waited_ms == 50 || ::time(nullptr) - status.st_ctime > 1) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (status.st_mtime != placeholder_time) {
        return false; // not there
    }
    if (placeholder.directory) {
        return S_ISDIR(status.st_mode);
    }
    return placeholder.content
               ? S_ISREG(status.st_mode) && static_cast<size_t>(status.st_size) == placeholder.content->size()
               : S_ISSOCK(status.st_mode);
}

Outside::Outside(Outside&& other) noexcept
    : made_(std::exchange(other.made_, {})), lock_(std::move(other.lock_)),
      janitor_pipe_(std::move(other.janitor_pipe_)), janitor_(std::exchange(other.janitor_, -1)),
      cgroup_(std::move(other.cgroup_)), temporary_(std::exchange(other.temporary_, "")) {}

// Shared for the run. Nobody holds it exclusively but a run that is about to end, for as long as it tidies up.
result<ok> Outside::lock_project(const Plan& plan) {
    if (plan.policy == nullptr || plan.policy->variables().get("project").empty()) {
        return ok{};
    }
    const std::string& project = plan.policy->variables().get("project");
    lock_ = unique_fd(::open(project.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto until = std::chrono::steady_clock::now() + longest_wait;
    while (lock_ && ::flock(lock_.get(), LOCK_SH | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) {
            lock_.reset(); // a file system without locks
        } else if (std::chrono::steady_clock::now() > until) {
            return fail("cannot start: another process keeps '" + project + "' locked (flock)");
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    return ok{};
}

// Gives the shared lock up where others hold it: asked at the end only.
bool Outside::alone() const {
    return !lock_ || ::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0;
}

result<ok> Outside::make_missing_directory(const std::string& path, uid_t uid, gid_t gid) {
    if (::mkdir(path.c_str(), 0755) != 0) {
        return errno == EEXIST ? result<ok>(ok{}) : fail_errno("cannot make the directory '" + path + "'");
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail_errno("cannot look at the directory '" + path + "'");
    }
    made_.push_back({{path, true, "", {}}, false, status.st_dev, status.st_ino});
    if (status.st_uid != uid && ::lchown(path.c_str(), uid, gid) != 0) {
        return fail_errno("cannot give away the directory '" + path + "'");
    }
    return ok{};
}

result<ok> Outside::make_placeholder(const Placeholder& placeholder, uid_t uid, gid_t gid) {
    const std::string& path = placeholder.path;
    bool made = false;
    if (placeholder.directory) {
        made = ::mkdir(path.c_str(), 0700) == 0;
    } else if (placeholder.content) {
        // What git expects is for all who use the repository; another's content may be private.
        const mode_t mode = path.find("/.git/") == std::string::npos ? 0600 : 0644;
        const unique_fd file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
        made = file.valid();
        if (made) {
            TRY(sys::write_all(file.get(), *placeholder.content));
        }
    } else {
        // A socket that nobody listens on: git, and most of what walks a tree, passes over one, so a run that
        // adds all files to a commit does not add placeholders.
        made = ::mknod(path.c_str(), S_IFSOCK | 0600, 0) == 0;
    }
    if (!made && errno != EEXIST) {
        return fail_errno("cannot make the placeholder '" + path + "'");
    }
    if (!made && !is_untouched_placeholder(placeholder)) {
        return ok{}; // somebody's own by now
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail_errno("cannot look at the placeholder '" + path + "'");
    }
    made_.push_back({placeholder, true, status.st_dev, status.st_ino});
    const std::array<timespec, 2> times = {timespec{placeholder_time, 0}, timespec{placeholder_time, 0}};
    if (made && ::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        return fail_errno("cannot mark the placeholder '" + path + "'");
    }
    if (status.st_uid != uid && ::lchown(path.c_str(), uid, gid) != 0) {
        return fail_errno("cannot give away the placeholder '" + path + "'");
    }
    return ok{};
}

void Outside::keep_directory(const std::string& path) {
    std::erase_if(made_, [&](const Made& made) { return !made.placeholder && is_within(path, made.what.path); });
}

void Outside::remove_directories(const std::set<std::string>& paths) {
    if (!alone()) {
        return;
    }
    for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
        remove_empty_directory(*path);
    }
}

result<Outside> Outside::make(const Plan& plan) {
    Outside outside;
    TRY(outside.lock_project(plan));
    for (const std::string& directory : plan.make_directories) {
        TRY(outside.make_missing_directory(directory, plan.command.uid, plan.command.gid));
    }
    for (const Placeholder& placeholder : plan.placeholders) {
        TRY(outside.make_placeholder(placeholder, plan.command.uid, plan.command.gid));
    }
    outside.cgroup_ = TRY(RunCgroup::make(plan));
    if (!plan.temporary.empty()) {
        TRY(outside.make_temporary(plan));
    }
    if (!outside.made_.empty() || outside.cgroup_ || !outside.temporary_.empty()) {
        TRY(outside.start_janitor());
    }
    return outside;
}

result<ok> Outside::make_temporary(const Plan& plan) {
    TRY(sys::mkdir(plan.temporary, 0700));
    temporary_ = plan.temporary;
    if (::geteuid() != plan.command.uid && ::lchown(temporary_.c_str(), plan.command.uid, plan.command.gid) != 0) {
        return fail_errno("cannot give away the directory '" + temporary_ + "'");
    }
    return ok{};
}

// rmdir refuses what is no longer empty by itself.
void Outside::remove_made() const {
    if (!temporary_.empty()) {
        std::error_code left; // what the command made unreadable for itself stays
        std::filesystem::remove_all(temporary_, left);
    }
    if (made_.empty() || !alone()) {
        return;
    }
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
        const char* path = made->what.path.c_str();
        struct stat now {};
        if (::lstat(path, &now) != 0 || now.st_dev != made->device || now.st_ino != made->inode ||
            (made->placeholder && !is_untouched_placeholder(made->what))) {
            continue;
        }
        if (made->what.directory) {
            ::rmdir(path);
        } else {
            ::unlink(path);
        }
    }
}

result<ok> Outside::start_janitor() {
    auto pipe = TRY(sys::pipe());
    janitor_ = ::fork();
    if (janitor_ < 0) {
        return fail_errno("cannot start the process that removes placeholders");
    }
    if (janitor_ == 0) {
        ::setsid(); // signals of the terminal are not for it
        // Only the pipe's reading end and the lock are kept: as 0 and 1.
        const int lock = lock_ ? ::fcntl(lock_.get(), F_DUPFD_CLOEXEC, 2) : -1;
        const int ended = ::fcntl(pipe.first.get(), F_DUPFD_CLOEXEC, 2);
        ::dup2(ended, 0);
        ::dup2(lock >= 0 ? lock : ended, 1);
        ::syscall(SYS_close_range, 2U, ~0U, 0U);
        lock_ = unique_fd(lock >= 0 ? 1 : -1);
        char byte = 0;
        while (::read(0, &byte, 1) < 0 && errno == EINTR) {
        }
        cgroup_.remove();
        remove_made();
        ::_exit(0);
    }
    janitor_pipe_ = std::move(pipe.second);
    return ok{};
}

Outside::~Outside() {
    cgroup_.remove();
    remove_made();
    janitor_pipe_.reset();
    if (janitor_ > 0) {
        while (::waitpid(janitor_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
}

} // namespace treadline

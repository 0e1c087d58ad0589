#include "enforcer/outside.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

result<ok> write_setting(const std::string& path, const std::string& value) {
    const unique_fd file = TRY(sys::open(path, O_WRONLY));
    if (auto written = sys::write_all(file.get(), value); !written) {
        return fail_code(written.error().code, "cannot write '" + value + "' to '" + path + "'");
    }
    return ok{};
}

} // namespace

Outside::Outside(Outside&& other) noexcept
    : made_(std::exchange(other.made_, {})), janitor_pipe_(std::move(other.janitor_pipe_)),
      janitor_(std::exchange(other.janitor_, -1)), cgroup_(std::exchange(other.cgroup_, "")) {}

result<ok> Outside::make_placeholder(const Placeholder& placeholder, uid_t uid, gid_t gid) {
    const std::string& path = placeholder.path;
    if (placeholder.directory) {
        if (::mkdir(path.c_str(), 0700) != 0) {
            return errno == EEXIST ? result<ok>(ok{})
                                   : fail_errno("cannot make the placeholder '" + path + "'");
        }
    } else if (placeholder.content) {
        const unique_fd file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
        if (!file && errno == EEXIST) {
            return ok{};
        }
        if (!file) {
            return fail_errno("cannot make the placeholder '" + path + "'");
        }
        TRY(sys::write_all(file.get(), *placeholder.content));
    } else {
        // A socket that nobody listens on: git, and most of what walks a tree, passes over one, so a run that
        // adds all files to a commit does not add placeholders.
        if (::mknod(path.c_str(), S_IFSOCK | 0600, 0) != 0 && errno != EEXIST) {
            return fail_errno("cannot make the placeholder '" + path + "'");
        }
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail_errno("cannot look at the placeholder '" + path + "'");
    }
    if (!placeholder.directory && !placeholder.content && !S_ISSOCK(status.st_mode)) {
        return ok{}; // somebody's own file by now
    }
    made_.push_back({path, placeholder.directory, status.st_dev, status.st_ino});
    if (status.st_uid != uid && ::lchown(path.c_str(), uid, gid) != 0) {
        return fail_errno("cannot give away the placeholder '" + path + "'");
    }
    return ok{};
}

result<ok> Outside::make_cgroup(const Plan& plan) {
    cgroup_ = plan.cgroup + "/treadline-" + std::to_string(::getpid());
    TRY(sys::mkdir(cgroup_, 0755));
    if (plan.resources.memory_bytes) {
        TRY(write_setting(cgroup_ + "/memory.max", std::to_string(*plan.resources.memory_bytes)));
        // Absent where the kernel accounts no swap.
        if (::access((cgroup_ + "/memory.swap.max").c_str(), W_OK) == 0) {
            TRY(write_setting(cgroup_ + "/memory.swap.max", "0"));
        }
    }
    if (plan.resources.cpu_percent) {
        constexpr unsigned period_us = 100'000;
        TRY(write_setting(cgroup_ + "/cpu.max",
                          std::to_string(*plan.resources.cpu_percent * (period_us / 100)) + " " +
                              std::to_string(period_us)));
    }
    return ok{};
}

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

result<Outside> Outside::make(const Plan& plan) {
    Outside outside;
    for (const std::string& directory : plan.make_directories) {
        TRY(sys::make_directories(directory, 0755));
        if (::geteuid() != plan.command.uid &&
            ::lchown(directory.c_str(), plan.command.uid, plan.command.gid) != 0) {
            return fail_errno("cannot give away the directory '" + directory + "'");
        }
    }
    for (const Placeholder& placeholder : plan.placeholders) {
        TRY(outside.make_placeholder(placeholder, plan.command.uid, plan.command.gid));
    }
    if (!outside.made_.empty()) {
        TRY(outside.start_janitor());
    }
    if (!plan.cgroup.empty()) {
        TRY(outside.make_cgroup(plan));
    }
    return outside;
}

result<ok> Outside::confine(pid_t pid) const {
    if (cgroup_.empty()) {
        return ok{};
    }
    return write_setting(cgroup_ + "/cgroup.procs", std::to_string(pid));
}

// rmdir refuses what is no longer empty by itself. Only system calls: the janitor runs this after fork.
void Outside::remove_made() const {
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
        struct stat now {};
        if (::lstat(made->path.c_str(), &now) != 0 || now.st_dev != made->device ||
            now.st_ino != made->inode) {
            continue;
        }
        if (made->directory) {
            ::rmdir(made->path.c_str());
        } else {
            ::unlink(made->path.c_str());
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
        ::dup2(pipe.first.get(), 0);
        ::syscall(SYS_close_range, 1U, ~0U, 0U);
        char byte = 0;
        while (::read(0, &byte, 1) < 0 && errno == EINTR) {
        }
        remove_made();
        ::_exit(0);
    }
    janitor_pipe_ = std::move(pipe.second);
    return ok{};
}

Outside::~Outside() {
    remove_made();
    janitor_pipe_.reset();
    if (janitor_ > 0) {
        while (::waitpid(janitor_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    if (!cgroup_.empty()) {
        ::rmdir(cgroup_.c_str());
    }
}

} // namespace treadline

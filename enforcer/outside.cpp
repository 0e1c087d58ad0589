#include "enforcer/outside.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <new>
#include <set>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "enforcer/missing_defs.h"

namespace treadline {
namespace {

// A placeholder's modification time (2014-10-30 13:46:44 UTC). Whoever writes into it, or makes a name in it, changes
// that, and makes it their own.
constexpr time_t placeholder_time = 0x54524144;
constexpr auto longest_wait = std::chrono::seconds(5); // for a run that is just ending
constexpr size_t longest_answer = 8 * 1024; // of the janitor
constexpr auto between_tries = std::chrono::milliseconds(20);

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

// While something is being made it has this bit, which means nothing where we make things. So what a janitor was at when it
// was killed is known, too.
constexpr mode_t unfinished = S_ISVTX;

// Gives it its time and then its mode, following no link that somebody may have put there.
bool finish(const std::string& path, mode_t mode) {
    const std::array<timespec, 2> times = {timespec{placeholder_time, 0}, timespec{placeholder_time, 0}};
    if (::utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    const bool done = ::syscall(sys_fchmodat2, AT_FDCWD, path.c_str(), mode, AT_SYMLINK_NOFOLLOW) == 0;
    if (done || errno != ENOSYS) {
        return done;
    }
    const unique_fd file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    return file && ::chmod(("/proc/self/fd/" + std::to_string(file.get())).c_str(), mode) == 0;
}

// Below the project or the home, not what leads to them.
bool may_be_made(const Plan& plan, std::string_view directory) {
    const auto above = [&](const char* variable) {
        const std::string place = plan.policy->variables().get(variable);
        return place.empty() || is_within(place, directory);
    };
    return plan.policy != nullptr && directory != "/" && !above("project") && !above("home");
}

bool lies_in_project_or_home(const Plan& plan, const std::string& path) {
    const auto below = [&](const char* variable) {
        const std::string& place = plan.policy->variables().get(variable);
        return !place.empty() && is_within(path, place);
    };
    return plan.policy != nullptr && (below("project") || below("home"));
}

// But for its time.
bool looks_made(const Placeholder& placeholder, const struct stat& status) {
    if (placeholder.directory) {
        return S_ISDIR(status.st_mode) && (status.st_mode & 0077U) == 0;
    }
    return placeholder.content
               ? S_ISREG(status.st_mode) && static_cast<size_t>(status.st_size) <= placeholder.content->size()
               : S_ISSOCK(status.st_mode);
}

} // namespace

bool is_untouched_placeholder(const Placeholder& placeholder) {
    struct stat status {};
    if (::lstat(placeholder.path.c_str(), &status) != 0 || !looks_made(placeholder, status)) {
        return false;
    }
    return (status.st_mode & unfinished) != 0 ||
           (status.st_mtime == placeholder_time &&
            (!placeholder.content || static_cast<size_t>(status.st_size) == placeholder.content->size()));
}

bool is_made_directory(const struct stat& status) {
    return S_ISDIR(status.st_mode) &&
           (status.st_mtime == placeholder_time || ((status.st_mode & unfinished) != 0 && (status.st_mode & 0022U) == 0));
}

Outside::Outside(Outside&& other) noexcept
    : items_(std::exchange(other.items_, {})), made_(std::exchange(other.made_, {})), lock_(std::move(other.lock_)),
      janitor_socket_(std::move(other.janitor_socket_)), janitor_(std::exchange(other.janitor_, -1)), answered_(other.answered_),
      cgroup_(std::move(other.cgroup_)), temporary_(std::exchange(other.temporary_, "")) {}

result<ok> Outside::make_missing_directory(const std::string& path, Made& made, uid_t uid, gid_t gid) {
    const bool is_new = ::mkdir(path.c_str(), unfinished | 0755) == 0;
    if (!is_new && errno != EEXIST) {
        return fail_errno("cannot make the directory '" + path + "'");
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail_errno("cannot look at the directory '" + path + "'");
    }
    if (!is_new && !is_made_directory(status)) {
        return ok{}; // somebody's own
    }
    made = {status.st_dev, status.st_ino, true, is_new};
    if (status.st_uid != uid && ::lchown(path.c_str(), uid, gid) != 0) {
        return fail_errno("cannot give away the directory '" + path + "'");
    }
    return ok{};
}

result<ok> Outside::make_placeholder(const Placeholder& placeholder, Made& made, uid_t uid, gid_t gid) {
    const std::string& path = placeholder.path;
    // What git expects is for all who use the repository; another's content may be private.
    const bool public_content = placeholder.content && path.find("/.git/") != std::string::npos;
    const mode_t mode = placeholder.directory ? 0700 : public_content ? 0644 : 0600;
    bool is_new = false;
    if (placeholder.directory) {
        is_new = ::mkdir(path.c_str(), unfinished | mode) == 0;
    } else if (placeholder.content) {
        const unique_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, unfinished | mode));
        is_new = file.valid();
        if (is_new) {
            TRY(sys::write_all(file.get(), *placeholder.content));
        }
    } else {
        // A socket that nobody listens on: git, and most of what walks a tree, passes over one, so a run that
        // adds all files to a commit does not add placeholders.
        is_new = ::mknod(path.c_str(), S_IFSOCK | unfinished | mode, 0) == 0;
    }
    if (!is_new && errno != EEXIST) {
        return fail_errno("cannot make the placeholder '" + path + "'");
    }
    if (!is_new && !is_untouched_placeholder(placeholder)) {
        return ok{}; // somebody's own by now
    }
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return fail_errno("cannot look at the placeholder '" + path + "'");
    }
    if (!is_new && (status.st_mode & unfinished) != 0) { // another run is at it, or was killed; both may finish it
        const unique_fd file(placeholder.content ? ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW) : -1);
        if (file) {
            TRY(sys::write_all(file.get(), *placeholder.content));
        }
    }
    made = {status.st_dev, status.st_ino, true, is_new};
    if ((is_new || (status.st_mode & unfinished) != 0) && !finish(path, mode)) {
        return fail_errno("cannot mark the placeholder '" + path + "'");
    }
    if (status.st_uid != uid && ::lchown(path.c_str(), uid, gid) != 0) {
        return fail_errno("cannot give away the placeholder '" + path + "'");
    }
    return ok{};
}

void Outside::keep_directory(const std::string& path) {
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW); // nor does another run take it for one of its own
    for (size_t i = 0; i < made_.size(); ++i) {
        made_[i].ours = made_[i].ours && (items_[i].placeholder || !is_within(path, items_[i].what.path));
    }
}

void Outside::remove_directories(const std::set<std::string>& paths) {
    if (!lock_.alone()) {
        return;
    }
    for (auto path = paths.rbegin(); path != paths.rend(); ++path) {
        remove_empty_directory(*path);
    }
}

result<Outside> Outside::begin(const Plan& plan, ProjectLock lock) {
    Outside outside(std::move(lock));
    std::set<std::string> directories(plan.make_directories.begin(), plan.make_directories.end());
    // What was there for the plan may be another run's, or have gone before we had the lock. What is somebody's own stays.
    const auto with_parents = [&](std::string_view directory) {
        for (std::string at(directory); may_be_made(plan, at); at = parent_path(at)) {
            struct stat status {};
            if (::lstat(at.c_str(), &status) != 0 || is_made_directory(status)) {
                directories.insert(at);
            }
        }
    };
    for (const Placeholder& placeholder : plan.placeholders) {
        with_parents(parent_path(placeholder.path));
    }
    for (const LandlockRule& rule : plan.landlock_rules) {
        // A directory, then. A private one is not the host's.
        if ((rule.rights & landlock::make_dir) != 0 && lies_in_project_or_home(plan, rule.path) && !rule.why.starts_with("private: ")) {
            with_parents(rule.path);
        }
    }
    for (const std::string& directory : directories) { // sorted: what holds another comes first
        outside.items_.push_back({{directory, true, "", {}}, false});
    }
    for (const Placeholder& placeholder : plan.placeholders) {
        outside.items_.push_back({placeholder, true});
    }
    outside.cgroup_ = RunCgroup::of(plan);
    if (!outside.items_.empty() || outside.cgroup_ || !plan.temporary.empty()) {
        TRY(outside.start_janitor(plan));
    }
    return outside;
}

result<ok> Outside::make_all(const Plan& plan) {
    for (size_t i = 0; i < items_.size(); ++i) {
        const Placeholder& what = items_[i].what;
        made_[i].making = true;
        TRY(items_[i].placeholder ? make_placeholder(what, made_[i], plan.command.uid, plan.command.gid)
                                  : make_missing_directory(what.path, made_[i], plan.command.uid, plan.command.gid));
        made_[i].making = false;
    }
    // When all names in them are there. Once all who know of them are killed, the next run knows them by that.
    for (size_t i = 0; i < items_.size(); ++i) {
        if (made_[i].ours && !items_[i].placeholder && !finish(items_[i].what.path, 0755)) {
            return fail_errno("cannot mark the directory '" + items_[i].what.path + "'");
        }
    }
    TRY(cgroup_.make(plan));
    return plan.temporary.empty() ? result<ok>(ok{}) : make_temporary(plan);
}

result<ok> Outside::make_temporary(const Plan& plan) {
    TRY(sys::mkdir(plan.temporary, 0700));
    temporary_ = plan.temporary;
    if (::geteuid() != plan.command.uid && ::lchown(temporary_.c_str(), plan.command.uid, plan.command.gid) != 0) {
        return fail_errno("cannot give away the directory '" + temporary_ + "'");
    }
    return ok{};
}

bool Outside::made_remains() const {
    for (size_t i = 0; i < made_.size(); ++i) {
        struct stat now {};
        if (made_[i].ours && made_[i].is_new && ::lstat(items_[i].what.path.c_str(), &now) == 0 && now.st_ino == made_[i].inode) {
            return true;
        }
    }
    return false;
}

bool Outside::is_placeholder(const std::string& path) const {
    return std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
        return item.placeholder && item.what.path == path && is_untouched_placeholder(item.what);
    });
}

// What other runs made in a directory of ours keeps it, until they have taken it back. Anything else in it is there to
// stay, and so is the directory.
bool Outside::others_keep_made() const {
    for (size_t i = 0; i < made_.size(); ++i) {
        const Placeholder& what = items_[i].what;
        struct stat now {};
        if (!made_[i].ours || !what.directory || ::lstat(what.path.c_str(), &now) != 0 || now.st_dev != made_[i].device ||
            now.st_ino != made_[i].inode) {
            continue;
        }
        std::error_code failed;
        bool stays = false;
        std::filesystem::recursive_directory_iterator at(what.path, failed);
        for (const std::filesystem::recursive_directory_iterator end; !failed && !stays && at != end; at.increment(failed)) {
            stays = !std::filesystem::is_directory(at->symlink_status(failed)) && !is_placeholder(at->path());
        }
        if (!failed && !stays) {
            return true;
        }
    }
    return false;
}

// rmdir refuses what is no longer empty by itself.
bool Outside::remove_made() const {
    if (!temporary_.empty()) {
        std::error_code left; // what the command made unreadable for itself stays
        std::filesystem::remove_all(temporary_, left);
    }
    if (made_.empty()) {
        return true;
    }
    if (!lock_.alone()) {
        return false;
    }
    for (size_t i = made_.size(); i-- > 0;) {
        const Placeholder& what = items_[i].what;
        const char* path = what.path.c_str();
        struct stat now {};
        if (::lstat(path, &now) != 0) {
            continue;
        }
        const bool known = made_[i].ours && now.st_dev == made_[i].device && now.st_ino == made_[i].inode &&
                           (!items_[i].placeholder || is_untouched_placeholder(what));
        // The janitor was killed before it could say so.
        const bool just_made = made_[i].making && !made_[i].ours && (now.st_mode & unfinished) != 0 &&
                               (items_[i].placeholder ? looks_made(what, now) : is_made_directory(now));
        if (!known && !just_made) {
            continue;
        }
        if (what.directory) {
            ::rmdir(path);
        } else {
            ::unlink(path);
        }
    }
    return true;
}

result<ok> Outside::start_janitor(const Plan& plan) {
    if (!items_.empty()) {
        void* page = ::mmap(nullptr, items_.size() * sizeof(Made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            return fail_errno("cannot map memory to share with the process that makes placeholders");
        }
        made_ = {new (page) Made[items_.size()], items_.size()};
        TRY(lock_.held());
    }
    auto sockets = TRY(sys::socketpair(SOCK_SEQPACKET));
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before); // signals are not for it
    janitor_ = ::fork();
    if (janitor_ == 0) {
        be_janitor(plan, sockets.second.get());
    }
    const int code = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (janitor_ < 0) {
        return fail_code(code, "cannot start the process that makes and removes placeholders");
    }
    janitor_socket_ = std::move(sockets.first);
    return ok{};
}

void Outside::be_janitor(const Plan& plan, int socket) {
    ::setsid();
    // Only the socket and the lock are kept: as 0 and 1.
    const int lock = lock_.fd() >= 0 ? ::fcntl(lock_.fd(), F_DUPFD_CLOEXEC, 2) : -1;
    const int supervisor = ::fcntl(socket, F_DUPFD_CLOEXEC, 2);
    ::dup2(supervisor, 0);
    ::dup2(lock >= 0 ? lock : supervisor, 1);
    ::syscall(SYS_close_range, 2U, ~0U, 0U);
    lock_.is_now(lock >= 0 ? 1 : -1);
    const auto made = make_all(plan);
    const std::string answer = made ? "+" : "-" + made.error().message();
    ::send(0, answer.data(), answer.size(), MSG_NOSIGNAL);
    char byte = 0;
    while (::read(0, &byte, 1) < 0 && errno == EINTR) {
    }
    cgroup_.remove();
    remove_made_with_others();
    ::_exit(0);
}

// It was killed, and other runs last.
void Outside::finish_without_janitor() const {
    if (::fork() == 0) {
        ::setsid();
        ::dup2(lock_.fd(), 0);
        ::syscall(SYS_close_range, 1U, static_cast<unsigned>(lock_.fd()) - 1U, 0U);
        ::syscall(SYS_close_range, static_cast<unsigned>(lock_.fd()) + 1U, ~0U, 0U);
        remove_made_with_others();
        ::_exit(0);
    }
}

// The one that is alone first may be the one that made the directory in which what others made still lies.
void Outside::remove_made_with_others() const {
    for (auto left = longest_wait / between_tries; left > 0;) {
        if (remove_made()) {
            if (!others_keep_made()) {
                return;
            }
            lock_.give_up(); // for them to be alone
            std::this_thread::sleep_for(between_tries);
            --left;
        } else if (!made_remains() || (!lock_.wait_alone() && errno != EINTR)) {
            return;
        }
    }
}

result<ok> Outside::await(const Plan& plan) {
    if (janitor_ < 0) {
        return ok{};
    }
    const auto answer = sys::receive_fds(janitor_socket_.get(), longest_answer);
    answered_ = true;
    if (!answer || answer->bytes.empty()) {
        return fail("the process that makes placeholders was killed");
    }
    if (answer->bytes[0] != '+') {
        return fail(answer->bytes.substr(1));
    }
    temporary_ = plan.temporary;
    return ok{};
}

Outside::~Outside() {
    if (janitor_ > 0 && !answered_) { // the run was refused: only what is made can be taken back
        (void)sys::receive_fds(janitor_socket_.get(), longest_answer);
    }
    cgroup_.remove();
    const bool done = remove_made() && !others_keep_made();
    janitor_socket_.reset();
    if (janitor_ > 0 && !done && ::waitpid(janitor_, nullptr, WNOHANG) == janitor_) {
        finish_without_janitor();
    } else if (janitor_ > 0 && done) { // else it may wait for other runs, and we do not
        while (::waitpid(janitor_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    if (!made_.empty()) {
        ::munmap(made_.data(), made_.size_bytes());
    }
}

} // namespace treadline

#include "enforcer/inside_view.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <deque>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"

namespace treadline {
namespace {

constexpr int max_links = 40; // as the kernel's own limit
constexpr size_t max_arguments = 1024; // bytes and words of a command line in a report
constexpr size_t max_words = 32;

int open_inside(int root, const char* path, int flags, uint64_t resolve = RESOLVE_NO_MAGICLINKS) {
    open_how how{};
    how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | flags);
    how.resolve = RESOLVE_IN_ROOT | resolve;
    return static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
}

std::string task_file(pid_t task, std::string_view name) {
    return "/proc/" + std::to_string(task) + "/" + std::string(name);
}

// The last number of a line such as "NSpid:\t4711\t2": the one in the innermost namespace.
int innermost(const std::string& status, std::string_view key) {
    const size_t at = status.find("\n" + std::string(key) + ":");
    if (at == std::string::npos) {
        return 0;
    }
    const size_t end = status.find('\n', at + 1);
    const std::string_view line = std::string_view(status).substr(at, end - at);
    return std::atoi(std::string(line.substr(line.find_last_of("\t ") + 1)).c_str());
}

} // namespace

result<InsideView> InsideView::open(pid_t task) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now); // the clock of file times
    return InsideView(TRY(sys::open(task_file(task, "root"), O_PATH | O_DIRECTORY)), task, now);
}

bool InsideView::exists(const std::string& path) const {
    const unique_fd file(open_inside(root_.get(), path.c_str(), O_NOFOLLOW));
    return file.valid();
}

bool InsideView::is_no_link(const std::string& path) const {
    struct stat status {};
    return ::fstatat(root_.get(), path.c_str() + 1, &status, AT_SYMLINK_NOFOLLOW) == 0 ? !S_ISLNK(status.st_mode) : errno == ENOENT;
}

namespace {

struct CloseDirectory {
    void operator()(DIR* stream) const { ::closedir(stream); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

Directory open_directory(int root, const std::string& path) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    const auto fd = static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
    return Directory(fd >= 0 ? ::fdopendir(fd) : nullptr);
}

const dirent* next_entry(const Directory& directory) {
    const dirent* entry = ::readdir(directory.get());
    while (entry != nullptr && (std::string_view(entry->d_name) == "." || std::string_view(entry->d_name) == "..")) {
        entry = ::readdir(directory.get());
    }
    return entry;
}

} // namespace

std::optional<std::vector<std::string>> InsideView::entries(const std::string& path) const {
    constexpr size_t enough = 64; // to know that it is not empty
    const Directory directory = open_directory(root_.get(), path);
    if (directory == nullptr) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const dirent* entry = next_entry(directory); entry != nullptr && names.size() <= enough; entry = next_entry(directory)) {
        names.emplace_back(entry->d_name);
    }
    return names;
}

InsideTree InsideView::tree(const std::string& path) const {
    constexpr size_t most = 100'000;
    InsideTree tree;
    std::vector<std::string> waiting = {""};
    while (!waiting.empty()) {
        const std::string below = std::move(waiting.back());
        waiting.pop_back();
        const Directory directory = open_directory(root_.get(), join_path(path, below));
        if (directory == nullptr && errno == ENOTDIR) {
            continue;
        }
        if (directory == nullptr || tree.names.size() > most) {
            tree.unread.push_back(below);
            continue;
        }
        while (const dirent* entry = next_entry(directory)) {
            tree.names.push_back(below + (below.empty() ? "" : "/") + static_cast<const char*>(entry->d_name));
            if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
                waiting.push_back(tree.names.back());
            }
        }
    }
    return tree;
}

bool InsideView::older_than_run(const std::string& path) const {
    const unique_fd file(open_inside(root_.get(), path.c_str(), O_NOFOLLOW));
    struct statx status {};
    if (!file || ::statx(file.get(), "", AT_EMPTY_PATH, STATX_BTIME | STATX_CTIME, &status) != 0) {
        return false;
    }
    const statx_timestamp& made = (status.stx_mask & STATX_BTIME) != 0 ? status.stx_btime : status.stx_ctime;
    return made.tv_sec < started_.tv_sec || (made.tv_sec == started_.tv_sec && made.tv_nsec < started_.tv_nsec);
}

int InsideView::most_processes() const {
    constexpr int margin = 64; // init, and what was given out before the command was
    const auto load = sys::read_file("/proc/loadavg"); // "0.1 0.2 0.3 1/234 4711\n": the newest process last
    const size_t blank = load ? load->rfind(' ') : std::string::npos;
    const int newest = blank == std::string::npos ? 0 : std::atoi(load->c_str() + blank);
    return newest < first_ ? INT_MAX : newest - first_ + margin; // the numbers started anew
}

std::optional<InsidePath> InsideView::resolve(pid_t task, int directory, const std::string& raw,
                                              LastLink last) const {
    std::string path = raw;
    if (raw.empty() || raw[0] != '/') {
        const auto base =
            sys::readlink(task_file(task, directory == AT_FDCWD ? "cwd" : "fd/" + std::to_string(directory)));
        if (!base || base->empty() || (*base)[0] != '/') {
            return std::nullopt;
        }
        if (raw.empty()) { // the object of the descriptor itself
            const std::string object = task_file(task, "fd/" + std::to_string(directory));
            return InsidePath{name_of_mask(AT_FDCWD, object, *base).value_or(*base), true, false, false, false};
        }
        path = *base + "/" + raw;
    }
    if (auto plain = without_links(path, last)) {
        return plain;
    }
    const unique_fd file(open_inside(root_.get(), path.c_str(), last == LastLink::Keep ? O_NOFOLLOW : 0));
    if (!file && errno == ENOENT) {
        return missing(task, path, last);
    }
    if (file) {
        auto resolved = sys::readlink("/proc/self/fd/" + std::to_string(file.get()));
        if (resolved && !resolved->ends_with(" (deleted)")) {
            struct stat status {};
            ::fstat(file.get(), &status);
            const bool linked = *resolved != path;
            return InsidePath{std::move(*resolved), true, false, linked, S_ISDIR(status.st_mode),
                              (status.st_mode & 0111) != 0};
        }
    }
    return walk(task, path, last);
}

// Most paths lead through no link, and the kernel says so: then they need only be read. The kernel meets links before
// what is missing, too, but there `..` cannot be taken for what lies above.
std::optional<InsidePath> InsideView::without_links(const std::string& path, LastLink last) const {
    const unique_fd file(open_inside(root_.get(), path.c_str(), last == LastLink::Keep ? O_NOFOLLOW : 0, RESOLVE_NO_SYMLINKS));
    if (file) {
        struct stat status {};
        ::fstat(file.get(), &status);
        return InsidePath{normalise_path(path), true, false, false, S_ISDIR(status.st_mode), (status.st_mode & 0111) != 0};
    }
    if (errno != ENOENT || path.find("..") != std::string::npos) {
        return std::nullopt;
    }
    InsidePath missing;
    missing.path = normalise_path(path);
    return missing;
}

// What is not there, in a directory that is: a search path is full of those.
std::optional<InsidePath> InsideView::missing(pid_t task, const std::string& path, LastLink last) const {
    const std::string directory(parent_path(path));
    const std::string name(file_name(path));
    if (!name.empty() && name != "." && name != "..") {
        const unique_fd parent(open_inside(root_.get(), directory.c_str(), O_DIRECTORY));
        struct stat status {};
        if (parent && ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
            const auto resolved = sys::readlink("/proc/self/fd/" + std::to_string(parent.get()));
            if (resolved && !resolved->ends_with(" (deleted)")) {
                InsidePath found;
                found.path = (*resolved == "/" ? "" : *resolved) + "/" + name;
                found.linked = *resolved != directory;
                return found;
            }
        }
    }
    return walk(task, path, last);
}

// A mask's own file has no name any more; where it lies, it has.
std::optional<std::string> InsideView::name_of_mask(int at, const std::string& object, const std::string& target) const {
    constexpr std::string_view mark = " (deleted)";
    if (!target.ends_with(mark)) {
        return std::nullopt;
    }
    std::string name = target.substr(0, target.size() - mark.size());
    struct stat open {};
    struct stat there {};
    const unique_fd file(open_inside(root_.get(), name.c_str(), O_NOFOLLOW));
    const bool same = file && ::fstatat(at, object.c_str(), &open, 0) == 0 && ::fstat(file.get(), &there) == 0 &&
                      open.st_dev == there.st_dev && open.st_ino == there.st_ino;
    return same ? std::optional(std::move(name)) : std::nullopt;
}

// Component by component: for what is missing, and for /proc, whose `self` means the asking process and whose
// magic links only say their target as text.
std::optional<InsidePath> InsideView::walk(pid_t task, const std::string& path, LastLink last,
                                           std::vector<std::string>* places) const {
    std::deque<std::string> rest;
    for (const std::string_view name : split(path, '/')) {
        rest.emplace_back(name);
    }
    InsidePath found;
    found.exists = true;
    std::string at;
    int links = 0;
    while (!rest.empty()) {
        std::string name = std::move(rest.front());
        rest.pop_front();
        if (name.empty() || name == ".") {
            continue;
        }
        if (name == "..") {
            at = at.empty() ? at : std::string(parent_path(at));
            at = at == "/" ? "" : at;
            continue;
        }
        if (at == "/proc" && (name == "self" || name == "thread-self")) {
            const auto status = sys::read_file(task_file(task, "status"));
            if (!status) {
                return std::nullopt;
            }
            const std::string leader = std::to_string(innermost(*status, "NStgid"));
            found.linked = true;
            name = name == "self" ? leader : leader + "/task/" + std::to_string(innermost(*status, "NSpid"));
        }
        const std::string next = at + "/" + name;
        if (places != nullptr) {
            places->push_back(next);
        }
        char text[PATH_MAX];
        const bool is_last =
            std::all_of(rest.begin(), rest.end(), [](const auto& n) { return n.empty() || n == "."; });
        const ssize_t length = is_last && last == LastLink::Keep
                                   ? -1
                                   : ::readlinkat(root_.get(), next.c_str() + 1, text, sizeof text);
        const int code = errno;
        if (length < 0) {
            struct stat status {};
            if (found.exists && ::fstatat(root_.get(), next.c_str() + 1, &status, AT_SYMLINK_NOFOLLOW) != 0) {
                found.exists = false;
                found.hidden = errno == EACCES || code == EACCES;
            }
            found.directory = S_ISDIR(status.st_mode);
            at = next;
            continue;
        }
        if (++links > max_links) {
            return std::nullopt;
        }
        found.linked = true;
        const std::string target(text, static_cast<size_t>(length));
        if (target.empty() || (target[0] != '/' && at.starts_with("/proc/"))) {
            return std::nullopt; // "pipe:[1234]", "socket:[5678]", "anon_inode:…"
        }
        if (target[0] == '/') {
            at.clear();
        }
        if (target.ends_with(" (deleted)") && is_last) {
            found.path = name_of_mask(root_.get(), next.substr(1), target).value_or(target); // a memory file, or a file unlinked while open
            return found;
        }
        const auto names = split(target, '/');
        rest.insert(rest.begin(), names.begin(), names.end());
    }
    found.path = at.empty() ? "/" : at;
    return found;
}

std::optional<std::vector<std::string>> InsideView::places_of(pid_t task, const std::string& path, LastLink last) const {
    std::vector<std::string> places;
    return walk(task, path, last, &places) ? std::optional(std::move(places)) : std::nullopt;
}

bool read_bytes(pid_t task, uint64_t address, void* into, size_t size) {
    iovec local{into, size};
    iovec remote{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(task, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

std::optional<std::string> read_string(pid_t task, uint64_t address) {
    // A read that reaches an unmapped page fails as a whole where one piece covers it, so pieces end with
    // pages.
    // They are short at first, as most names are.
    constexpr uint64_t page = 4096;
    std::string text;
    char buffer[page];
    while (address != 0 && text.size() < PATH_MAX) {
        const size_t size = std::min(page - address % page, text.empty() ? uint64_t{256} : page);
        if (!read_bytes(task, address, buffer, size)) {
            return std::nullopt;
        }
        const char* end = std::find(buffer, buffer + size, '\0');
        text.append(static_cast<const char*>(buffer), end);
        if (end != buffer + size) {
            return text;
        }
        address += size;
    }
    return std::nullopt;
}

InsideProcess describe_process(pid_t task) {
    InsideProcess process;
    if (const auto status = sys::read_file(task_file(task, "status"))) {
        process.pid = innermost(*status, "NStgid");
    }
    process.exe = sys::readlink(task_file(task, "exe")).value_or("");
    if (auto line = sys::read_file(task_file(task, "cmdline")); line && !line->empty()) {
        line->resize(std::min(line->size(), max_arguments));
        if (line->back() == '\0') {
            line->pop_back();
        }
        for (const std::string_view word : split(*line, '\0')) {
            if (process.argv.size() == max_words) {
                break;
            }
            process.argv.emplace_back(word);
        }
    }
    return process;
}

} // namespace treadline

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

int open_inside(int root, const char* path, int flags) {
    open_how how{};
    how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | flags);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
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
    return InsideView(TRY(sys::open(task_file(task, "root"), O_PATH | O_DIRECTORY)));
}

bool InsideView::exists(const std::string& path) const {
    const unique_fd file(open_inside(root_.get(), path.c_str(), O_NOFOLLOW));
    return file.valid();
}

std::optional<std::vector<std::string>> InsideView::entries(const std::string& path) const {
    constexpr size_t enough = 64; // to know that it is not empty
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    const auto fd = static_cast<int>(::syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fd >= 0 ? ::fdopendir(fd) : nullptr, ::closedir);
    if (stream == nullptr) {
        return std::nullopt;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {
        const std::string_view name(entry->d_name);
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
        if (names.size() > enough) {
            break;
        }
    }
    return names;
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
            return InsidePath{*base, true, false, false, false};
        }
        path = *base + "/" + raw;
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

// Component by component: for what is missing, and for /proc, whose `self` means the asking process and whose
// magic links only say their target as text.
std::optional<InsidePath> InsideView::walk(pid_t task, const std::string& path, LastLink last) const {
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
            found.path = target; // a memory file, or a file unlinked while open
            return found;
        }
        const auto names = split(target, '/');
        rest.insert(rest.begin(), names.begin(), names.end());
    }
    found.path = at.empty() ? "/" : at;
    return found;
}

bool read_bytes(pid_t task, uint64_t address, void* into, size_t size) {
    iovec local{into, size};
    iovec remote{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(task, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

std::optional<std::string> read_string(pid_t task, uint64_t address) {
    // A read that reaches an unmapped page fails as a whole where one piece covers it, so pieces end with
    // pages.
    constexpr uint64_t page = 4096;
    std::string text;
    char buffer[page];
    while (address != 0 && text.size() < PATH_MAX) {
        const size_t size = page - address % page;
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

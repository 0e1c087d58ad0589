#include "collector/path_resolver.h"

#include <algorithm>
#include <climits>
#include <fcntl.h>
#include <linux/openat2.h>
#include <optional>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

constexpr int links_max = 40; // path_resolution(7)

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    return path;
}

bool skip_number(std::string_view& text) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(digits);
    return digits != 0;
}

bool skip(std::string_view& text, std::string_view start) {
    const bool starts = text.substr(0, start.size()) == start;
    text.remove_prefix(starts ? start.size() : 0);
    return starts;
}

// Of "PID/cwd/rest": "rest"; none if no such link comes first.
std::optional<std::string_view> after_process_link(std::string_view text) {
    if (!skip(text, "self/") && !skip(text, "thread-self/") && (!skip_number(text) || !skip(text, "/"))) {
        return std::nullopt;
    }
    if (skip(text, "task/") && (!skip_number(text) || !skip(text, "/"))) {
        return std::nullopt;
    }
    const bool link =
        skip(text, "fd/") ? skip_number(text) : skip(text, "cwd") || skip(text, "root") || skip(text, "exe");
    if (!link || !(text.empty() || skip(text, "/"))) {
        return std::nullopt;
    }
    return text;
}

// The few names whose meaning depends on who asks.
std::string for_process(std::string path, pid_t pid) {
    const std::string own = "/proc/" + std::to_string(pid);
    const std::pair<std::string_view, std::string> names[] = {
        {"/proc/self", own},
        {"/proc/thread-self", own + "/task/" + std::to_string(pid)},
        {"/dev/fd", own + "/fd"},
        {"/dev/stdin", own + "/fd/0"},
        {"/dev/stdout", own + "/fd/1"},
        {"/dev/stderr", own + "/fd/2"},
    };
    for (const auto& [name, meaning] : names) {
        if (is_within(path, name)) {
            return meaning + path.substr(name.size());
        }
    }
    return path;
}

// Whether only the kernel can tell where it leads: what /proc shows of a process as links to its files.
bool leads_through_process(std::string_view path) {
    constexpr std::string_view top = "/proc/";
    if (path.substr(0, top.size()) != top) {
        return false;
    }
    return after_process_link(path.substr(top.size())).has_value();
}

// An object of the disk, looked at without opening it.
struct Object {
    unique_fd fd;
    std::string path;
    bool directory = false;
};

// As a process with that root would: no link and no `..` leads out of it. Links to what a process has open,
// or to its directories, are not followed. `top` is the root; -1: that is "/".
std::optional<unique_fd> open_below(const Start& start, int top, const std::string& path, int flags) {
    const bool inside = top >= 0 && is_within(path, start.root);
    open_how how{};
    how.flags = static_cast<uint64_t>(O_CLOEXEC | flags);
    how.resolve = RESOLVE_NO_MAGICLINKS;
    if (inside) {
        how.resolve |= RESOLVE_IN_ROOT;
    } else if (start.view) {
        how.resolve |= RESOLVE_NO_SYMLINKS;
    }
    const size_t above = start.root == "/" ? 0 : start.root.size();
    const std::string text = inside ? "./" + path.substr(above) : path;
    unique_fd fd(static_cast<int>(
        ::syscall(SYS_openat2, inside ? top : AT_FDCWD, text.c_str(), &how, sizeof how))); // Linux 5.6
    return fd ? std::optional(std::move(fd)) : std::nullopt;
}

class Resolver {
public:
    explicit Resolver(const Start& start) : start_(start), top_(start.view.value_or(-1)) {
        if (start_.root != "/" && !start_.view) {
            if (auto root = sys::open(start_.root, O_PATH | O_DIRECTORY)) {
                root_ = std::move(*root);
                top_ = root_.get();
            }
        }
    }

    // `raw` is absolute; nothing in it is resolved.
    Resolution resolve(std::string raw, LastLink last) {
        raw = without_trailing_slashes(std::move(raw));
        const size_t slash = raw.rfind('/');
        const std::string name = raw.substr(slash + 1);
        if (last == LastLink::Follow || name.empty() || name == "." || name == "..") {
            return whole(raw);
        }
        const Resolution parent = whole(raw.substr(0, slash));
        Resolution found{join_path(parent.path, "./" + name), false, parent.unknown};
        struct stat about {};
        const auto object = open(found.path, O_NOFOLLOW);
        found.directory = object && ::fstat(object->get(), &about) == 0 && S_ISDIR(about.st_mode);
        return found;
    }

private:
    // Every link is followed. What is missing at the end stays as it is written.
    Resolution whole(const std::string& raw) {
        std::string existing = raw;
        std::string missing; // what comes after `existing`, without a slash in front
        std::optional<Object> object = find(existing);
        while (!object && existing != "/" && !existing.empty()) {
            existing = without_trailing_slashes(existing);
            const size_t slash = existing.rfind('/');
            const std::string name = existing.substr(slash + 1);
            missing = missing.empty() ? name : name + "/" + missing;
            existing.resize(slash);
            object = find(existing);
        }
        const std::string base = object ? object->path : "/";
        if (missing.empty()) {
            return {base, object && object->directory, false};
        }
        const size_t end = missing.find('/');
        const std::string name = missing.substr(0, end);
        // The links of /proc lead to objects, not to the paths they read as.
        const auto target =
            object && !is_within(base, "/proc") ? link_at(object->fd.get(), name) : std::nullopt;
        if (target && start_.view && !(top_ >= 0 && is_within(base, start_.root))) {
            return {join_path(base, "./" + missing), false, true};
        }
        if (target && links_++ < links_max) { // a link to nothing: follow it by hand
            const std::string rest = end == std::string::npos ? "" : missing.substr(end);
            return whole(absolute(base, *target + rest));
        }
        const std::string path = join_path(base, "./" + missing);
        return {path, false, leads_through_process(path)};
    }

    std::string absolute(const std::string& base, const std::string& text) const {
        if (text.empty() || text.front() != '/') {
            return base + "/" + text;
        }
        return start_.root == "/" ? text : start_.root + text;
    }

    static std::optional<std::string> link_at(int directory, const std::string& name) {
        std::string target(PATH_MAX, '\0');
        const ssize_t size = ::readlinkat(directory, name.c_str(), target.data(), target.size());
        if (size <= 0) {
            return std::nullopt;
        }
        target.resize(static_cast<size_t>(size));
        return target;
    }

    std::optional<Object> find(const std::string& path) const {
        auto fd = open(path.empty() ? "/" : path);
        if (!fd) {
            return std::nullopt;
        }
        auto name = sys::readlink("/proc/self/fd/" + std::to_string(fd->get()));
        struct stat about {};
        if (!name || name->empty() || name->front() != '/' || ::fstat(fd->get(), &about) != 0 ||
            about.st_nlink == 0) {
            return std::nullopt;
        }
        return Object{std::move(*fd), std::move(*name), S_ISDIR(about.st_mode)};
    }

    std::optional<unique_fd> open(const std::string& path, int flags = 0) const {
        return open_below(start_, top_, path, O_PATH | flags);
    }

    const Start& start_;
    unique_fd root_; // only if it is not "/"
    int top_;        // what paths within the root are opened from; -1: from "/"
    int links_ = 0;
};

} // namespace

std::string_view after_proc_start(std::string_view text) {
    if (skip(text, "/proc/")) {
        return after_process_link(text).value_or("");
    }
    skip(text, "/dev/");
    skip(text, "fd/");
    const size_t end = text.find('/'); // of a number, or stdin
    return end == std::string_view::npos ? "" : text.substr(end + 1);
}

std::optional<unique_fd> open_seen(const Start& start, const std::string& path, int flags) {
    return open_below(start, start.view.value_or(-1), path, flags);
}

Resolution resolve(const Start& start, std::string_view text, LastLink last) {
    std::string raw(text);
    if (raw.empty() || raw.front() != '/') {
        raw = start.directory + "/" + raw;
    } else if (start.root != "/") {
        raw = start.root + raw;
    }
    return Resolver(start).resolve(for_process(std::move(raw), start.pid), last);
}

} // namespace treadline

#include "collector/path_resolver.h"

#include <fcntl.h>
#include <optional>
#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

// Follows every link of an existing path, as the kernel does, without opening the object itself.
std::optional<std::string> resolved(const std::string& path) {
    const auto fd = sys::open(path, O_PATH);
    if (!fd) {
        return std::nullopt;
    }
    auto link = sys::readlink("/proc/self/fd/" + std::to_string(fd->get()));
    struct stat about {};
    if (!link || link->empty() || link->front() != '/' || ::fstat(fd->get(), &about) != 0 ||
        about.st_nlink == 0) {
        return std::nullopt;
    }
    return *link;
}

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/') {
        path.pop_back();
    }
    return path;
}

std::string resolve_directory(const std::string& path) {
    if (path.empty() || path == "/") {
        return "/";
    }
    if (auto found = resolved(path)) {
        return *found;
    }
    const std::string trimmed = without_trailing_slashes(path);
    const size_t slash = trimmed.rfind('/');
    const std::string parent = slash == std::string::npos ? "/" : trimmed.substr(0, slash);
    return join_path(resolve_directory(parent), "./" + trimmed.substr(slash + 1));
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

} // namespace

std::string resolve_path(std::string_view base, std::string_view text, LastLink last, pid_t pid) {
    std::string raw(text);
    if (raw.empty() || raw.front() != '/') {
        raw = std::string(base) + "/" + raw;
    }
    raw = for_process(without_trailing_slashes(std::move(raw)), pid);
    const size_t slash = raw.rfind('/');
    const std::string name = raw.substr(slash + 1);
    if (last == LastLink::Follow || name == "." || name == "..") {
        if (auto found = resolved(raw)) {
            return *found;
        }
    }
    return join_path(resolve_directory(raw.substr(0, slash)), "./" + name);
}

} // namespace treadline

#include "enforcer/parent_directories.h"

#include <memory>
#include <utility>

#include <dirent.h>
#include <fcntl.h>

#include "base/path.h"

namespace treadline {
namespace {

constexpr size_t many_places = 16; // then reading the names is cheaper
constexpr size_t most_names = 2'000;

// Nothing where they cannot be read, or are so many that asking for each place is cheaper.
std::optional<std::unordered_set<std::string>> names_in(int directory) {
    const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(fd < 0 ? nullptr : ::fdopendir(fd), [](DIR* open) { return ::closedir(open); });
    if (stream == nullptr) {
        return std::nullopt;
    }
    std::unordered_set<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {
        if (names.size() == most_names) {
            return std::nullopt;
        }
        names.emplace(static_cast<const char*>(entry->d_name));
    }
    return names;
}

} // namespace

ParentDirectories::ParentDirectories(const Policy& policy) {
    for (const Guards::Place& place : policy.guards().places()) {
        if (place.floating.empty() && !place.glob) {
            ++places_in_[parent_path(place.path)];
        }
    }
}

std::optional<struct stat> ParentDirectories::look(const std::string& path) {
    const Directory& parent = open(parent_path(path));
    struct stat status {};
    const bool there = may_have(parent, file_name(path)) &&
                       ::fstatat(parent.fd.get(), path.c_str() + path.rfind('/') + 1, &status, AT_SYMLINK_NOFOLLOW) == 0;
    return there ? std::optional(status) : std::nullopt;
}

bool ParentDirectories::may_have(const Directory& directory, std::string_view name) {
    return directory.fd && (!directory.names || directory.names->contains(std::string(name)));
}

bool ParentDirectories::holds_many(std::string_view path) const {
    const auto found = places_in_.find(path);
    return found != places_in_.end() && found->second >= many_places;
}

const ParentDirectories::Directory& ParentDirectories::open(std::string_view path) {
    if (const auto known = directories_.find(path); known != directories_.end()) {
        return known->second;
    }
    Directory directory;
    const std::string_view above = parent_path(path);
    if (path == "/" || !holds_many(above) || may_have(open(above), file_name(path))) {
        directory.fd = unique_fd(::open(std::string(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    if (directory.fd && holds_many(path)) {
        directory.names = names_in(directory.fd.get());
    }
    return directories_.emplace(path, std::move(directory)).first->second;
}

} // namespace treadline

#include "enforcer/watched_call.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>

namespace treadline {
namespace {

void set_open_flags(WatchedPath& path, uint64_t flags) {
    if ((flags & O_PATH) != 0) {
        return; // names an object, opens nothing
    }
    const uint64_t mode = flags & O_ACCMODE;
    path.read = mode == O_RDONLY || mode == O_RDWR;
    path.write = mode == O_WRONLY || mode == O_RDWR || (flags & O_TRUNC) != 0;
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        path.read = false;
        path.create = true;
    } else {
        path.create_if_missing = (flags & O_CREAT) != 0;
    }
    if ((flags & O_NOFOLLOW) != 0 || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        path.last = LastLink::Keep;
    }
}

enum class Use : uint8_t { Create, Replace, MakeDirectory, Remove, RemoveDirectory, Write, WriteLink, Execute, LinkSource };

// The calls whose paths are plain arguments: which argument is the path, and which the directory (-1: none).
struct PlainCall {
    std::string_view name;
    int directory;
    int path;
    Use use;
};
constexpr std::array plain_calls = std::to_array<PlainCall>({
    {"execve", -1, 0, Use::Execute},   {"execveat", 0, 1, Use::Execute}, {"unlink", -1, 0, Use::Remove},
    {"unlinkat", 0, 1, Use::Remove},   {"rmdir", -1, 0, Use::RemoveDirectory},    {"mkdir", -1, 0, Use::MakeDirectory},
    {"mkdirat", 0, 1, Use::MakeDirectory},    {"mknod", -1, 0, Use::Create},    {"mknodat", 0, 1, Use::Create},
    {"symlink", -1, 1, Use::Create},   {"symlinkat", 1, 2, Use::Create}, {"link", -1, 0, Use::LinkSource}, {"link", -1, 1, Use::Create},
    {"linkat", 0, 1, Use::LinkSource}, {"linkat", 2, 3, Use::Create},     {"rename", -1, 0, Use::Remove},   {"rename", -1, 1, Use::Replace},
    {"renameat", 0, 1, Use::Remove},   {"renameat", 2, 3, Use::Replace},  {"renameat2", 0, 1, Use::Remove},
    {"renameat2", 2, 3, Use::Replace},  {"truncate", -1, 0, Use::Write},  {"chmod", -1, 0, Use::Write},
    {"fchmodat", 0, 1, Use::Write},    {"fchmodat2", 0, 1, Use::Write},  {"chown", -1, 0, Use::Write},
    {"lchown", -1, 0, Use::WriteLink}, {"fchownat", 0, 1, Use::Write},
});

WatchedPath plain_path(const PlainCall& call, const seccomp_data& data, std::string raw) {
    WatchedPath path;
    path.raw = std::move(raw);
    path.directory = call.directory < 0 ? AT_FDCWD : static_cast<int>(data.args[call.directory]);
    path.make_directory = call.use == Use::MakeDirectory;
    path.only_if_missing = call.use == Use::Create || path.make_directory;
    path.create = path.only_if_missing || call.use == Use::Replace;
    path.remove_directory = call.use == Use::RemoveDirectory ||
                            (call.name == "unlinkat" && (data.args[2] & AT_REMOVEDIR) != 0);
    path.remove = call.use == Use::Remove || path.remove_directory;
    path.write = call.use == Use::Write || call.use == Use::WriteLink;
    path.execute = call.use == Use::Execute;
    path.link_source = call.use == Use::LinkSource;
    path.read = path.link_source;
    const bool names_the_link = path.create || path.remove || path.link_source || call.use == Use::WriteLink;
    path.last = names_the_link ? LastLink::Keep : LastLink::Follow;
    return path;
}

std::optional<WatchedPath> opened_path(pid_t task, const std::string& name, const seccomp_data& data) {
    const bool at = name != "open" && name != "creat";
    auto raw = read_string(task, data.args[at ? 1 : 0]);
    if (!raw || raw->empty()) {
        return std::nullopt;
    }
    WatchedPath path;
    path.raw = std::move(*raw);
    path.directory = at ? static_cast<int>(data.args[0]) : AT_FDCWD;
    uint64_t flags = data.args[at ? 2 : 1];
    if (name == "creat") {
        flags = O_CREAT | O_WRONLY | O_TRUNC;
    } else if (name == "openat2" &&
               !read_bytes(task, data.args[2] + offsetof(open_how, flags), &flags, sizeof flags)) {
        return std::nullopt;
    }
    set_open_flags(path, flags);
    return path;
}

} // namespace

WatchedCall read_call(pid_t task, const std::string& name, const seccomp_data& data) {
    WatchedCall seen;
    if (name == "connect" || name == "bind") {
        WatchedAddress address;
        address.bind = name == "bind";
        address.descriptor = static_cast<int>(data.args[0]);
        address.bytes.resize(std::min<size_t>(data.args[2], sizeof(sockaddr_storage)));
        if (read_bytes(task, data.args[1], address.bytes.data(), address.bytes.size())) {
            seen.address = std::move(address);
        }
        return seen;
    }
    if (name == "open" || name == "openat" || name == "openat2" || name == "creat") {
        if (auto path = opened_path(task, name, data)) {
            seen.paths.push_back(std::move(*path));
        }
        return seen;
    }
    for (const PlainCall& call : plain_calls) {
        if (call.name != name) {
            continue;
        }
        auto raw = read_string(task, data.args[call.path]);
        const bool by_descriptor = raw && raw->empty(); // AT_EMPTY_PATH
        if (raw && (!by_descriptor || call.use == Use::Execute)) {
            seen.paths.push_back(plain_path(call, data, std::move(*raw)));
        }
    }
    return seen;
}

} // namespace treadline

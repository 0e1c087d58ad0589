#include "enforcer/watched_call.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>

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
        path.create = true;
        path.unnamed = true;
    } else {
        path.create_if_missing = (flags & O_CREAT) != 0;
    }
    if ((flags & O_NOFOLLOW) != 0 || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        path.last = LastLink::Keep;
    }
}

enum class Use : uint8_t { Create, Replace, MakeDirectory, Remove, RemoveDirectory, Write, WriteLink, Execute, LinkSource };

// The calls whose paths are plain arguments: which argument is the path, which the directory and which the AT_* flags
// (-1: none). Without a path it is the directory's own descriptor that is meant.
struct PlainCall {
    std::string_view name;
    int directory;
    int path;
    Use use;
    int flags = -1;
};
constexpr std::array plain_calls = std::to_array<PlainCall>({
    {"execve", -1, 0, Use::Execute},
    {"execveat", 0, 1, Use::Execute, 4},
    {"unlink", -1, 0, Use::Remove},
    {"unlinkat", 0, 1, Use::Remove},
    {"rmdir", -1, 0, Use::RemoveDirectory},
    {"mkdir", -1, 0, Use::MakeDirectory},
    {"mkdirat", 0, 1, Use::MakeDirectory},
    {"mknod", -1, 0, Use::Create},
    {"mknodat", 0, 1, Use::Create},
    {"symlink", -1, 1, Use::Create},
    {"symlinkat", 1, 2, Use::Create},
    {"link", -1, 0, Use::LinkSource},
    {"link", -1, 1, Use::Create},
    {"linkat", 0, 1, Use::LinkSource, 4},
    {"linkat", 2, 3, Use::Create},
    {"rename", -1, 0, Use::Remove},
    {"rename", -1, 1, Use::Replace},
    {"renameat", 0, 1, Use::Remove},
    {"renameat", 2, 3, Use::Replace},
    {"renameat2", 0, 1, Use::Remove},
    {"renameat2", 2, 3, Use::Replace},
    {"truncate", -1, 0, Use::Write},
    {"chmod", -1, 0, Use::Write},
    {"fchmod", 0, -1, Use::Write},
    {"fchmodat", 0, 1, Use::Write},
    {"fchmodat2", 0, 1, Use::Write, 3},
    {"chown", -1, 0, Use::Write},
    {"lchown", -1, 0, Use::WriteLink},
    {"fchown", 0, -1, Use::Write},
    {"fchownat", 0, 1, Use::Write, 4},
    {"utime", -1, 0, Use::Write},
    {"utimes", -1, 0, Use::Write},
    {"futimesat", 0, 1, Use::Write},
    {"utimensat", 0, 1, Use::Write, 3},
    {"setxattr", -1, 0, Use::Write},
    {"lsetxattr", -1, 0, Use::WriteLink},
    {"fsetxattr", 0, -1, Use::Write},
    {"setxattrat", 0, 1, Use::Write, 2},
    {"removexattr", -1, 0, Use::Write},
    {"lremovexattr", -1, 0, Use::WriteLink},
    {"fremovexattr", 0, -1, Use::Write},
    {"removexattrat", 0, 1, Use::Write, 2},
    {"file_setattr", 0, 1, Use::Write, 4},
    {"ioctl", 0, -1, Use::Write}, // the two that is_watched_ioctl() names
});

bool is_device(uint64_t mode) {
    return (mode & S_IFMT) == S_IFCHR || (mode & S_IFMT) == S_IFBLK;
}

// The path of a plain call; nothing where the kernel will find none. Empty: the descriptor itself is meant.
std::optional<std::string> plain_argument(pid_t task, const PlainCall& call, const seccomp_data& data) {
    const uint64_t address = call.path < 0 ? 0 : data.args[call.path];
    const bool times = call.name == "futimesat" || call.name == "utimensat"; // these take none, too
    if (call.path < 0 || (address == 0 && times)) {
        return "";
    }
    auto raw = read_string(task, address);
    const bool may_be_empty = call.flags >= 0 && (data.args[call.flags] & AT_EMPTY_PATH) != 0;
    return raw && (!raw->empty() || may_be_empty) ? raw : std::nullopt;
}

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
    const uint64_t flags = call.flags < 0 ? 0 : data.args[call.flags];
    const bool names_the_link =
        path.create || path.remove || call.use == Use::WriteLink || (flags & AT_SYMLINK_NOFOLLOW) != 0 ||
        (path.link_source && (flags & AT_SYMLINK_FOLLOW) == 0);
    path.last = names_the_link ? LastLink::Keep : LastLink::Follow;
    path.device = call.name.starts_with("mknod") && is_device(data.args[call.path + 1]);
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
    } else if (name == "openat2") {
        open_how how{};
        if (!read_bytes(task, data.args[2], &how, sizeof how)) {
            return std::nullopt;
        }
        flags = how.flags;
        if ((how.resolve & RESOLVE_IN_ROOT) != 0) { // the directory is the root, too
            path.raw.insert(0, "./");
        }
    }
    set_open_flags(path, flags);
    return path;
}

enum class AddressUse : uint8_t { Connect, Bind, Send };

void add_address(pid_t task, AddressUse use, int descriptor, uint64_t at, uint64_t size, WatchedCall& seen) {
    WatchedAddress address;
    address.bind = use == AddressUse::Bind;
    address.sends = use == AddressUse::Send;
    address.descriptor = descriptor;
    address.bytes.resize(std::min<size_t>(size, sizeof(sockaddr_storage)));
    if (at != 0 && size != 0 && read_bytes(task, at, address.bytes.data(), address.bytes.size())) {
        seen.addresses.push_back(std::move(address));
    }
}

void read_addresses(pid_t task, const std::string& name, const seccomp_data& data, WatchedCall& seen) {
    const auto descriptor = static_cast<int>(data.args[0]);
    if (name == "connect" || name == "bind") {
        add_address(task, name == "bind" ? AddressUse::Bind : AddressUse::Connect, descriptor, data.args[1], data.args[2], seen);
    } else if (name == "sendto") {
        add_address(task, AddressUse::Send, descriptor, data.args[4], data.args[5], seen);
    } else if (name == "sendmsg" || name == "sendmmsg") {
        constexpr uint64_t most = 16; // of one call; the rest go where these do, as a rule
        const uint64_t count = name == "sendmsg" ? 1 : std::min<uint64_t>(data.args[2], most);
        for (uint64_t i = 0; i < count; ++i) {
            msghdr header{};
            if (read_bytes(task, data.args[1] + i * sizeof(mmsghdr), &header, sizeof header)) {
                add_address(task, AddressUse::Send, descriptor, reinterpret_cast<uint64_t>(header.msg_name), header.msg_namelen, seen);
            }
        }
    }
}

} // namespace

bool is_dynamic_loader(std::string_view file_name) {
    const bool loads = file_name.starts_with("ld-") || file_name.starts_with("ld.") || file_name.starts_with("ld64.");
    const size_t at = file_name.find(".so");
    return loads && at != std::string_view::npos && (at + 3 == file_name.size() || file_name[at + 3] == '.');
}

namespace {

constexpr uint64_t most_words = 64; // options and program; the program's own arguments come after it

// The address of word `at` in an array that a null ends.
uint64_t word_at(pid_t task, uint64_t array, uint64_t at) {
    uint64_t address = 0;
    return array != 0 && read_bytes(task, array + at * sizeof address, &address, sizeof address) ? address : 0;
}

bool lists_only(pid_t task, uint64_t environment) {
    for (uint64_t at = 0; at < 4096; ++at) {
        const uint64_t address = word_at(task, environment, at);
        if (address == 0) {
            return false;
        }
        if (const auto text = read_string(task, address); text && text->starts_with("LD_TRACE_LOADED_OBJECTS=") && !text->ends_with('=')) {
            return true;
        }
    }
    return false;
}

} // namespace

// Options as ld.so(8) and musl's loader have them.
std::optional<WatchedPath> program_of_loader(pid_t task, const std::string& name, const seccomp_data& data) {
    constexpr std::array with_value = {"--library-path", "--inhibit-rpath", "--audit", "--preload", "--argv0",
                                       "--glibc-hwcaps-prepend", "--glibc-hwcaps-mask"};
    constexpr std::array without_program = {"--list", "--verify", "--list-tunables", "--list-diagnostics", "--help", "--version"};
    const size_t first = name == "execveat" ? 2 : 1;
    for (uint64_t at = 1; at < most_words; ++at) {
        const uint64_t address = word_at(task, data.args[first], at);
        auto word = address != 0 ? read_string(task, address) : std::nullopt;
        if (!word || std::find(without_program.begin(), without_program.end(), *word) != without_program.end()) {
            return std::nullopt;
        }
        if (std::find(with_value.begin(), with_value.end(), *word) != with_value.end()) {
            ++at;
            continue;
        }
        if (word->starts_with("--")) {
            continue;
        }
        // Without a `/` it is looked for where libraries are.
        if (word->find('/') == std::string::npos || lists_only(task, data.args[first + 1])) {
            return std::nullopt;
        }
        WatchedPath path;
        path.raw = std::move(*word);
        path.directory = AT_FDCWD;
        path.execute = true;
        path.by_loader = true;
        return path;
    }
    return std::nullopt;
}

WatchedCall read_call(pid_t task, const std::string& name, const seccomp_data& data) {
    WatchedCall seen;
    read_addresses(task, name, data, seen);
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
        if (auto raw = plain_argument(task, call, data)) {
            seen.paths.push_back(plain_path(call, data, std::move(*raw)));
        }
    }
    return seen;
}

} // namespace treadline

#include "collector/accesses.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "base/path.h"
#include "collector/path_resolver.h"

namespace treadline {
namespace {

constexpr uint32_t fmode_read = 0x1;
constexpr uint32_t fmode_write = 0x2;
constexpr uint32_t fmode_created = 0x100000; // Linux 4.19, include/linux/fs.h
constexpr uint32_t o_tmpfile_bit = 020000000;

std::vector<AccessKind> opened_kinds(const tl_path& fixed, bool directory) {
    if (directory) {
        return {AccessKind::List};
    }
    std::vector<AccessKind> kinds;
    if ((fixed.file_mode & fmode_created) != 0) {
        kinds.push_back(AccessKind::Create);
    }
    if ((fixed.file_mode & fmode_write) != 0) {
        kinds.push_back(AccessKind::Write);
    }
    if ((fixed.file_mode & fmode_read) != 0 || kinds.empty()) {
        kinds.push_back(AccessKind::Read);
    }
    return kinds;
}

std::vector<AccessKind> refused_open_kinds(uint32_t flags, int result) {
    if ((flags & O_DIRECTORY) != 0 && (flags & o_tmpfile_bit) == 0) {
        return {AccessKind::List};
    }
    std::vector<AccessKind> kinds;
    if ((flags & O_CREAT) != 0 && result != EEXIST) {
        kinds.push_back(AccessKind::Create);
    }
    if ((flags & O_ACCMODE) != O_RDONLY) {
        kinds.push_back(AccessKind::Write);
    }
    if ((flags & O_ACCMODE) != O_WRONLY) {
        kinds.push_back(AccessKind::Read);
    }
    return kinds;
}

std::vector<AccessKind> kinds_of(const tl_path& fixed) {
    const bool exchange = (fixed.call_flags & RENAME_EXCHANGE) != 0;
    switch (fixed.op) {
    case TL_UNLINK:
    case TL_RMDIR:
        return {AccessKind::Delete};
    case TL_MKDIR:
    case TL_MKNOD:
    case TL_SYMLINK:
    case TL_LINK_NEW:
        return {AccessKind::Create};
    case TL_LINK_OLD: // the new name gives what the old one gave
        return {AccessKind::Read};
    case TL_RENAME_OLD:
    case TL_RENAME_NEW:
        if (exchange) {
            return {AccessKind::Create, AccessKind::Delete};
        }
        return {fixed.op == TL_RENAME_OLD ? AccessKind::Delete : AccessKind::Create};
    case TL_TRUNCATE:
    case TL_ATTRIBUTES:
        return {AccessKind::Write};
    case TL_CHDIR:
        return {AccessKind::List};
    case TL_EXECUTE:
        return {AccessKind::Execute};
    default:
        return {};
    }
}

LastLink last_link(const tl_path& fixed) {
    if (fixed.op == TL_OPEN) {
        const bool keeps = (fixed.call_flags & O_NOFOLLOW) != 0 ||
                           (fixed.call_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
        return keeps ? LastLink::Keep : LastLink::Follow;
    }
    if (fixed.op == TL_LINK_OLD) {
        return (fixed.call_flags & AT_SYMLINK_FOLLOW) != 0 ? LastLink::Follow : LastLink::Keep;
    }
    const bool follows = (fixed.flags & TL_PATH_FOLLOW) != 0 && (fixed.call_flags & AT_SYMLINK_NOFOLLOW) == 0;
    return follows ? LastLink::Follow : LastLink::Keep;
}

} // namespace

std::optional<PathAccess> path_access(const PathEvent& event) {
    const tl_path& fixed = event.fixed;
    const auto pid = static_cast<pid_t>(fixed.header.pid);
    const bool has_text = (fixed.flags & TL_PATH_TEXT) != 0;
    const std::string base = path_from_names(event.base);
    const std::string asked = has_text ? join_path(base, event.text) : "";

    PathAccess access;
    access.directory = S_ISDIR(fixed.inode_mode) || fixed.op == TL_RMDIR || fixed.op == TL_MKDIR ||
                       fixed.op == TL_CHDIR ||
                       (fixed.op == TL_UNLINK && (fixed.call_flags & AT_REMOVEDIR) != 0);
    if ((fixed.flags & TL_PATH_RESOLVED) == 0) {
        access.path = resolve_path(base, event.text, last_link(fixed), pid);
        access.kinds =
            fixed.op == TL_OPEN ? refused_open_kinds(fixed.call_flags, fixed.result) : kinds_of(fixed);
        access.directory =
            access.directory || (fixed.op == TL_OPEN && (fixed.call_flags & O_DIRECTORY) != 0 &&
                                 (fixed.call_flags & o_tmpfile_bit) == 0);
    } else if ((fixed.flags & TL_PATH_DELETED) == 0) {
        access.path = path_from_names(event.names);
        access.kinds = fixed.op == TL_OPEN ? opened_kinds(fixed, access.directory) : kinds_of(fixed);
    } else {
        // Without a name of its own. Through /proc/self/fd it is no access to a file by name; otherwise the
        // name was removed while it was being opened, or never was (O_TMPFILE: the directory gets a new
        // file).
        if (!has_text || is_within(asked, "/proc") || is_within(asked, "/dev/fd")) {
            return std::nullopt;
        }
        access.path = resolve_path(base, event.text, LastLink::Follow, pid);
        if ((fixed.call_flags & o_tmpfile_bit) != 0) {
            access.kinds = {AccessKind::Create};
            access.directory = true;
        } else {
            access.kinds = opened_kinds(fixed, access.directory);
        }
    }
    if (access.kinds.empty()) {
        return std::nullopt;
    }
    if (has_text && asked != access.path) {
        access.requested = asked;
    }
    return access;
}

} // namespace treadline

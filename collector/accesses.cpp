#include "collector/accesses.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "base/path.h"
#include "collector/path_resolver.h"

namespace treadline {
namespace {

constexpr uint32_t o_tmpfile_bit = 020000000;

AccessKinds opened_kinds(const tl_path& fixed, bool directory) {
    if (directory) {
        return bit(AccessKind::List);
    }
    AccessKinds kinds = 0;
    if ((fixed.detail & TL_OPENED_CREATED) != 0) {
        kinds |= bit(AccessKind::Create);
    }
    if ((fixed.detail & TL_OPENED_WRITE) != 0) {
        kinds |= bit(AccessKind::Write);
    }
    if ((fixed.detail & TL_OPENED_READ) != 0 || kinds == 0) {
        kinds |= bit(AccessKind::Read);
    }
    return kinds;
}

AccessKinds refused_open_kinds(uint32_t flags, int result) {
    if ((flags & O_PATH) != 0) {
        return bit(AccessKind::Stat);
    }
    // A name that is taken, or a directory for a nameless file: it did not come to what is done with the
    // file.
    if (result == EEXIST || (flags & o_tmpfile_bit) != 0) {
        return bit(AccessKind::Create);
    }
    if ((flags & O_DIRECTORY) != 0) {
        return bit(AccessKind::List);
    }
    AccessKinds kinds = 0;
    if ((flags & O_CREAT) != 0) {
        kinds |= bit(AccessKind::Create);
    }
    if ((flags & O_ACCMODE) != O_RDONLY) {
        kinds |= bit(AccessKind::Write);
    }
    if ((flags & O_ACCMODE) != O_WRONLY) {
        kinds |= bit(AccessKind::Read);
    }
    return kinds;
}

AccessKinds kinds_of(const tl_path& fixed) {
    const bool exchange = (fixed.call_flags & RENAME_EXCHANGE) != 0;
    switch (fixed.op) {
    case TL_UNLINK:
    case TL_RMDIR:
        return bit(AccessKind::Delete);
    case TL_MKDIR:
    case TL_MKNOD:
    case TL_SYMLINK:
    case TL_LINK_NEW:
        return bit(AccessKind::Create);
    case TL_LINK_OLD: // the new name gives what the old one gave
        return bit(AccessKind::Read);
    case TL_RENAME_OLD:
    case TL_RENAME_NEW:
        if (exchange) {
            return bit(AccessKind::Create) | bit(AccessKind::Delete);
        }
        return bit(fixed.op == TL_RENAME_OLD ? AccessKind::Delete : AccessKind::Create);
    case TL_TRUNCATE:
    case TL_ATTRIBUTES:
        return bit(AccessKind::Write);
    case TL_CHDIR:
        return bit(AccessKind::List);
    case TL_EXECUTE:
        return bit(AccessKind::Execute);
    case TL_STAT:
        return bit(AccessKind::Stat);
    default:
        return 0;
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

// What was made is new for certain: the call refuses a name that is taken, or makes a file without one.
bool makes_exclusively(const tl_path& fixed) {
    if (fixed.result != 0) {
        return false;
    }
    if (fixed.op == TL_OPEN) {
        return (fixed.call_flags & o_tmpfile_bit) != 0 ||
               ((fixed.detail & TL_OPENED_CREATED) != 0 && (fixed.call_flags & O_EXCL) != 0);
    }
    return fixed.op == TL_MKDIR || fixed.op == TL_MKNOD || fixed.op == TL_SYMLINK || fixed.op == TL_LINK_NEW;
}

// Whether a resolved path was asked for letter by letter: what is so for most, and spares normalising.
bool is_spelled(std::string_view path, std::string_view base, std::string_view text) {
    if (!text.empty() && text.front() == '/') {
        return path == text;
    }
    return !text.empty() && path.size() == base.size() + 1 + text.size() &&
           path.substr(0, base.size()) == base && path[base.size()] == '/' &&
           path.substr(base.size() + 1) == text;
}

} // namespace

std::optional<PathAccess> path_access(const PathEvent& event, const std::string& object,
                                      const std::string& base, const std::string& root,
                                      std::optional<int> view) {
    const tl_path& fixed = event.fixed;
    const bool has_text = (fixed.flags & TL_PATH_TEXT) != 0;
    const bool by_proc = (fixed.flags & TL_PATH_PROC) != 0;
    const std::string_view text = by_proc ? after_proc_start(event.text) : event.text;
    const auto start = [&] {
        return Start{base, static_cast<pid_t>(fixed.header.pid), root.empty() ? "/" : root, view};
    };

    PathAccess access;
    access.directory = S_ISDIR(fixed.inode_mode) || fixed.op == TL_RMDIR || fixed.op == TL_MKDIR ||
                       fixed.op == TL_CHDIR ||
                       (fixed.op == TL_UNLINK && (fixed.call_flags & AT_REMOVEDIR) != 0);
    if ((fixed.flags & TL_PATH_RESOLVED) == 0) {
        Resolution found = resolve(start(), text, last_link(fixed));
        access.path = std::move(found.path);
        access.unknown = found.unknown && fixed.result == 0;
        access.kinds =
            fixed.op == TL_OPEN ? refused_open_kinds(fixed.call_flags, fixed.result) : kinds_of(fixed);
        const bool asks = fixed.op == TL_OPEN && (fixed.call_flags & (O_DIRECTORY | o_tmpfile_bit)) != 0;
        access.directory = access.directory || asks || (fixed.result == 0 && found.directory);
    } else if ((fixed.flags & TL_PATH_DELETED) == 0) {
        access.of_object = true;
        // Of what was refused only the hooks could tell what it was about: both probe sets say the same.
        const bool removes_directory = fixed.op == TL_RMDIR || (fixed.call_flags & AT_REMOVEDIR) != 0;
        const bool by_name = fixed.op == TL_RENAME_OLD || fixed.op == TL_RENAME_NEW ||
                             (fixed.op == TL_UNLINK && !removes_directory);
        if (by_name && fixed.result != 0) {
            access.directory = false;
        }
        access.kinds = fixed.op == TL_OPEN ? opened_kinds(fixed, access.directory) : kinds_of(fixed);
    } else {
        // Without a name of its own. A descriptor of the process is no access to a file by name; otherwise
        // the name was removed while it was being opened, or never was (O_TMPFILE: the directory gets a new
        // file).
        if (!has_text || (by_proc ? text.empty() : is_within(join_path(base, event.text), "/proc"))) {
            return std::nullopt;
        }
        Resolution found = resolve(start(), text, LastLink::Follow);
        access.path = std::move(found.path);
        access.unknown = found.unknown;
        if ((fixed.call_flags & o_tmpfile_bit) != 0) {
            access.kinds = bit(AccessKind::Create) | opened_kinds(fixed, false); // of the file, which lies in it as others do
            access.directory = true;
        } else {
            access.kinds = opened_kinds(fixed, access.directory);
        }
    }
    if (access.kinds == 0) {
        return std::nullopt;
    }
    access.would_create = (fixed.detail & TL_OPENED_WOULD_CREATE) != 0 && fixed.op == TL_OPEN &&
                          (fixed.flags & TL_PATH_RESOLVED) != 0;
    access.exclusive = makes_exclusively(fixed);
    if (const std::string& path = access.of_object ? object : access.path;
        has_text && !is_spelled(path, base, event.text)) {
        access.requested = join_path(base, event.text);
        if (access.requested == path) {
            access.requested.clear();
        }
    }
    return access;
}

} // namespace treadline

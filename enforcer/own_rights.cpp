#include "enforcer/own_rights.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"

namespace treadline {
namespace {

// Of this thread, for what it asks of the file system: root judges as the user it works for, without root's rights. Groups
// stay as they are, so that at worst something counts as writable that is not.
class FileSystemUser {
public:
    explicit FileSystemUser(uid_t uid) : before_(static_cast<uid_t>(::setfsuid(uid))) {}
    ~FileSystemUser() { ::setfsuid(before_); }
    FileSystemUser(const FileSystemUser&) = delete;
    FileSystemUser& operator=(const FileSystemUser&) = delete;

private:
    uid_t before_;
};

} // namespace

bool rights_refuse(const std::string& path, Change change, uid_t uid) {
    if (is_within(path, "/proc") && !is_within(path, "/proc/sys")) {
        return false;
    }
    const std::string target = change == Change::Names ? std::string(parent_path(path)) : path;
    const int wanted = change == Change::Names ? W_OK | X_OK : W_OK;
    const FileSystemUser user(uid);
    struct stat status {};
    return ::lstat(target.c_str(), &status) == 0 && !S_ISLNK(status.st_mode) && status.st_uid != uid &&
           ::faccessat(AT_FDCWD, target.c_str(), wanted, AT_EACCESS | AT_SYMLINK_NOFOLLOW) != 0;
}

} // namespace treadline

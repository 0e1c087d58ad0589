#include "tools/treadline/last_run.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

std::string file(const Context& context) {
    return join_path(parent_path(context.store), "last-run.json");
}

// Over the earlier one, filled up with blanks in one write, where it has room: making and removing a file takes longer than a
// short run should end. Nobody else writes or reads meanwhile.
result<bool> overwritten(const std::string& path, const std::string& text) {
    const unique_fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat status {};
    if (!fd || ::flock(fd.get(), LOCK_EX) != 0 || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1) {
        return false;
    }
    constexpr size_t most_blanks = 64 * 1024;
    const auto room = static_cast<size_t>(status.st_size);
    if (text.size() > room || room - text.size() > most_blanks) {
        return false;
    }
    TRY(sys::write_all(fd.get(), text + std::string(room - text.size(), '\n')));
    return true;
}

} // namespace

result<ok> remember_last_run(const Context& context, const std::string& report_json) {
    if (TRY(overwritten(file(context), report_json))) {
        return ok{};
    }
    TRY(sys::make_directories(std::string(parent_path(context.store)), 0700));
    return sys::replace_file(file(context), report_json, 0600, sys::Keep::WhileRunning);
}

result<std::string> last_run(const Context& context) {
    const auto fd = sys::open(file(context), O_RDONLY);
    if (!fd && fd.error().code == ENOENT) {
        return fail("no enforced run of this project is known; run 'treadline enforce -- COMMAND' first");
    }
    if (!fd) {
        return failure(fd.error());
    }
    ::flock(fd->get(), LOCK_SH); // for a run that is just writing it
    return sys::read_all(fd->get());
}

} // namespace treadline

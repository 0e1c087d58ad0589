#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/attacks/hostile.h"

namespace {

long open_how_with(const std::string& path, uint64_t flags, uint64_t resolve) {
    open_how how{};
    how.flags = flags;
    how.resolve = resolve;
    return ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
}

} // namespace

const Attempts& file_attempts() {
    static const Attempts table = {
        // Relative to a descriptor that only names a directory.
        {"read-at",
         [](const Words& w) {
             return read_from(::openat(::open(w[0].c_str(), O_PATH | O_DIRECTORY), w[1].c_str(), O_RDONLY));
         }},
        {"openat2-read",
         [](const Words& w) { return read_from(static_cast<int>(open_how_with(w[0], O_RDONLY, 0))); }},
    };
    return table;
}

// System calls wrapped once: same names, a result for errno, EINTR handled. Only these read errno.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline::sys {

// O_CLOEXEC is always added.
result<unique_fd> open(const std::string& path, int flags, mode_t mode = 0);
result<unique_fd> openat(int directory, const std::string& path, int flags, mode_t mode = 0);

result<std::string> read_file(const std::string& path); // whole; also for /proc, where sizes are 0
result<std::string> read_all(int fd);
result<ok> write_all(int fd, std::string_view bytes);
// Written beside the target, flushed, then renamed over it: readers see the old file or the new one.
enum class Keep : uint8_t {
    AfterPowerLoss, // on the disk when this returns
    WhileRunning,   // in the kernel's memory: what a later run makes anew
};
result<ok> replace_file(const std::string& path, std::string_view bytes, mode_t mode = 0644, Keep keep = Keep::AfterPowerLoss);

result<ok> mkdir(const std::string& path, mode_t mode);          // EEXIST is an error
result<ok> make_directories(const std::string& path, mode_t mode); // like mkdir -p
result<std::string> readlink(const std::string& path);
result<std::string> realpath(const std::string& path);

result<std::pair<unique_fd, unique_fd>> pipe();                   // {read end, write end}
result<std::pair<unique_fd, unique_fd>> socketpair(int type);     // AF_UNIX
result<unique_fd> pidfd_open(pid_t pid);                          // pidfd_open(2), Linux 5.3

// A message with descriptors over an AF_UNIX socket (unix(7), SCM_RIGHTS). At most 8 descriptors.
result<ok> send_fds(int socket, std::string_view bytes, std::span<const int> fds, int flags = 0); // MSG_DONTWAIT
struct Message {
    std::string bytes; // empty: the peer closed
    std::vector<unique_fd> fds;
};
result<Message> receive_fds(int socket, size_t max_bytes = 64 * 1024);

} // namespace treadline::sys

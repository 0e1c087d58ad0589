#include "collector/canary.h"

#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline {
namespace {

// In the child: only system calls. A file that cannot exist, a socket nobody listens on, a program that does
// nothing.
[[noreturn]] void fly() {
    ::close(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ::close(::open("/treadline-canary/", O_RDONLY | O_CLOEXEC));
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, "treadline-canary", 16);
    (void)::connect(fd, reinterpret_cast<const sockaddr*>(&address), offsetof(sockaddr_un, sun_path) + 17);
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    char* const self[] = {const_cast<char*>("treadline-collector"), const_cast<char*>("--canary"), nullptr};
    char* const nothing[] = {nullptr};
    ::execve("/proc/self/exe", self, nothing);
    // A collector that this user may not execute.
    char* const plain[] = {const_cast<char*>("true"), nullptr};
    ::execve("/usr/bin/true", plain, nothing);
    ::execve("/bin/true", plain, nothing);
    ::_exit(1);
}

} // namespace

const std::vector<std::string>& expected_canaries() {
    static const std::vector<std::string> names = {"connect", "exec", "exit",        "failed open",
                                                   "fork",    "open", "system calls"};
    return names;
}

result<ok> send_canary(const std::function<result<ok>(int pidfd)>& follow) {
    // Named one by one: clang 14 does not capture structured bindings.
    auto ends = TRY(sys::pipe());
    const unique_fd held = std::move(ends.first);
    unique_fd release = std::move(ends.second);
    const pid_t child = ::fork();
    if (child < 0) {
        return fail_errno("cannot fork to check the probes");
    }
    if (child == 0) {
        release.reset();
        char go = 0;
        if (::read(held.get(), &go, 1) != 1) {
            ::_exit(1);
        }
        fly();
    }
    const auto followed = [&]() -> result<ok> {
        const unique_fd pidfd = TRY(sys::pidfd_open(child));
        TRY(follow(pidfd.get()));
        return sys::write_all(release.get(), "x");
    }();
    release.reset();
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return followed;
}

} // namespace treadline

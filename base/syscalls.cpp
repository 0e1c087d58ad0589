#include "base/syscalls.h"

#include <climits>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"

namespace treadline::sys {
namespace {

constexpr size_t max_fds = 8;

template <class Call>
auto retry(Call call) {
    for (;;) {
        const auto value = call();
        if (value >= 0 || errno != EINTR) {
            return value;
        }
    }
}

std::string quoted(std::string_view path) {
    return "'" + std::string(path) + "'";
}

} // namespace

result<unique_fd> open(const std::string& path, int flags, mode_t mode) {
    return openat(AT_FDCWD, path, flags, mode);
}

result<unique_fd> openat(int directory, const std::string& path, int flags, mode_t mode) {
    const int fd = retry([&] { return ::openat(directory, path.c_str(), flags | O_CLOEXEC, mode); });
    if (fd < 0) {
        return fail_errno("cannot open " + quoted(path));
    }
    return unique_fd(fd);
}

result<std::string> read_all(int fd) {
    std::string bytes;
    char buffer[16 * 1024];
    for (;;) {
        const ssize_t got = retry([&] { return ::read(fd, buffer, sizeof buffer); });
        if (got < 0) {
            return fail_errno("cannot read");
        }
        if (got == 0) {
            return bytes;
        }
        bytes.append(buffer, static_cast<size_t>(got));
    }
}

result<std::string> read_file(const std::string& path) {
    const unique_fd fd = TRY(open(path, O_RDONLY));
    auto bytes = read_all(fd.get());
    if (!bytes) {
        return fail_code(bytes.error().code, "cannot read " + quoted(path));
    }
    return bytes;
}

result<ok> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = retry([&] { return ::write(fd, bytes.data(), bytes.size()); });
        if (put < 0) {
            return fail_errno("cannot write");
        }
        bytes.remove_prefix(static_cast<size_t>(put));
    }
    return ok{};
}

result<ok> replace_file(const std::string& path, std::string_view bytes, mode_t mode, Keep keep) {
    std::string temporary = path + ".XXXXXX";
    const unique_fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) {
        return fail_errno("cannot create a file beside " + quoted(path));
    }
    const auto written = [&]() -> result<ok> {
        TRY(write_all(fd.get(), bytes));
        if (::fchmod(fd.get(), mode) != 0 || (keep == Keep::AfterPowerLoss && ::fsync(fd.get()) != 0) ||
            ::rename(temporary.c_str(), path.c_str()) != 0) {
            return fail_errno("cannot write");
        }
        return ok{};
    }();
    if (!written) {
        ::unlink(temporary.c_str());
        return fail_code(written.error().code, "cannot write " + quoted(path));
    }
    return ok{};
}

result<ok> mkdir(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) != 0) {
        return fail_errno("cannot make directory " + quoted(path));
    }
    return ok{};
}

result<ok> make_directories(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) {
        return ok{};
    }
    if (errno != ENOENT || parent_path(path) == path) {
        return fail_errno("cannot make directory " + quoted(path));
    }
    TRY(make_directories(std::string(parent_path(path)), mode));
    return mkdir(path, mode);
}

result<std::string> readlink(const std::string& path) {
    std::string target(PATH_MAX, '\0');
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    if (length < 0) {
        return fail_errno("cannot read link " + quoted(path));
    }
    target.resize(static_cast<size_t>(length));
    return target;
}

// Most paths lead through no link, and the kernel says so at once; libc asks for each name on the way.
result<std::string> realpath(const std::string& path) {
    if (path.starts_with('/') && normalise_path(path) == path) {
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_NO_SYMLINKS;
        const unique_fd found(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
        if (found) {
            return path;
        }
        if (errno == ENOENT) { // before any link was met
            return fail_errno("cannot resolve " + quoted(path));
        }
    }
    char buffer[PATH_MAX];
    if (::realpath(path.c_str(), buffer) == nullptr) {
        return fail_errno("cannot resolve " + quoted(path));
    }
    return std::string(buffer);
}

result<std::pair<unique_fd, unique_fd>> pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) {
        return fail_errno("cannot make a pipe");
    }
    return std::pair(unique_fd(fds[0]), unique_fd(fds[1]));
}

result<std::pair<unique_fd, unique_fd>> socketpair(int type) {
    int fds[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) {
        return fail_errno("cannot make a socket pair");
    }
    return std::pair(unique_fd(fds[0]), unique_fd(fds[1]));
}

result<unique_fd> pidfd_open(pid_t pid) {
    const long fd = ::syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        return fail_errno("cannot open a descriptor for process " + std::to_string(pid));
    }
    return unique_fd(static_cast<int>(fd));
}

result<ok> send_fds(int socket, std::string_view bytes, std::span<const int> fds, int flags) {
    if (fds.size() > max_fds) {
        return fail_code(EINVAL, "cannot send that many descriptors");
    }
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(max_fds * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size_bytes());
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size_bytes());
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
    }
    if (retry([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | flags); }) < 0) {
        return fail_errno("cannot send a message");
    }
    return ok{};
}

result<Message> receive_fds(int socket, size_t max_bytes) {
    Message received;
    received.bytes.resize(max_bytes);
    iovec part{received.bytes.data(), received.bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(max_fds * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = retry([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC); });
    if (got < 0) {
        return fail_errno("cannot receive a message");
    }
    received.bytes.resize(static_cast<size_t>(got));
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            received.fds.emplace_back(fd);
        }
    }
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return fail_code(EMSGSIZE, "cannot receive a message: it is too long");
    }
    return received;
}

} // namespace treadline::sys

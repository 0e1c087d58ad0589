// Reading, changing and replacing files by every call that can.
#include <array>
#include <cstddef>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "tests/attacks/hostile.h"

namespace {

const char* c(const std::string& text) {
    return text.c_str();
}

std::string descriptor_path(int fd) {
    return "/proc/self/fd/" + std::to_string(fd);
}

int name_only(const std::string& path, int flags = 0) {
    return ::open(c(path), O_PATH | flags);
}

long open_how_with(int directory, const std::string& path, uint64_t flags, uint64_t resolve) {
    open_how how{};
    how.flags = flags;
    how.resolve = resolve;
    return ::syscall(SYS_openat2, directory, c(path), &how, sizeof how);
}

long write_to(int fd) {
    return fd < 0 ? -1 : static_cast<long>(::write(fd, "x", 1));
}

// The bytes of a handle, in hexadecimal: its type in two digits, then its body.
long open_handle(const std::string& hex) {
    alignas(file_handle) std::array<char, sizeof(file_handle) + MAX_HANDLE_SZ> memory{};
    auto* handle = reinterpret_cast<file_handle*>(memory.data());
    const auto byte = [&](size_t at) { return static_cast<unsigned char>(std::stoi(hex.substr(2 * at, 2), nullptr, 16)); };
    handle->handle_type = byte(0);
    handle->handle_bytes = static_cast<unsigned>(hex.size() / 2 - 1);
    for (size_t at = 0; at < handle->handle_bytes; ++at) {
        memory[offsetof(file_handle, f_handle) + at] = byte(at + 1); // an array of no size, which compilers warn of
    }
    return ::open_by_handle_at(::open(".", O_RDONLY | O_DIRECTORY), handle, O_RDONLY);
}

// What opening the name again and again, for a fifth of a second, gets to read at the best: the attempt is a race that
// is won within a few turns where it can be.
long read_racing(const char* name, const std::string& wanted) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (std::chrono::steady_clock::now() < until) {
        std::array<char, 64> text{};
        const int fd = ::open(name, O_RDONLY);
        const ssize_t got = ::read(fd, text.data(), text.size() - 1);
        ::close(fd);
        if (got > 0 && std::string(text.data()).find(wanted) != std::string::npos) {
            std::fputs(text.data(), stdout);
            return got;
        }
    }
    errno = EAGAIN;
    return -1;
}

// One thread keeps exchanging a directory with a link of the same name, the other reads through the name.
long race_swap(const std::string& name, const std::string& other, const std::string& below) {
    std::atomic<bool> over = false;
    std::thread swapping([&] {
        while (!over) {
            ::renameat2(AT_FDCWD, c(name), AT_FDCWD, c(other), RENAME_EXCHANGE);
        }
    });
    const long got = read_racing(c(name + "/" + below), "SECRET");
    over = true;
    swapping.join();
    return got;
}

// One thread keeps changing the name in memory, the other opens it.
long race_argument(const std::string& harmless, const std::string& wanted) {
    std::array<char, 4096> name{};
    std::atomic<bool> over = false;
    std::thread writing([&] {
        while (!over) {
            std::strcpy(name.data(), c(harmless));
            std::strcpy(name.data(), c(wanted));
        }
    });
    const long got = read_racing(name.data(), "SECRET");
    over = true;
    writing.join();
    return got;
}

// A socket's name is made where no file could be.
long bind_name(const std::string& path, bool and_connect = false) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, c(path), sizeof address.sun_path - 1);
    const auto* name = reinterpret_cast<sockaddr*>(&address);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || ::bind(fd, name, sizeof address) != 0) {
        return -1;
    }
    return and_connect && ::listen(fd, 1) == 0 ? ::connect(::socket(AF_UNIX, SOCK_STREAM, 0), name, sizeof address) : 0;
}

// Relative to its own directory, until the absolute name is longer than PATH_MAX.
long read_below_long(const std::string& link) {
    const std::string name(255, 'd');
    for (int depth = 0; depth < 20; ++depth) {
        if ((::mkdir(c(name), 0755) != 0 && errno != EEXIST) || ::chdir(c(name)) != 0) {
            return -1;
        }
    }
    if (::symlink(c(link), "link") != 0) {
        return -1;
    }
    return read_from(::open("link", O_RDONLY));
}

long set_flag(int fd) { // the owner may: "no dump", which no backup keeps
    int flags = 0;
    if (fd < 0 || ::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) {
        return -1;
    }
    flags |= FS_NODUMP_FL;
    return ::ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

// system.posix_acl_access (linux/posix_acl_xattr.h): version, then tag, permissions and id of each entry.
long set_acl(const std::string& path) {
    struct Entry {
        uint16_t tag, permissions;
        uint32_t id;
    };
    struct {
        uint32_t version = 2;
        Entry entries[5] = {{1, 6, ~0U}, {2, 6, ::getuid()}, {4, 4, ~0U}, {16, 6, ~0U}, {32, 4, ~0U}};
    } acl;
    return ::setxattr(c(path), "system.posix_acl_access", &acl, sizeof acl, 0);
}

// As many as there are, in as many processes, for as long as it takes to read.
long exhaust_descriptors(const std::string& path) {
    const pid_t self = ::getpid();
    for (int process = 0; process < 20; ++process) {
        if (::fork() == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
            if (::getppid() != self) { // it has read already, and nobody would end this
                ::_exit(0);
            }
            for (int count = 0; count < 20'000 && ::dup(0) >= 0; ++count) {
            }
            ::pause();
        }
    }
    return read_from(::open(c(path), O_RDONLY));
}

} // namespace

const Attempts& file_attempts() {
    static const Attempts table = {
        // Relative to a descriptor that only names a directory.
        {"read-at", [](const Words& w) { return read_from(::openat(name_only(w[0], O_DIRECTORY), c(w[1]), O_RDONLY)); }},
        {"openat2", [](const Words& w) {
             return read_from(static_cast<int>(open_how_with(name_only(w[0]), w[1], O_RDONLY, std::stoull(w[2]))));
         }},
        {"read-device", [](const Words& w) { return long(::open(c(w[0]), O_RDWR)); }},
        {"read-handle", [](const Words& w) {
             long fd = open_handle(w[0]);
             if (fd < 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
                 fd = open_handle(w[0]);
             }
             return read_from(static_cast<int>(fd));
         }},
        {"read-name-only", [](const Words& w) { return read_from(name_only(w[0])); }},
        {"reopen-to-write", [](const Words& w) { return write_to(::open(c(descriptor_path(name_only(w[0]))), O_WRONLY | O_APPEND)); }},
        {"reopen-read-to-write", [](const Words& w) {
             return write_to(::open(c(descriptor_path(::open(c(w[0]), O_RDONLY))), O_WRONLY | O_APPEND));
         }},
        {"race-swap", [](const Words& w) { return race_swap(w[0], w[1], w[2]); }},
        {"race-argument", [](const Words& w) { return race_argument(w[0], w[1]); }},
        {"read-below-long", [](const Words& w) { return ::chdir(c(w[0])) != 0 ? -1 : read_below_long(w[1]); }},
        {"read-long-name", [](const Words& w) {
             std::string path = w[0];
             while (path.size() < 4000) {
                 path += "/.";
             }
             return read_from(::open(c(path + "/" + w[1]), O_RDONLY));
         }},

        // Second names
        {"link-by-descriptor", [](const Words& w) {
             const int fd = name_only(w[0]);
             return fd < 0 ? -1 : long(::linkat(AT_FDCWD, c(descriptor_path(fd)), AT_FDCWD, c(w[1]), AT_SYMLINK_FOLLOW));
         }},
        {"link-empty-path", [](const Words& w) {
             const int fd = name_only(w[0]);
             return fd < 0 ? -1 : long(::linkat(fd, "", AT_FDCWD, c(w[1]), AT_EMPTY_PATH));
         }},
        {"link-unnamed-file", [](const Words& w) {
             const int fd = ::open(c(w[0]), O_TMPFILE | O_WRONLY, 0755);
             return write_to(fd) < 0 ? -1 : long(::linkat(AT_FDCWD, c(descriptor_path(fd)), AT_FDCWD, c(w[1]), AT_SYMLINK_FOLLOW));
         }},
        {"bind-name", [](const Words& w) { return bind_name(w[0]); }},
        {"listen-and-connect", [](const Words& w) { return bind_name(w[0], true); }},
        {"make-fifo", [](const Words& w) { return long(::mknod(c(w[0]), S_IFIFO | 0600, 0)); }},
        {"make-character-device", [](const Words& w) { return long(::mknod(c(w[0]), S_IFCHR | 0600, 0)); }},
        {"rename-no-replace", [](const Words& w) { return long(::renameat2(AT_FDCWD, c(w[0]), AT_FDCWD, c(w[1]), RENAME_NOREPLACE)); }},
        {"rename-whiteout", [](const Words& w) { return long(::renameat2(AT_FDCWD, c(w[0]), AT_FDCWD, c(w[1]), RENAME_WHITEOUT)); }},

        // Changes to what is there
        {"open-truncate", [](const Words& w) { return long(::open(c(w[0]), O_RDONLY | O_TRUNC)); }},
        {"punch-hole", [](const Words& w) {
             const int fd = ::open(c(w[0]), O_RDWR);
             return fd < 0 ? -1 : long(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4));
         }},
        {"chmod-open", [](const Words& w) { return long(::fchmod(::open(c(w[0]), O_RDONLY), 0777)); }},
        {"chown", [](const Words& w) { return long(::chown(c(w[0]), ::getuid(), ::getgid())); }},
        {"chown-open", [](const Words& w) { return long(::fchown(::open(c(w[0]), O_RDONLY), ::getuid(), ::getgid())); }},
        {"set-times", [](const Words& w) {
             const timespec times[2] = {{1, 0}, {1, 0}};
             return long(::utimensat(AT_FDCWD, c(w[0]), times, 0));
         }},
        {"set-times-open", [](const Words& w) {
             const timespec times[2] = {{1, 0}, {1, 0}};
             return long(::futimens(::open(c(w[0]), O_RDONLY), times));
         }},
#ifdef SYS_utime
        {"set-times-old", [](const Words& w) {
             const utimbuf times{1, 1};
             return ::syscall(SYS_utime, c(w[0]), &times);
         }},
#endif
        {"set-attribute", [](const Words& w) { return long(::setxattr(c(w[0]), "user.x", "x", 1, 0)); }},
        {"set-attribute-open", [](const Words& w) { return long(::fsetxattr(::open(c(w[0]), O_RDONLY), "user.x", "x", 1, 0)); }},
        {"remove-attribute", [](const Words& w) { return long(::removexattr(c(w[0]), "user.mine")); }},
        {"remove-attribute-open", [](const Words& w) { return long(::fremovexattr(::open(c(w[0]), O_RDONLY), "user.mine")); }},
        {"set-acl", [](const Words& w) { return set_acl(w[0]); }},
        {"set-flag", [](const Words& w) { return set_flag(::open(c(w[0]), O_RDONLY)); }},
        {"exhaust-descriptors", [](const Words& w) { return exhaust_descriptors(w[0]); }},
    };
    return table;
}

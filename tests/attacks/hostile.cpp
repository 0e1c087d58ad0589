// What a hostile program tries, one attempt a run: `hostile ATTEMPT [ARGUMENT…]` prints "ok" or the errno's
// name.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/hostile.h"

long read_from(int fd) {
    char buffer[4096];
    const ssize_t got = fd < 0 ? -1 : ::read(fd, buffer, sizeof buffer);
    if (got > 0) {
        ::fwrite(buffer, 1, static_cast<size_t>(got), stdout);
    }
    return got;
}

namespace {

// One byte by datagram, to an IPv4 address and port.
long send_to(const Words& words, const std::string& call) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(words[1].c_str())));
    ::inet_pton(AF_INET, words[0].c_str(), &address.sin_addr);
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char byte = 'x';
    if (call == "sendto") {
        return ::sendto(socket, &byte, 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    iovec part{&byte, 1};
    mmsghdr message{};
    message.msg_hdr.msg_name = &address;
    message.msg_hdr.msg_namelen = sizeof address;
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
    return call == "sendmsg" ? ::sendmsg(socket, &message.msg_hdr, 0) : ::sendmmsg(socket, &message, 1, 0);
}

long connect_to(const Words& words, int type) {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_in);
    auto& four = reinterpret_cast<sockaddr_in&>(storage);
    auto& six = reinterpret_cast<sockaddr_in6&>(storage);
    const auto port = htons(static_cast<uint16_t>(std::atoi(words[1].c_str())));
    if (::inet_pton(AF_INET, words[0].c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = port;
    } else {
        ::inet_pton(AF_INET6, words[0].c_str(), &six.sin6_addr);
        six.sin6_family = AF_INET6;
        six.sin6_port = port;
        size = sizeof six;
    }
    const int fd = ::socket(storage.ss_family, type, 0);
    return fd < 0 ? -1 : ::connect(fd, reinterpret_cast<sockaddr*>(&storage), size);
}

long unix_connect(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
    socklen_t size = sizeof address;
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
        size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    }
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    return fd < 0 ? -1 : ::connect(fd, reinterpret_cast<sockaddr*>(&address), size);
}

// To a server of its own.
long unix_own(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const bool listens = fd >= 0 && ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(fd, 4) == 0;
    return listens ? unix_connect(name) : -1;
}

long bind_port(const std::string& port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(port.c_str())));
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        return -1;
    }
    return ::listen(fd, 1);
}

// A copy of /bin/true, executed from a memory file.
long memory_exec(unsigned flags) {
    const int memory = ::memfd_create("x", flags);
    const int program = ::open("/bin/true", O_RDONLY);
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(program, buffer, sizeof buffer)) > 0;) {
        if (::write(memory, buffer, static_cast<size_t>(got)) != got) {
            return -1;
        }
    }
    if (memory < 0) {
        return -1;
    }
    ::fchmod(memory, 0755);
    char name[] = "x";
    char* argv[] = {name, nullptr};
    char* none[] = {nullptr};
    ::syscall(SYS_execveat, memory, "", argv, none, AT_EMPTY_PATH);
    const std::string path = "/proc/self/fd/" + std::to_string(memory);
    return ::execve(path.c_str(), argv, none);
}

long own_listener() {
    const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{1, const_cast<sock_filter*>(&allow)};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

// Leaves the process tree as a daemon does, and writes later.
long daemonise(const std::string& path, const std::string& delay_ms) {
    if (::fork() == 0) {
        ::setsid();
        if (::fork() == 0) {
            ::usleep(static_cast<useconds_t>(std::atoi(delay_ms.c_str()) * 1000));
            ::close(::open(path.c_str(), O_WRONLY | O_CREAT, 0644));
        }
        ::_exit(0);
    }
    return 0;
}

long map_executable(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY);
    if (fd < 0) {
        return -1;
    }
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

long reopen(const std::string& path) {
    const int fd = ::open(path.c_str(), O_PATH);
    return fd < 0 ? -1 : read_from(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY));
}

long read_memory(pid_t pid) {
    char byte = 0;
    static char there = 'x';
    iovec local{&byte, 1};
    iovec remote{&there, 1};
    return ::process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

// As many threads as asked for, each making refused calls one after the other, as often as asked for (0: without end).
long flood(const std::string& threads, const std::string& calls) {
    std::atomic<long> succeeded{0};
    std::vector<std::thread> all;
    for (int i = 0; i < std::atoi(threads.c_str()); ++i) {
        all.emplace_back([&] {
            const int wanted = std::atoi(calls.c_str());
            for (int call = 0; wanted == 0 || call < wanted; ++call) {
                succeeded += ::syscall(SYS_personality, ADDR_NO_RANDOMIZE) >= 0 ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : all) {
        thread.join();
    }
    errno = EPERM;
    return succeeded == 0 ? -1 : succeeded.load();
}

// Processes that are killed while they wait for the answer to a refused call, one right after the other, so that their
// numbers come around.
long die_asking(const std::string& path, const std::string& rounds) {
    for (int round = 0; round < std::atoi(rounds.c_str()); ++round) {
        const pid_t child = ::fork();
        if (child == 0) {
            std::vector<std::thread> threads;
            for (int i = 0; i < 8; ++i) {
                threads.emplace_back([&] {
                    for (;;) {
                        ::syscall(SYS_personality, ADDR_NO_RANDOMIZE);
                        if (::open(path.c_str(), O_RDONLY) >= 0) {
                            std::puts("opened");
                        }
                    }
                });
            }
            ::pause();
        }
        ::usleep(static_cast<useconds_t>(500 + 37 * (round % 64)));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    return 0;
}

const Attempts& basic_attempts() {
    static const Attempts table = {
        {"read", [](const Words& w) { return read_from(::open(w[0].c_str(), O_RDONLY)); }},
        {"read-fd", [](const Words& w) { return read_from(std::atoi(w[0].c_str())); }},
        {"reopen", [](const Words& w) { return reopen(w[0]); }},
        {"list", [](const Words& w) { return long(::open(w[0].c_str(), O_RDONLY | O_DIRECTORY)); }},
        {"append",
         [](const Words& w) {
             const int fd = ::open(w[0].c_str(), O_WRONLY | O_APPEND);
             return fd < 0 ? -1 : long(::write(fd, "x", 1));
         }},
        {"truncate", [](const Words& w) { return long(::truncate(w[0].c_str(), 0)); }},
        {"create",
         [](const Words& w) { return long(::open(w[0].c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644)); }},
        {"create-to-read",
         [](const Words& w) { return long(::open(w[0].c_str(), O_RDWR | O_CREAT | O_EXCL, 0644)); }},
        {"unnamed", [](const Words& w) { return long(::open(w[0].c_str(), O_WRONLY | O_TMPFILE, 0644)); }},
        {"unnamed-to-read", [](const Words& w) { return long(::open(w[0].c_str(), O_RDWR | O_TMPFILE, 0644)); }},
        {"mkdir", [](const Words& w) { return long(::mkdir(w[0].c_str(), 0755)); }},
        {"rmdir", [](const Words& w) { return long(::rmdir(w[0].c_str())); }},
        {"unlink", [](const Words& w) { return long(::unlink(w[0].c_str())); }},
        {"chmod", [](const Words& w) { return long(::chmod(w[0].c_str(), 0777)); }},
        {"symlink", [](const Words& w) { return long(::symlink(w[0].c_str(), w[1].c_str())); }},
        {"link", [](const Words& w) { return long(::link(w[0].c_str(), w[1].c_str())); }},
        {"rename", [](const Words& w) { return long(::rename(w[0].c_str(), w[1].c_str())); }},
        {"exchange",
         [](const Words& w) {
             return long(::renameat2(AT_FDCWD, w[0].c_str(), AT_FDCWD, w[1].c_str(), RENAME_EXCHANGE));
         }},
        {"mknod-disk", [](const Words& w) { return long(::mknod(w[0].c_str(), S_IFBLK | 0600, 0x0800)); }},
        {"exec",
         [](const Words& w) {
             char* argv[] = {const_cast<char*>(w[0].c_str()), nullptr};
             char* none[] = {nullptr};
             return long(::execve(w[0].c_str(), argv, none));
         }},
        {"map-executable", [](const Words& w) { return map_executable(w[0]); }},
        {"memory-exec", [](const Words&) { return memory_exec(0); }},
        {"memory-exec-asked", [](const Words&) { return memory_exec(0x10 /* MFD_EXEC */); }},
        {"memory-file",
         [](const Words&) {
             const int fd = ::memfd_create("x", MFD_CLOEXEC);
             return fd < 0 ? -1 : long(::write(fd, "x", 1));
         }},
        {"memory-file-unknown", [](const Words&) { return long(::memfd_create("x", MFD_CLOEXEC | 0x400)); }},
        {"ptrace", [](const Words& w) { return ::ptrace(PTRACE_ATTACH, std::atoi(w[0].c_str()), 0, 0); }},
        {"read-memory", [](const Words& w) { return read_memory(std::atoi(w[0].c_str())); }},
        {"kill", [](const Words& w) { return long(::kill(std::atoi(w[0].c_str()), SIGKILL)); }},
        {"kill-parent", [](const Words&) { return long(::kill(::getppid(), SIGKILL)); }},
        {"kill-all", [](const Words&) { return long(::kill(-1, SIGTERM)); }},
        {"tiocsti", [](const Words&) { return long(::ioctl(0, TIOCSTI, "x")); }},
        {"tiocsti-high", [](const Words&) { return ::syscall(SYS_ioctl, 0, 0x100000000UL | TIOCSTI, "x"); }},
        {"io-uring",
         [](const Words&) {
             io_uring_params parameters{};
             return ::syscall(SYS_io_uring_setup, 4, &parameters);
         }},
        {"unshare", [](const Words&) { return long(::unshare(CLONE_NEWUSER | CLONE_NEWNS)); }},
        {"clone-user",
         [](const Words&) {
             const long pid = ::syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0);
             if (pid == 0) {
                 ::_exit(0);
             }
             return pid;
         }},
        {"clone3", [](const Words&) { return ::syscall(SYS_clone3, nullptr, 0); }},
        {"mount", [](const Words& w) { return long(::mount("none", w[0].c_str(), "tmpfs", 0, nullptr)); }},
        {"umount", [](const Words& w) { return long(::umount2(w[0].c_str(), MNT_DETACH)); }},
        {"listener", [](const Words&) { return own_listener(); }},
        {"personality", [](const Words&) { return long(::personality(ADDR_NO_RANDOMIZE)); }},
#ifdef __x86_64__
        {"x32", [](const Words&) { return ::syscall(0x40000000 | SYS_getpid); }},
#endif
        {"unknown-call", [](const Words&) { return ::syscall(999); }},
        {"connect", [](const Words& w) { return connect_to(w, SOCK_STREAM); }},
        {"connect-udp", [](const Words& w) { return connect_to(w, SOCK_DGRAM); }},
        {"sendto", [](const Words& w) { return send_to(w, "sendto"); }},
        {"sendmsg", [](const Words& w) { return send_to(w, "sendmsg"); }},
        {"sendmmsg", [](const Words& w) { return send_to(w, "sendmmsg"); }},
        {"unix-connect", [](const Words& w) { return unix_connect(w[0]); }},
        {"unix-own", [](const Words& w) { return unix_own(w[0]); }},
        {"bind", [](const Words& w) { return bind_port(w[0]); }},
        {"socket",
         [](const Words& w) {
             return long(::socket(std::atoi(w[0].c_str()), std::atoi(w[1].c_str()), std::atoi(w[2].c_str())));
         }},
        {"daemon", [](const Words& w) { return daemonise(w[0], w[1]); }},
        {"fork",
         [](const Words& w) {
             for (int i = 0; i < std::atoi(w[0].c_str()); ++i) {
                 const pid_t pid = ::fork();
                 if (pid < 0) {
                     return -1L;
                 }
                 if (pid == 0) {
                     ::pause();
                 }
             }
             return 0L;
         }},
        {"flood", [](const Words& w) { return flood(w[0], w[1]); }},
        {"die-asking", [](const Words& w) { return die_asking(w[0], w[1]); }},
        {"hide-and-read",
         [](const Words& w) {
             ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
             return read_from(::open(w[0].c_str(), O_RDONLY));
         }},
        {"own-filter",
         [](const Words&) {
             const sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
             const sock_fprog program{1, const_cast<sock_filter*>(&allow)};
             ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
             return long(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
         }},
        {"die", [](const Words& w) { return long(::raise(std::atoi(w[0].c_str()))); }},
    };
    return table;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        return 2;
    }
    const Attempts* table = nullptr;
    for (const Attempts* one : {&basic_attempts(), &file_attempts(), &mount_attempts(), &process_attempts()}) {
        table = one->contains(argv[1]) ? one : table;
    }
    if (table == nullptr) {
        return 2;
    }
    Words words(argv + 2, argv + argc);
    words.resize(std::max<size_t>(words.size(), 4));
    errno = 0;
    const long value = table->at(argv[1])(words);
    std::puts(value >= 0 ? "ok" : strerrorname_np(errno));
    return value >= 0 ? 0 : 1;
}

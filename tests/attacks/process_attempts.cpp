#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/attacks/hostile.h"

namespace {

pid_t number(const std::string& text) {
    return std::atoi(text.c_str());
}

uint64_t address(const std::string& text) {
    return std::strtoull(text.c_str(), nullptr, 10);
}

long print(const char* bytes, ssize_t size) {
    if (size > 0) {
        ::fwrite(bytes, 1, static_cast<size_t>(size), stdout);
    }
    return size;
}

// What lies at an address of another process that was forked from the same one.
long read_memory_of(const Words& w) {
    char bytes[32] = {};
    iovec here{bytes, sizeof bytes};
    iovec there{reinterpret_cast<void*>(address(w[1])), sizeof bytes};
    return print(bytes, ::process_vm_readv(number(w[0]), &here, 1, &there, 1, 0));
}

long write_memory_of(const Words& w) {
    char bytes[] = "overwritten";
    iovec here{bytes, sizeof bytes};
    iovec there{reinterpret_cast<void*>(address(w[1])), sizeof bytes};
    return ::process_vm_writev(number(w[0]), &here, 1, &there, 1, 0);
}

long read_memory_file(const Words& w) {
    char bytes[32] = {};
    const int file = ::open(w[0].c_str(), O_RDONLY);
    return file < 0 ? -1 : print(bytes, ::pread(file, bytes, sizeof bytes, static_cast<off_t>(address(w[1]))));
}

long steal_descriptor(const Words& w) {
    const auto process = static_cast<int>(::syscall(SYS_pidfd_open, number(w[0]), 0));
    return process < 0 ? -1 : read_from(static_cast<int>(::syscall(SYS_pidfd_getfd, process, number(w[1]), 0)));
}

long signal_by_descriptor(const Words& w) {
    const auto process = static_cast<int>(::syscall(SYS_pidfd_open, number(w[0]), 0));
    return process < 0 ? -1 : ::syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0);
}

long signal_thread(const Words& w) {
    return ::syscall(SYS_tgkill, number(w[0]), number(w[0]), SIGKILL);
}

long signal_any_thread(const Words& w) {
    return ::syscall(SYS_tkill, number(w[0]), SIGKILL);
}

// With a value, as sigqueue(3) does.
long queue_signal(const Words& w) {
    return ::sigqueue(number(w[0]), SIGKILL, {});
}

long take_descriptors_away(const Words& w) {
    const rlimit none{3, 3};
    return ::prlimit(number(w[0]), RLIMIT_NOFILE, &none, nullptr);
}

long execute_descriptor(const Words& w) {
    char* argv[] = {const_cast<char*>(w[0].c_str()), nullptr};
    char* none[] = {nullptr};
    return ::syscall(SYS_execveat, ::open(w[0].c_str(), O_PATH | O_CLOEXEC), "", argv, none, AT_EMPTY_PATH);
}

// The entry of 32-bit programs: number 20 there is getpid, here writev.
long old_entry() {
#ifdef __x86_64__
    long value = 20;
    asm volatile("int $0x80" : "+a"(value) : : "memory", "r8", "r9", "r10", "r11");
    if (value < 0) {
        errno = static_cast<int>(-value);
        return -1;
    }
    return value;
#else
    errno = ENOSYS;
    return -1;
#endif
}

long watch_page_faults() {
    return ::syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

long count_instructions() {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    return ::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

// In the user's own keyring, where programs outside find it.
long leave_key(const Words& w) {
    constexpr int user_keyring = -4;
    return ::syscall(SYS_add_key, "user", w[0].c_str(), "left", 4, user_keyring);
}

long name_by_handle(const Words& w) {
    struct {
        file_handle handle;
        char room[128];
    } named{};
    named.handle.handle_bytes = sizeof named.room;
    int mount = 0;
    return ::syscall(SYS_name_to_handle_at, AT_FDCWD, w[0].c_str(), &named.handle, &mount, 0);
}

long change_line_discipline() {
    const int master = ::open("/dev/ptmx", O_RDWR | O_NOCTTY);
    const int plain = 0; // N_TTY
    return master < 0 ? -1 : ::ioctl(master, TIOCSETD, &plain);
}

long read_shared_segment(const Words& w) {
    const int segment = ::shmget(number(w[0]), 0, 0);
    const void* memory = segment < 0 ? nullptr : ::shmat(segment, nullptr, SHM_RDONLY);
    if (memory == nullptr || memory == reinterpret_cast<void*>(-1)) {
        return -1;
    }
    return std::puts(static_cast<const char*>(memory));
}

// The first of the set: takes what others wait for.
long take_semaphore(const Words& w) {
    sembuf take{0, -1, IPC_NOWAIT};
    const int set = ::semget(number(w[0]), 0, 0);
    return set < 0 ? -1 : ::semop(set, &take, 1);
}

long read_old_queue(const Words& w) {
    struct {
        long type;
        char text[64];
    } message{};
    const int queue = ::msgget(number(w[0]), 0);
    return queue < 0 ? -1 : print(message.text, ::msgrcv(queue, &message, sizeof message.text, 0, IPC_NOWAIT));
}

long read_queue(const Words& w) {
    const mqd_t queue = ::mq_open(w[0].c_str(), O_RDONLY | O_NONBLOCK);
    char bytes[8192];
    return queue < 0 ? -1 : print(bytes, ::mq_receive(queue, bytes, sizeof bytes, nullptr));
}

// One thread asks for a file; another changes the name between an allowed one and the one that is wanted.
long race_name(const Words& w) {
    static char name[512];
    std::atomic<bool> done{false};
    std::strcpy(name, w[0].c_str());
    std::thread changer([&] {
        while (!done) {
            for (const std::string& one : {w[1], w[0]}) {
                std::strcpy(name, one.c_str());
                asm volatile("" : : : "memory"); // so that it is written at all
                ::sched_yield();
            }
        }
    });
    long got = -1;
    for (int round = 0; round < number(w[2]); ++round) {
        const int file = ::open(name, O_RDONLY);
        char bytes[64] = {};
        if (file >= 0 && ::read(file, bytes, sizeof bytes - 1) > 0 && std::strstr(bytes, "SECRET") != nullptr) {
            got = std::puts(bytes);
            break;
        }
        ::close(file);
    }
    done = true;
    changer.join();
    errno = EACCES;
    return got;
}

// Makes processes that stay for a second.
long bomb(const Words& w) {
    int made = 0;
    while (made < number(w[0])) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::sleep(1);
            ::_exit(0);
        }
        if (child < 0) {
            break;
        }
        ++made;
    }
    const int code = errno;
    while (::wait(nullptr) > 0) {
    }
    errno = code;
    return made == number(w[0]) ? 0 : -1;
}

// So many MiB, each page of them used.
long grow(const Words& w) {
    const size_t size = static_cast<size_t>(number(w[0])) << 20;
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    for (size_t at = 0; at < size; at += 1U << 20) {
        std::memset(static_cast<char*>(memory) + at, 1, 1U << 20);
        ::usleep(500); // or 200 MiB are there before anybody could look
    }
    ::usleep(300'000);
    return 0;
}

long spin(const Words& w) {
    const time_t end = ::time(nullptr) + number(w[0]);
    while (::time(nullptr) < end) {
    }
    return 0;
}

// A daemon that writes for a while, in a session of its own and with nothing open.
long haunt(const Words& w) {
    if (::fork() == 0) {
        ::setsid();
        if (::fork() == 0) {
            ::close(0);
            ::close(1);
            ::close(2);
            for (const int number : {SIGHUP, SIGTERM, SIGINT}) {
                ::signal(number, SIG_IGN);
            }
            for (int beat = 0; beat < 6; ++beat) {
                ::usleep(100'000);
                const int file = ::open(w[0].c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
                if (::write(file, "x", 1) != 1) {
                    ::_exit(1);
                }
                ::close(file);
            }
        }
        ::_exit(0);
    }
    ::wait(nullptr);
    return 0;
}

long send_packets(const Words& w) {
    return ::socket(number(w[0]), number(w[1]), number(w[2]));
}

} // namespace

const Attempts& process_attempts() {
    static const Attempts table = {
        {"memory-of", read_memory_of},
        {"overwrite-memory-of", write_memory_of},
        {"memory-file-of", read_memory_file},
        {"descriptor-of", steal_descriptor},
        {"kill-by-descriptor", signal_by_descriptor},
        {"kill-thread", signal_thread},
        {"kill-any-thread", signal_any_thread},
        {"queue-signal", queue_signal},
        {"stop", [](const Words& w) { return long(::kill(number(w[0]), SIGSTOP)); }},
        {"starve", take_descriptors_away},
        {"slow-group", [](const Words&) { return long(::setpriority(PRIO_PGRP, 0, 19)); }},
        {"exec-descriptor", execute_descriptor},
        {"int80", [](const Words&) { return old_entry(); }},
        {"userfaultfd", [](const Words&) { return watch_page_faults(); }},
        {"perf", [](const Words&) { return count_instructions(); }},
        {"leave-key", leave_key},
        {"name-handle", name_by_handle},
        {"line-discipline", [](const Words&) { return change_line_discipline(); }},
        {"shared-segment", read_shared_segment},
        {"take-semaphore", take_semaphore},
        {"old-queue", read_old_queue},
        {"queue", read_queue},
        {"race-name", race_name},
        {"bomb", bomb},
        {"grow", grow},
        {"spin", spin},
        {"haunt", haunt},
        {"make-socket", send_packets},
        {"read-all",
         [](const Words& w) {
             long got = 0;
             for (const std::string& name : w) {
                 got += name.empty() || read_from(::open(name.c_str(), O_RDONLY)) < 0 ? 0 : 1;
             }
             return got > 0 ? got : -1;
         }},
    };
    return table;
}

#include "collector/canary.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/unique_fd.h"

namespace treadline {
namespace {

// A place for what changes names: the hooks see only what would succeed.
class Place {
public:
    Place() {
        for (const char* parent : {"/tmp", "/dev/shm", "/var/tmp"}) {
            path_ = std::string(parent) + "/treadline-canary-XXXXXX";
            if (::mkdtemp(path_.data()) != nullptr) {
                return;
            }
        }
        path_ = "/nonexistent"; // the calls fail, and the run says what it did not see
    }
    ~Place() {
        for (const char* name : {"/file", "/moved", "/linked", "/symlink", "/node", "/socket"}) {
            ::unlink((path_ + name).c_str());
        }
        ::rmdir((path_ + "/directory").c_str());
        ::rmdir(path_.c_str());
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

void touch_names() {
    ::close(::open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::chmod("file", 0600);
    (void)!::truncate("file", 0);
    struct stat about {};
    ::stat("file", &about);
    (void)!::symlink("file", "symlink");
    (void)!::link("file", "linked");
    ::rename("file", "moved");
    ::unlink("moved");
    ::mkdir("directory", 0700);
    ::rmdir("directory");
    ::mknod("node", S_IFIFO | 0600, 0);
}

void touch_sockets() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, "treadline-canary", 16);
    const socklen_t size = offsetof(sockaddr_un, sun_path) + 17;
    const auto* nobody = reinterpret_cast<const sockaddr*>(&address);
    (void)::connect(fd, nobody, size); // nobody listens there
    const int datagrams = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    (void)::sendto(datagrams, "", 0, 0, nobody, size);
    std::memcpy(address.sun_path, "socket", 7);
    (void)::bind(fd, nobody, offsetof(sockaddr_un, sun_path) + 7);
    (void)::listen(fd, 1);
}

constexpr const char* requested = "/treadline-canary-request/";

int new_ring(io_uring_params& parameters) {
    return static_cast<int>(::syscall(SYS_io_uring_setup, 1, &parameters));
}

// Opens what is missing; nothing where rings are forbidden.
void touch_ring() {
    io_uring_params parameters{};
    const int ring = new_ring(parameters);
    const size_t size = parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
    const int access = PROT_READ | PROT_WRITE;
    void* queue = ::mmap(nullptr, size, access, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    void* requests = ::mmap(nullptr, sizeof(io_uring_sqe), access, MAP_SHARED, ring, IORING_OFF_SQES);
    if (ring < 0 || queue == MAP_FAILED || requests == MAP_FAILED) {
        return;
    }
    auto* request = static_cast<io_uring_sqe*>(requests);
    request->opcode = IORING_OP_OPENAT;
    request->fd = AT_FDCWD;
    request->addr = reinterpret_cast<uintptr_t>(requested);
    *reinterpret_cast<unsigned*>(static_cast<char*>(queue) + parameters.sq_off.tail) = 1;
    ::syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
}

// In the child: only system calls.
[[noreturn]] void fly(const char* place) {
    ::close(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ::close(::open("/treadline-canary/", O_RDONLY | O_CLOEXEC));
    (void)!::chdir(place);
    touch_names();
    touch_sockets();
    touch_ring();
    ::kill(::getppid(), SIGCONT); // across the border of the tree, and without an effect
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

const char* operation_of(uint16_t op) {
    switch (op) {
    case TL_UNLINK:
        return "unlink";
    case TL_RMDIR:
        return "rmdir";
    case TL_MKDIR:
        return "mkdir";
    case TL_MKNOD:
        return "mknod";
    case TL_SYMLINK:
        return "symlink";
    case TL_LINK_OLD:
        return "link";
    case TL_LINK_NEW:
        return "link to";
    case TL_RENAME_OLD:
        return "rename";
    case TL_RENAME_NEW:
        return "rename to";
    case TL_TRUNCATE:
        return "truncate";
    case TL_ATTRIBUTES:
        return "chmod";
    case TL_STAT:
        return "stat";
    case TL_CONNECT:
        return "connect";
    case TL_BIND:
        return "bind";
    case TL_LISTEN:
        return "listen";
    case TL_SEND:
        return "send";
    default:
        return "";
    }
}

bool has_hook(uint16_t op) {
    return op >= TL_UNLINK && op <= TL_ATTRIBUTES;
}

struct Name {
    std::string operator()(const NameEvent&) const { return ""; }
    std::string operator()(const ForkEvent&) const { return "fork"; }
    std::string operator()(const ExecEvent&) const { return "exec"; }
    std::string operator()(const ExitEvent&) const { return "exit"; }
    std::string operator()(const PathEvent& e) const {
        if (e.fixed.op == TL_OPEN) {
            return e.fixed.result == 0 ? "open" : e.text == requested ? "request" : "failed open";
        }
        const std::string operation = operation_of(e.fixed.op);
        const bool seen_by_hook = has_hook(e.fixed.op) && (e.fixed.flags & TL_PATH_RESOLVED) != 0;
        return seen_by_hook ? operation + " hook" : operation;
    }
    std::string operator()(const SocketEvent& e) const { return operation_of(e.fixed.op); }
    std::string operator()(const SyscallsEvent&) const { return "system calls"; }
    std::string operator()(const EnvironmentEvent&) const { return ""; }
    std::string operator()(const GetenvEvent&) const { return ""; }
    std::string operator()(const RepeatsEvent&) const { return ""; }
    std::string operator()(const AnswerEvent&) const { return ""; }
    std::string operator()(const OtherTaskEvent& e) const { return e.fixed.op == TL_SIGNAL ? "signal" : ""; }
};

} // namespace

std::string canary_name(const Event& event) {
    return std::visit(Name{}, event);
}

std::vector<std::string> expected_canaries(ProbeSet probes, bool requests) {
    std::vector<std::string> names = {"exec", "exit", "failed open", "fork", "open", "signal", "system calls"};
    for (const uint16_t op : {TL_UNLINK, TL_RMDIR, TL_MKDIR, TL_MKNOD, TL_SYMLINK, TL_LINK_OLD, TL_LINK_NEW,
                              TL_RENAME_OLD, TL_RENAME_NEW, TL_TRUNCATE, TL_ATTRIBUTES, TL_STAT, TL_CONNECT,
                              TL_BIND, TL_LISTEN, TL_SEND}) {
        const std::string operation = operation_of(op);
        names.push_back(probes != ProbeSet::Tracepoint && has_hook(op) ? operation + " hook" : operation);
    }
    io_uring_params parameters{};
    if (requests && unique_fd(new_ring(parameters))) {
        names.emplace_back("request");
    }
    std::sort(names.begin(), names.end());
    return names;
}

result<ok> send_canary(const std::function<result<ok>(int pidfd)>& follow) {
    const Place place;
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
        fly(place.path().c_str());
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

#include "enforcer/first_child.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline {
namespace {

constexpr size_t shared_bytes = size_t{1} << 26; // of address space

std::vector<gid_t> groups_of(uid_t uid, gid_t gid) {
    std::vector<gid_t> groups = {gid};
    if (const passwd* user = ::getpwuid(uid); user != nullptr) {
        int count = 64;
        groups.resize(static_cast<size_t>(count));
        if (::getgrouplist(user->pw_name, gid, groups.data(), &count) < 0) {
            groups.resize(static_cast<size_t>(count));
            ::getgrouplist(user->pw_name, gid, groups.data(), &count);
        }
        groups.resize(static_cast<size_t>(count));
    }
    return groups;
}

} // namespace

FirstChildPlan first_child_plan(const Plan& plan) {
    FirstChildPlan first;
    first.uid = plan.command.uid;
    first.gid = plan.command.gid;
    first.namespaces = plan.namespaces;
    first.isolate_processes = plan.namespaces && plan.isolate_processes;
    first.own_network = plan.namespaces && plan.network != NetworkMode::Host;
    first.new_root = plan.namespaces && plan.new_root;
    first.die_with_supervisor = first.isolate_processes || plan.flat;
    return first;
}

result<FirstChild> FirstChild::start(const FirstChildPlan& begun) {
    if (::geteuid() != begun.uid && ::geteuid() != 0) {
        return fail("cannot run a command as another user without being root");
    }
    FirstChild first(begun, TRY(SharedMemory::make(shared_bytes)), TRY(SignalGate::close()));
    first.plan_ = first.memory_.make_one<ChildPlan>(first.memory_);
    ChildPlan& plan = *first.plan_;
    plan.status = first.memory_.make_one<ChildStatus>();
    plan.signal_mask = first.gate_.before();
    plan.supervisor = ::getpid();
    plan.switch_user = ::geteuid() != begun.uid;
    plan.uid = begun.uid;
    plan.gid = begun.gid;
    if (plan.switch_user) {
        const std::vector<gid_t> groups = groups_of(begun.uid, begun.gid);
        plan.groups.assign(groups.begin(), groups.end());
    }
    plan.namespaces = begun.namespaces;
    plan.isolate_processes = begun.isolate_processes;
    plan.own_network = begun.own_network;
    plan.new_root = begun.new_root;
    plan.die_with_supervisor = begun.die_with_supervisor;
    plan.uid_map = first.memory_.text(std::to_string(begun.uid) + " " + std::to_string(begun.uid) + " 1");
    plan.gid_map = first.memory_.text(std::to_string(begun.gid) + " " + std::to_string(begun.gid) + " 1");
    const char* terminal = ::ttyname(STDIN_FILENO);
    plan.terminal = terminal != nullptr && std::string_view(terminal).starts_with("/dev/") ? first.memory_.text(terminal) : nullptr;

    auto sockets = TRY(sys::socketpair(SOCK_SEQPACKET));
    auto pipe = TRY(sys::pipe());
    plan.socket = sockets.second.get();
    plan.peer = sockets.first.get();
    plan.exec_pipe = pipe.second.get();
    const pid_t pid = start_child(plan);
    if (pid < 0) {
        return fail_errno("cannot start a process in new namespaces");
    }
    first.pid_ = pid;
    first.socket_ = std::move(sockets.first);
    first.exec_pipe_ = std::move(pipe.first);
    first.pidfd_ = TRY(sys::pidfd_open(pid));
    return first;
}

FirstChild::FirstChild(FirstChild&& other) noexcept
    : begun_(other.begun_), memory_(std::move(other.memory_)), gate_(std::move(other.gate_)), plan_(std::exchange(other.plan_, nullptr)),
      socket_(std::move(other.socket_)), exec_pipe_(std::move(other.exec_pipe_)), pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)) {}

FirstChild::~FirstChild() {
    end();
}

void FirstChild::end() {
    kill();
    while (pid_ > 0 && ::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

void FirstChild::kill() const {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL); // our own child, not yet reaped: the number is its
    }
}

std::optional<int> FirstChild::changed() {
    int status = 0;
    if (pid_ < 0 || ::waitpid(pid_, &status, WNOHANG | WUNTRACED) != pid_) {
        return std::nullopt;
    }
    if (!WIFSTOPPED(status)) {
        pid_ = -1;
    }
    return status;
}

} // namespace treadline

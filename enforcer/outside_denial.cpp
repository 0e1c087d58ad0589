#include "enforcer/outside_denial.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "base/syscalls.h"

namespace treadline {
namespace {

constexpr size_t max_made = 10'000; // a hostile program can ask for millions

struct ProcessCall {
    std::string_view name;
    size_t process; // which argument
    const char* operation;
};
constexpr std::array process_calls = std::to_array<ProcessCall>({
    {"kill", 0, "signal"},
    {"tkill", 0, "signal"},
    {"tgkill", 0, "signal"},
    {"rt_sigqueueinfo", 0, "signal"},
    {"rt_tgsigqueueinfo", 0, "signal"},
    {"pidfd_open", 0, "open"},
    {"ptrace", 1, "trace"},
    {"process_vm_readv", 0, "read"},
    {"process_vm_writev", 0, "write"},
    {"prlimit64", 0, "limit"},
});

// A number that no process inside can have had yet, and one outside has.
bool is_outside(const InsideView& view, pid_t process) {
    return process > view.most_processes() && (::kill(process, 0) == 0 || errno == EPERM);
}

struct Named {
    std::string object;
    bool makes = false;  // where it is not there
    bool outside = false;
};

std::string keyed(const char* what, key_t key) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%s 0x%08x", what, static_cast<unsigned>(key));
    return text.data();
}

// What a call for something with a key or a name means, and whether such a thing is outside. Asking makes nothing.
Named named_by(pid_t task, const std::string& name, const seccomp_data& data) {
    const auto key = static_cast<key_t>(data.args[0]);
    const auto there = [](long answer) { return answer >= 0 || errno == EACCES; };
    if (name == "shmget") {
        return {keyed("shared memory", key), (data.args[2] & IPC_CREAT) != 0, there(::shmget(key, 0, 0))};
    }
    if (name == "semget") {
        return {keyed("semaphores", key), (data.args[2] & IPC_CREAT) != 0, there(::semget(key, 0, 0))};
    }
    if (name == "msgget") {
        return {keyed("message queue", key), (data.args[1] & IPC_CREAT) != 0, there(::msgget(key, 0))};
    }
    const std::string queue = "/" + read_string(task, data.args[0]).value_or(""); // libc takes the slash off
    const mqd_t opened = ::mq_open(queue.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const bool outside = there(opened);
    if (opened >= 0) {
        ::mq_close(opened);
    }
    return {"message queue " + queue, (data.args[1] & O_CREAT) != 0, outside};
}

} // namespace

Violation outside_denial(std::string layer, std::string operation, std::string object, std::string reason) {
    Violation violation;
    violation.layer = std::move(layer);
    violation.operation = std::move(operation);
    violation.object = std::move(object);
    violation.reason = std::move(reason);
    return violation;
}

std::optional<Violation> OutsideDenials::of_call(const InsideView& view, pid_t task, const std::string& name, const seccomp_data& data) {
    const auto* call = std::find_if(process_calls.begin(), process_calls.end(), [&](const ProcessCall& one) { return one.name == name; });
    if (call != process_calls.end()) {
        const auto number = static_cast<pid_t>(data.args[call->process]);
        const pid_t process = number < -1 ? -number : number; // a process group, by its first process
        return is_outside(view, process) ? std::optional(outside_denial("namespace", call->operation, "process " + std::to_string(process),
                                                                        "the process is outside, and no rule lets one out"))
                                         : std::nullopt;
    }
    Named named = named_by(task, name, data);
    if (named.makes) {
        if (made_inside_.size() < max_made) {
            made_inside_.insert(std::move(named.object));
        }
        return std::nullopt;
    }
    if (!named.outside || made_inside_.contains(named.object)) {
        return std::nullopt;
    }
    return outside_denial("namespace", "open", std::move(named.object), "it is of programs outside, and no rule lets it in");
}

// In /proc/net/unix, which is of the process's own network, each zero byte of a name is an '@'.
std::optional<Violation> abstract_socket_denial(pid_t task, std::string_view name) {
    std::string shown(name);
    std::replace(shown.begin(), shown.end(), '\0', '@');
    const auto lists = [&](const std::string& process) {
        const auto sockets = sys::read_file("/proc/" + process + "/net/unix");
        return sockets && sockets->find(" " + shown + "\n") != std::string::npos;
    };
    if (!lists("self") || lists(std::to_string(task))) {
        return std::nullopt;
    }
    return outside_denial("namespace", "connect", "@" + std::string(name.substr(1)),
                          "the abstract socket is of a program outside, and no rule lets one out");
}

} // namespace treadline

// The first process of a run: init in its new namespaces, or the command itself where processes are not isolated. Started
// before there is a plan, so that the kernel makes the namespaces meanwhile; killed and reaped with its owner.
#pragma once

#include <optional>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/child.h"
#include "enforcer/shared_memory.h"
#include "enforcer/signal_gate.h"

namespace treadline {

// What of a plan has to be known for that.
struct FirstChildPlan {
    uid_t uid = 0; // who runs the command
    gid_t gid = 0;
    bool namespaces = true;
    bool isolate_processes = true;
    bool own_network = true;
    bool new_root = true;
    bool die_with_supervisor = true;
    bool operator==(const FirstChildPlan&) const = default;
};
FirstChildPlan first_child_plan(const Plan& plan);

class FirstChild {
public:
    // Closes the signal gate, which is the run's.
    static result<FirstChild> start(const FirstChildPlan& plan);
    FirstChild(FirstChild&& other) noexcept;
    FirstChild& operator=(FirstChild&&) = delete;
    ~FirstChild();

    [[nodiscard]] const FirstChildPlan& begun() const { return begun_; }
    [[nodiscard]] SharedMemory& memory() { return memory_; }
    [[nodiscard]] ChildPlan& plan() { return *plan_; } // to be filled in, in that memory
    [[nodiscard]] ChildStatus& status() const { return *plan_->status; }
    [[nodiscard]] const SignalGate& gate() const { return gate_; }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }
    unique_fd take_socket() { return std::move(socket_); }
    unique_fd take_exec_pipe() { return std::move(exec_pipe_); } // read end

    void kill() const;
    void end(); // kills and reaps it
    // How it changed, as wait(2) gives it, if it stopped or ended since the last call.
    std::optional<int> changed();

private:
    FirstChild(const FirstChildPlan& begun, SharedMemory memory, SignalGate gate)
        : begun_(begun), memory_(std::move(memory)), gate_(std::move(gate)) {}

    FirstChildPlan begun_;
    SharedMemory memory_;
    SignalGate gate_;
    ChildPlan* plan_ = nullptr;
    unique_fd socket_;
    unique_fd exec_pipe_;
    pid_t pid_ = -1; // until it is reaped
    unique_fd pidfd_;
};

} // namespace treadline

// The parent of a sandboxed command: releases it, serves its notifications, forwards signals, keeps the time
// limit, and ends everything inside when it goes. One thread, one poll loop.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <signal.h>
#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/child.h"
#include "enforcer/guard_watch.h"
#include "enforcer/limit_watch.h"
#include "enforcer/outside.h"
#include "enforcer/plan.h"
#include "enforcer/sandbox.h"
#include "enforcer/violation_log.h"
#include "enforcer/watch.h"

namespace treadline {

// The page shared with the children.
class StatusPage {
public:
    static result<StatusPage> make();
    StatusPage(StatusPage&& other) noexcept : page_(std::exchange(other.page_, nullptr)) {}
    StatusPage& operator=(StatusPage&&) = delete;
    ~StatusPage();
    [[nodiscard]] ChildStatus* get() const { return page_; }

private:
    explicit StatusPage(ChildStatus* page) : page_(page) {}
    ChildStatus* page_;
};

// Signals that are the command's to handle: blocked here, read from a descriptor, restored at the end.
class SignalGate {
public:
    static result<SignalGate> close();
    SignalGate(SignalGate&&) noexcept;
    SignalGate& operator=(SignalGate&&) = delete;
    ~SignalGate();
    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const sigset_t& before() const { return before_; }

private:
    SignalGate() = default;
    sigset_t before_{};
    unique_fd fd_;
};

class Supervisor {
public:
    // In the kernel's order; returns with the command held. Defined in launch.cpp.
    static result<std::unique_ptr<Supervisor>> launch(const Plan& plan);
    ~Supervisor();

    [[nodiscard]] int pidfd() const { return command_pidfd_.get(); }
    [[nodiscard]] pid_t pid() const { return command_; }
    result<ok> release();
    result<Outcome> wait(const Sandbox::OnViolation& on_violation);

private:
    Supervisor(const Plan& plan, StatusPage page, SignalGate gate, Outside outside);

    result<ok> prepare(ChildPlan& child);
    result<ok> hand_over_filter();
    result<ok> await_ready();
    [[nodiscard]] error child_error() const;
    result<ok> fetch_listener();

    result<ok> turn(int exec_pipe); // one round of the poll loop
    void watch_ended();
    void on_signal();
    void on_message();
    void on_child(); // the first child stopped or ended
    void ended(int wait_status); // of the command
    [[nodiscard]] bool outlives_mounts() const;
    void on_limit();
    void add_cgroup_refusals();
    void on_changed_mounts();
    void kill_everything() const;
    result<ok> adopt_leftovers();
    void end_leftovers() const;
    void signal_command(int number) const;
    static void stop_with_command();
    [[nodiscard]] int poll_timeout_ms() const;

    const Plan plan_;
    StatusPage page_;
    SignalGate gate_;
    Outside outside_;
    unique_fd socket_;
    unique_fd exec_pipe_; // read end; hangs up when the command has been executed
    pid_t first_ = -1;    // init, or the command itself
    bool first_reaped_ = false;
    unique_fd first_pidfd_;
    pid_t command_ = -1;
    unique_fd command_pidfd_;
    bool filtered_ = false;
    std::optional<GuardWatch> guards_;
    bool guard_lost_ = false;
    std::unique_ptr<Watch> watch_;
    std::set<std::string> removed_; // what the watch counted as removed; see Watch::change_mount_point()
    ViolationLog log_;
    std::optional<int> exit_status_;
    std::optional<LimitWatch> limits_;
    bool limit_ended_run_ = false;
    std::string program_;
    std::vector<pid_t> not_ours_; // children from before the run, where leftovers are adopted
};

// As a shell says it: 128+N for a signal.
int shell_status(int wait_status);

} // namespace treadline

// The parent of a sandboxed command: releases it, serves its notifications, forwards signals, keeps the time
// limit, and ends everything inside when it goes. One thread, one poll loop.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include <signal.h>
#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/egress/bridge.h"
#include "enforcer/egress/gateway.h"
#include "enforcer/first_child.h"
#include "enforcer/guard_watch.h"
#include "enforcer/landlock_log.h"
#include "enforcer/limit_watch.h"
#include "enforcer/outside.h"
#include "enforcer/plan.h"
#include "enforcer/poll_bundle.h"
#include "enforcer/sandbox.h"
#include "enforcer/violation_log.h"
#include "enforcer/watch.h"

namespace treadline {

class Supervisor {
public:
    // In the kernel's order; returns with the command held. Defined in launch.cpp.
    static result<std::unique_ptr<Supervisor>> launch(std::shared_ptr<const Plan> plan, std::optional<FirstChild> begun,
                                                      std::optional<ProjectLock> lock, std::shared_ptr<LandlockLog> records);
    ~Supervisor();

    [[nodiscard]] int pidfd() const { return command_pidfd_.get(); }
    [[nodiscard]] pid_t pid() const { return command_; }
    result<ok> release();
    result<Outcome> wait(const Sandbox::OnViolation& on_violation);

private:
    Supervisor(std::shared_ptr<const Plan> plan, FirstChild first, Outside outside);

    result<ok> make_authority();
    result<std::map<std::string, std::string>> environment();
    result<ok> prepare();
    result<ok> hand_over_filter();
    result<ok> watch_guards(); // all mounts being done
    result<ok> await_ready();
    [[nodiscard]] error child_error() const;
    result<ok> start_gateway();
    result<ok> fetch_listener();

    result<ok> turn(int exec_pipe); // one round of the poll loop
    void watch_ended();
    void on_signal();
    void on_message();
    void on_child(); // the first child stopped or ended
    [[nodiscard]] bool outlives_mounts() const;
    void on_limit();
    void add_cgroup_refusals();
    void on_changed_mounts();
    void record_egress(std::vector<egress::Report> reports);
    void record_landlock(const std::vector<LandlockRefusal>& refusals);
    result<ok> adopt_leftovers();
    void end_leftovers() const;
    void signal_command(int number) const;
    static void stop_with_command();
    [[nodiscard]] int poll_timeout_ms() const;

    const std::shared_ptr<const Plan> shared_plan_;
    const Plan& plan_;
    FirstChild first_; // init, or the command itself
    Outside outside_;
    unique_fd socket_;
    unique_fd exec_pipe_; // read end; hangs up when the command has been executed
    pid_t command_ = -1;
    unique_fd command_pidfd_;
    bool filtered_ = false;
    std::optional<GuardWatch> guards_;
    bool guard_lost_ = false;
    std::optional<egress::RunAuthority> authority_; // where the gateway looks into TLS
    std::unique_ptr<egress::Gateway> gateway_;
    std::optional<egress::Bridge> bridge_; // to it, without a network namespace
    std::shared_ptr<LandlockLog> records_; // where they can be read
    std::unique_ptr<Watch> watch_;
    ContactLog contacts_; // the watch's, once that has ended
    std::set<std::string> removed_; // what the watch counted as removed; see Watch::change_mount_point()
    ViolationLog log_;
    std::optional<int> exit_status_;
    PollBundle rest_; // what seldom has anything to say
    std::optional<LimitWatch> limits_;
    bool limit_ended_run_ = false;
    std::string program_;
    std::vector<pid_t> not_ours_; // children from before the run, where leftovers are adopted
};

// As a shell says it: 128+N for a signal.
int shell_status(int wait_status);

} // namespace treadline

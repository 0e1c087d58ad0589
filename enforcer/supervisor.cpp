#include "enforcer/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/denial.h"
#include "enforcer/landlock_denial.h"
#include "enforcer/seccomp_filter.h"
#include "profiles/profile_writer.h"

namespace treadline {
namespace {

bool send_signal(int pidfd, int number) {
    return ::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0) == 0;
}

std::vector<pid_t> children_here() {
    std::vector<pid_t> children;
    const auto list = sys::read_file("/proc/thread-self/children");
    for (const std::string_view word : split(list.value_or(""), ' ')) {
        if (const pid_t child = std::atoi(std::string(word).c_str()); child > 0) {
            children.push_back(child);
        }
    }
    return children;
}

bool has_terminal() {
    const unique_fd terminal(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
    return terminal.valid();
}

} // namespace

int shell_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Supervisor::Supervisor(std::shared_ptr<const Plan> plan, FirstChild first, Outside outside)
    : shared_plan_(std::move(plan)), plan_(*shared_plan_), first_(std::move(first)), outside_(std::move(outside)) {}

result<ok> Supervisor::adopt_leftovers() {
    not_ours_ = children_here();
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        return fail_errno("cannot adopt what the command leaves behind");
    }
    return ok{};
}

Supervisor::~Supervisor() {
    first_.end(); // before anything outside is removed
}

// Where no pid namespace ends with the command. What outlives it became a child of ours (a subreaper), and
// could make no watched call any more once the listener is gone.
void Supervisor::end_leftovers() const {
    for (;;) {
        bool any = false;
        for (const pid_t child : children_here()) {
            if (std::find(not_ours_.begin(), not_ours_.end(), child) == not_ours_.end()) {
                any = true;
                ::kill(child, SIGKILL);
                ::waitpid(child, nullptr, 0);
            }
        }
        if (!any) {
            return;
        }
    }
}

void Supervisor::signal_command(int number) const {
    send_signal(command_pidfd_.get(), number);
}

// The command waits for the listener's first answer, and the listener is in its descriptor table: it is taken
// from there, so that no call of the command's own has to be allowed for handing it over.
result<ok> Supervisor::fetch_listener() {
    pollfd ended{first_.pidfd(), POLLIN, 0};
    int number = -1;
    for (unsigned turns = 0; (number = first_.status().listener) < 0; ++turns) {
        if (first_.status().failed_step != 0) {
            return failure(child_error());
        }
        // A few microseconds as a rule: yield first, then sleep in steps of a millisecond.
        if (turns < 2000) {
            ::sched_yield();
        } else if (::poll(&ended, 1, 1) > 0) {
            return first_.status().failed_step != 0
                       ? failure(child_error())
                       : fail("the command's launcher died before the command started");
        }
    }
    const long listener = ::syscall(SYS_pidfd_getfd, command_pidfd_.get(), number, 0);
    if (listener < 0 && first_.status().failed_step != 0) {
        return failure(child_error()); // it has ended meanwhile
    }
    if (listener < 0) {
        return fail_errno(
            "cannot take over the system call filter's listener (does Yama forbid all tracing?)");
    }
    watch_ = TRY(Watch::start(plan_, unique_fd(static_cast<int>(listener)), command_, bridge_ ? &*bridge_ : nullptr));
    return ok{};
}

result<ok> Supervisor::release() {
    if (::send(socket_.get(), "G", 1, MSG_NOSIGNAL) != 1) {
        return fail_errno("cannot release the command");
    }
    limits_ = TRY(LimitWatch::start(plan_, command_));
    if (filtered_ && plan_.notify) {
        TRY(fetch_listener());
    }
    while (exec_pipe_) {
        TRY(turn(exec_pipe_.get()));
    }
    if (first_.status().failed_step != 0) {
        return failure(child_error());
    }
    return ok{};
}

result<Outcome> Supervisor::wait(const Sandbox::OnViolation& on_violation) {
    const auto tell = [&] {
        for (const Violation& violation : log_.take_new()) {
            if (on_violation) {
                on_violation(violation);
            }
        }
    };
    for (;;) {
        tell();
        if (exit_status_) {
            if (plan_.adopt_leftovers) {
                end_leftovers();
            }
            watch_ended();
            if (guards_) {
                guards_->leave(outlives_mounts() ? GuardWatch::Mounts::Now : GuardWatch::Mounts::Later);
            }
            if (gateway_ != nullptr) {
                record_egress(gateway_->finish());
            }
            outside_.remove_directories(removed_);
            if (records_ != nullptr) {
                record_landlock(records_->finish()); // the listener, a file of the command's, is closed
            }
            tell();
            Outcome outcome{*exit_status_, log_.all(), std::nullopt, std::nullopt};
            if (gateway_ != nullptr && plan_.network == NetworkMode::Recorded) {
                outcome.recording = gateway_->take_recording();
            }
            if (gateway_ != nullptr && plan_.capture) {
                outcome.kept = gateway_->take_kept();
            }
            return outcome;
        }
        TRY(turn(-1));
    }
}

int Supervisor::poll_timeout_ms() const {
    const auto next = limits_ ? limits_->next() : std::nullopt;
    if (!next) {
        return -1;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - LimitWatch::Clock::now());
    return static_cast<int>(std::clamp<int64_t>(left.count(), 0, INT_MAX));
}

result<ok> Supervisor::turn(int exec_pipe) {
    enum : size_t { Signals, Socket, Child, Executed, Moves, Egress, Bridge, Records, Count };
    std::array<pollfd, Count> fds{};
    fds[Signals] = {first_.gate().fd(), POLLIN, 0};
    fds[Socket] = {socket_.get(), POLLIN, 0};
    fds[Child] = {first_.pidfd(), POLLIN, 0};
    fds[Executed] = {exec_pipe, POLLIN, 0};
    fds[Moves] = {guards_ ? guards_->moves() : -1, POLLIN, 0};
    fds[Egress] = {gateway_ != nullptr ? gateway_->reports() : -1, POLLIN, 0};
    fds[Bridge] = {bridge_ ? bridge_->knocks() : -1, POLLIN, 0};
    fds[Records] = {records_ != nullptr ? records_->fd() : -1, POLLIN, 0};
    enum : size_t { Listener, Mounts, Rest, All };
    std::array<pollfd, All> first{}; // asked at every call of the command
    first[Listener] = {watch_ != nullptr ? watch_->listener() : -1, POLLIN, 0};
    first[Mounts] = {guards_ ? guards_->mounts() : -1, POLLPRI, 0};
    first[Rest] = {TRY(rest_.of(fds)), POLLIN, 0};
    const int ready = ::poll(first.data(), first.size(), poll_timeout_ms());
    if (ready < 0 && errno != EINTR) {
        return fail_errno("cannot wait for the command");
    }
    on_limit(); // also while calls keep coming in without a pause
    if (ready <= 0) {
        return ok{};
    }
    if (first[Rest].revents != 0 && ::poll(fds.data(), fds.size(), 0) < 0 && errno != EINTR) {
        return fail_errno("cannot wait for the command");
    }
    // Before any call is let through.
    if (first[Mounts].revents != 0 || fds[Moves].revents != 0) {
        on_changed_mounts();
    }
    if (guard_lost_ && plan_.isolate_processes) {
        // Killed: no call of its is answered any more.
    } else if ((first[Listener].revents & POLLIN) != 0) {
        TRY(watch_->serve(log_));
    } else if (first[Listener].revents != 0) {
        watch_ended(); // nothing under the filter is left
    }
    if (fds[Egress].revents != 0) {
        record_egress(gateway_->take());
    }
    if (fds[Records].revents != 0) {
        record_landlock(records_->read());
    }
    if (fds[Bridge].revents != 0) {
        bridge_->turn_away(); // what the command is led to does not wait there
    }
    if (fds[Signals].revents != 0) {
        on_signal();
    }
    if (fds[Socket].revents != 0) {
        on_message();
    }
    if (fds[Executed].revents != 0) {
        exec_pipe_.reset();
    }
    if (fds[Child].revents != 0) {
        on_child();
    }
    return ok{};
}

void Supervisor::watch_ended() {
    if (watch_ != nullptr) {
        removed_ = watch_->removed();
        contacts_ = watch_->contacts();
        watch_.reset();
        for (const std::string& directory : plan_.make_directories) {
            if (!removed_.contains(directory)) {
                outside_.keep_directory(directory); // the command's own, by its mkdir
            }
        }
    }
}

void Supervisor::record_egress(std::vector<egress::Report> reports) {
    const ContactLog& contacts = watch_ != nullptr ? watch_->contacts() : contacts_;
    for (egress::Report& report : reports) {
        add_process(report.violation, contacts.last(report.dialled));
        log_.record(std::move(report.violation));
    }
}

void Supervisor::record_landlock(const std::vector<LandlockRefusal>& refusals) {
    for (const LandlockRefusal& refusal : refusals) {
        if (auto violation = landlock_denial(plan_, refusal)) {
            log_.record(std::move(*violation));
        }
    }
}

// A signal typed at the terminal reaches the command by itself, being in the same process group; one that
// somebody sent to us is meant for the command.
void Supervisor::on_signal() {
    signalfd_siginfo info{};
    while (::read(first_.gate().fd(), &info, sizeof info) == sizeof info) {
        const auto number = static_cast<int>(info.ssi_signo);
        if (number == SIGCHLD) {
            on_child();
        } else if (info.ssi_code != SI_KERNEL) {
            signal_command(number);
        }
    }
}

void Supervisor::on_message() {
    auto message = sys::receive_fds(socket_.get(), 16);
    if (!message || message->bytes.empty()) {
        socket_.reset(); // everyone at the other end has gone
        return;
    }
    if (message->bytes == "S") {
        stop_with_command();
        signal_command(SIGCONT);
    }
}

// Whether something that was made outside lies below a mount of the run's: it cannot be removed at once as long as that
// is there.
bool Supervisor::outlives_mounts() const {
    const auto mounted_on = [&](const std::string& path) {
        return std::any_of(plan_.mounts.begin(), plan_.mounts.end(), [&](const MountStep& step) {
            return step.kind == MountStep::Kind::Bind && step.target != path && is_within(path, step.target);
        });
    };
    return !plan_.placeholders.empty() || std::any_of(plan_.make_directories.begin(), plan_.make_directories.end(), mounted_on);
}

// So that the shell that started us sees a stopped job. Without a terminal nobody would continue us.
void Supervisor::stop_with_command() {
    if (has_terminal()) {
        ::kill(::getpid(), SIGSTOP);
    }
}

void Supervisor::on_child() {
    if (exit_status_) {
        return;
    }
    const auto changed = first_.changed();
    if (!changed) {
        return;
    }
    int status = *changed;
    if (WIFSTOPPED(status)) {
        if (!plan_.isolate_processes) {
            stop_with_command();
            signal_command(SIGCONT);
        }
        return;
    }
    if (plan_.isolate_processes) {
        const int inner = first_.status().wait_status;
        // Init died first: killed, and everything inside with it.
        status = inner >= 0 && !guard_lost_ ? inner : SIGKILL;
    }
    exec_pipe_.reset();
    exit_status_ = shell_status(status);
    add_cgroup_refusals();
    if (plan_.resources.file_size_bytes && exit_status_ == 128 + SIGXFSZ) {
        limit_ended_run_ = true;
        log_.record(limit_violation("file_size", memory_text(*plan_.resources.file_size_bytes),
                                    "a file would have become larger than the profile's `file_size` allows"));
    }
    if (limit_ended_run_) {
        exit_status_ = exit_limited;
    }
}

// Fail closed: with its guard gone, a replaced file is only what the watch makes of it, and that can be outrun. A
// learning run is not held to anything; it only says so.
void Supervisor::on_changed_mounts() {
    const auto path = guards_->lost();
    if (!path || guard_lost_) {
        return;
    }
    guard_lost_ = true;
    guards_.reset();
    if (plan_.isolate_processes) {
        first_.kill();
    }
    Violation violation;
    violation.layer = "mount";
    violation.operation = "guard";
    violation.object = *path;
    violation.reason = "something outside replaced a guarded file (" + printable(*path) + ") while the run lasted; " +
                       (plan_.isolate_processes ? "the run was ended, because its guard went with it"
                                                : "its guard went with it, so the run may have read it");
    log_.record(std::move(violation));
}

void Supervisor::on_limit() {
    auto hit = limits_ && !exit_status_ ? limits_->look(LimitWatch::Clock::now()) : std::nullopt;
    if (!hit) {
        return;
    }
    if (plan_.audit) {
        hit->violation.reason = "the run took longer than the profile's `time` allows";
        hit->violation.denied = false;
        hit->ends_run = false;
    }
    log_.record(std::move(hit->violation));
    if (hit->ends_run) {
        limit_ended_run_ = true;
        first_.kill();
    }
}

// The kernel's own count, which no process has to be asked for.
void Supervisor::add_cgroup_refusals() {
    const RunCgroup::Refusals refusals = outside_.cgroup().refusals();
    if (refusals.kills_for_memory != 0) {
        limit_ended_run_ = exit_status_ == 128 + SIGKILL;
        log_.record(limit_violation("memory", memory_text(*plan_.cgroup_limits.memory_bytes),
                                    "the run needed more memory than the profile's `memory` allows, and was ended"));
    }
    if (refusals.processes != 0) {
        log_.record(limit_violation("processes", std::to_string(*plan_.cgroup_limits.processes),
                                    "no more processes and threads were made than the profile's `processes` allows"));
    }
}

} // namespace treadline

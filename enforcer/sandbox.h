// Starting a command in a sandbox, and what came of it: the enforcer's door for `enforce` and `learn`.
//
//   Policy + Machine --compile()--> Plan (plain data, plan.h) --Sandbox::start()--> held child --release()-->
//   wait()
//
// The child is held before its first instruction so that a collector can be attached to it. Every step of the
// plan succeeds or the command does not run. When the supervisor (this process) dies, everything inside dies.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/egress/kept_exchange.h"
#include "enforcer/egress/recording.h"
#include "enforcer/plan.h"
#include "enforcer/project_lock.h"
#include "enforcer/violation.h"

namespace treadline {

inline constexpr int exit_limited = 124; // as timeout(1)

struct Outcome {
    int exit_status = 0; // as a shell says it: 128+N for a signal; exit_limited where a limit ended the run
    std::vector<Violation> violations;
    std::optional<egress::Recording> recording; // of a learning run behind the gateway: what passed
    std::optional<result<egress::KeptRun>> kept; // with CompileOptions::capture: the exchanges, redacted
};

class FirstChild;
class LandlockLog;
class Supervisor;

// A run whose plan is still to be made: an enforced one, by the calling user. The kernel makes its namespaces meanwhile. It
// keeps the signals that are meant for the command.
class Beginning {
public:
    // None where that does not work: Sandbox::start() will say why.
    static std::optional<Beginning> make(bool own_network);
    Beginning(Beginning&&) noexcept;
    ~Beginning();

private:
    friend class Sandbox;
    explicit Beginning(std::unique_ptr<FirstChild> first);
    std::unique_ptr<FirstChild> first_;
};

class Sandbox {
public:
    // `on_violation` is called once for each new violation, from the waiting thread.
    using OnViolation = std::function<void(const Violation&)>;

    static result<Sandbox> start(const Plan& plan);
    // What was begun for another kind of plan is given up. The lock is from before the plan was made, so that it is still true;
    // without one the project is locked from here on. With `records`, what Landlock logs of the command is reported, too (ABI 7).
    static result<Sandbox> start(std::shared_ptr<const Plan> plan, std::optional<Beginning> begun = std::nullopt,
                                 std::optional<ProjectLock> lock = std::nullopt, std::shared_ptr<LandlockLog> records = nullptr);
    Sandbox(Sandbox&&) noexcept;
    Sandbox& operator=(Sandbox&&) noexcept;
    ~Sandbox(); // kills what still runs inside, removes what the plan had to create outside

    [[nodiscard]] int pidfd() const; // of the task that will execute the command
    [[nodiscard]] pid_t pid() const;

    // Lets the command start; an execve that fails is an error here ("cannot execute 'x': No such file…").
    result<ok> release();

    // Serves notifications and waits until everything inside has ended. Signals meant for the command reach
    // it.
    result<Outcome> wait(const OnViolation& on_violation);

private:
    explicit Sandbox(std::unique_ptr<Supervisor> supervisor);
    std::unique_ptr<Supervisor> supervisor_;
};

} // namespace treadline

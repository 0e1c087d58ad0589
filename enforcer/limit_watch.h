// The limits that the supervisor keeps itself: the run's time, and memory and processes where no cgroup counts them.
#pragma once

#include <chrono>
#include <optional>

#include <sys/types.h>

#include "base/result.h"
#include "enforcer/plan.h"
#include "enforcer/usage_meter.h"
#include "enforcer/violation.h"

namespace treadline {

struct LimitHit {
    Violation violation;
    bool ends_run = false; // else the kernel refuses more
};

// `operation` is the limit's key in the profile.
Violation limit_violation(const char* operation, std::string object, std::string reason);

class LimitWatch {
public:
    using Clock = std::chrono::steady_clock;

    // `command` is held, all mounts being done; its time starts now.
    static result<LimitWatch> start(const Plan& plan, pid_t command);

    // When to look next; nothing: there is nothing to keep.
    [[nodiscard]] std::optional<Clock::time_point> next() const;
    // Does nothing before then.
    std::optional<LimitHit> look(Clock::time_point now);

private:
    LimitWatch() = default;
    std::optional<LimitHit> look_at_usage(Clock::time_point now);

    Resources limits_; // those to keep here
    std::optional<Clock::time_point> deadline_;
    std::optional<UsageMeter> meter_;
    Clock::time_point next_usage_;
    bool processes_reported_ = false;
};

} // namespace treadline

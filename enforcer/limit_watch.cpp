#include "enforcer/limit_watch.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "profiles/profile_writer.h"

namespace treadline {
namespace {

// Memory that is new has to be cleared, so a processor takes about this much a second; what is left of the limit says when
// it could be used up.
constexpr uint64_t fastest_bytes_a_millisecond = 4ULL << 20;
constexpr uint64_t shortest_wait_ms = 5;
constexpr uint64_t longest_wait_ms = 200;

std::vector<std::string> memory_mounts(const Plan& plan) {
    std::vector<std::string> paths;
    for (const MountStep& step : plan.mounts) {
        if (step.kind == MountStep::Kind::Tmpfs && step.writable) {
            paths.push_back(step.target);
        }
        if (step.kind == MountStep::Kind::Devices) {
            paths.push_back(step.target + "/shm");
        }
    }
    return paths;
}

} // namespace

Violation limit_violation(const char* operation, std::string object, std::string reason) {
    Violation violation;
    violation.layer = "limit";
    violation.operation = operation;
    violation.object = std::move(object);
    violation.section = "resources";
    violation.reason = std::move(reason);
    return violation;
}

result<LimitWatch> LimitWatch::start(const Plan& plan, pid_t command) {
    LimitWatch watch;
    if (plan.resources.time_seconds) {
        watch.limits_.time_seconds = plan.resources.time_seconds;
        watch.deadline_ = Clock::now() + std::chrono::seconds(*plan.resources.time_seconds);
    }
    watch.limits_.memory_bytes = plan.cgroup_limits.memory_bytes ? std::nullopt : plan.resources.memory_bytes;
    watch.limits_.processes = plan.cgroup_limits.processes ? std::nullopt : plan.resources.processes;
    if (watch.limits_.memory_bytes || watch.limits_.processes) {
        watch.meter_ = TRY(UsageMeter::open(command, watch.limits_.memory_bytes ? memory_mounts(plan) : std::vector<std::string>{}));
        watch.next_usage_ = Clock::now();
    }
    return watch;
}

std::optional<LimitWatch::Clock::time_point> LimitWatch::next() const {
    if (deadline_ && meter_) {
        return std::min(*deadline_, next_usage_);
    }
    return meter_ ? std::optional(next_usage_) : deadline_;
}

std::optional<LimitHit> LimitWatch::look(Clock::time_point now) {
    if (deadline_ && now >= *deadline_) {
        deadline_.reset();
        return LimitHit{limit_violation("time", duration_text(*limits_.time_seconds),
                                        "the run took longer than the profile's `time` allows, and was ended"),
                        true};
    }
    return meter_ && now >= next_usage_ ? look_at_usage(now) : std::nullopt;
}

std::optional<LimitHit> LimitWatch::look_at_usage(Clock::time_point now) {
    const Usage usage = meter_->at_most();
    uint64_t wait_ms = longest_wait_ms;
    if (limits_.memory_bytes) {
        const uint64_t limit = *limits_.memory_bytes;
        const uint64_t used = usage.memory_bytes > limit ? meter_->memory_bytes() : usage.memory_bytes;
        if (used > limit) {
            return LimitHit{limit_violation("memory", memory_text(limit),
                                            "the run used more memory (" + memory_text(used) +
                                                ") than the profile's `memory` allows, and was ended"),
                            true};
        }
        wait_ms = std::clamp((limit - used) / fastest_bytes_a_millisecond, shortest_wait_ms, longest_wait_ms);
    }
    const uint64_t tasks = usage.tasks - std::min<uint64_t>(usage.tasks, 1); // without init
    if (limits_.processes && !processes_reported_) {
        const uint64_t left = *limits_.processes - std::min(*limits_.processes, tasks);
        wait_ms = std::min(wait_ms, std::clamp(left, shortest_wait_ms, longest_wait_ms)); // a fork takes about a millisecond
    }
    next_usage_ = now + std::chrono::milliseconds(wait_ms);
    if (limits_.processes && !processes_reported_ && tasks >= *limits_.processes) {
        processes_reported_ = true;
        return LimitHit{limit_violation("processes", std::to_string(*limits_.processes),
                                        "no more processes and threads were made than the profile's `processes` allows"),
                        false};
    }
    return std::nullopt;
}

} // namespace treadline

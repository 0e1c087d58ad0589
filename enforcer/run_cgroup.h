// A cgroup of the run's own (cgroup v2), below the directory that was delegated to this user.
//
// Made before the run, removed after it; one that a killed run left is removed by the next.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "enforcer/plan.h"
#include "enforcer/violation.h"

namespace treadline {

class RunCgroup {
public:
    // The one of this process's run, not made yet; none where the plan has none.
    static RunCgroup of(const Plan& plan);
    // In the process that will remove it, whatever becomes of the one that asked.
    result<ok> make(const Plan& plan) const;
    RunCgroup() = default;
    RunCgroup(RunCgroup&& other) noexcept : directory_(std::exchange(other.directory_, "")) {}
    RunCgroup& operator=(RunCgroup&& other) noexcept {
        std::swap(directory_, other.directory_);
        return *this;
    }
    ~RunCgroup() { remove(); }

    explicit operator bool() const { return !directory_.empty(); }
    // What it starts comes along.
    [[nodiscard]] result<ok> add(pid_t pid) const;

    // How often the kernel said no (cgroup-v2.rst: memory.events, pids.events).
    struct Refusals {
        uint64_t kills_for_memory = 0;
        uint64_t processes = 0;
    };
    [[nodiscard]] Refusals refusals() const;

    // Kills what is still in it.
    void remove() const;

private:
    explicit RunCgroup(std::string directory) : directory_(std::move(directory)) {}
    std::string directory_;
};

// The cgroup v2 directory in which this process may make others, and the controllers it may give those; empty if none.
struct DelegatedCgroup {
    std::string directory;
    std::vector<std::string> controllers;
};
DelegatedCgroup find_delegated_cgroup();

} // namespace treadline

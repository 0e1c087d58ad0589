// What the processes of a sandbox use together, read from the sandbox's own /proc: for limits that no cgroup keeps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline {

struct Usage {
    uint64_t tasks = 0; // processes and threads, as RLIMIT_NPROC counts them, those that have ended and wait too
    uint64_t memory_bytes = 0;
};

class UsageMeter {
public:
    // `task`: any task inside, all mounts being done. `memory_mounts`: where its memory file systems are.
    static result<UsageMeter> open(pid_t task, const std::vector<std::string>& memory_mounts);

    // Pages that several processes share are counted for each: never less than is used, and cheap (microseconds a process).
    [[nodiscard]] Usage at_most() const;
    // Shared pages in parts (proc(5), smaps_rollup), files of the disk not at all: milliseconds for each GiB.
    [[nodiscard]] uint64_t memory_bytes() const;

private:
    UsageMeter(unique_fd proc, std::vector<unique_fd> mounts) : proc_(std::move(proc)), mounts_(std::move(mounts)) {}
    [[nodiscard]] std::vector<std::string> processes() const;
    [[nodiscard]] uint64_t in_memory_mounts() const;
    unique_fd proc_;
    std::vector<unique_fd> mounts_;
};

} // namespace treadline

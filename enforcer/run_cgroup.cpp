#include "enforcer/run_cgroup.h"

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/held_rules.h"

namespace treadline {
namespace {

constexpr std::string_view prefix = "treadline-";
constexpr auto longest_wait = std::chrono::seconds(5); // for what was killed to be gone

result<ok> write_setting(const std::string& path, const std::string& value) {
    const unique_fd file = TRY(sys::open(path, O_WRONLY));
    if (auto written = sys::write_all(file.get(), value); !written) {
        return fail_code(written.error().code, "cannot write '" + value + "' to '" + path + "'");
    }
    return ok{};
}

uint64_t counter(const std::string& path, std::string_view key) {
    const auto text = sys::read_file(path);
    for (const std::string_view line : split(text ? *text : "", '\n')) {
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ') {
            return std::strtoull(std::string(line.substr(key.size())).c_str(), nullptr, 10);
        }
    }
    return 0;
}

void remove_left_over(const std::string& parent) {
    for (const DirectoryEntry& entry : list_directory(parent)) {
        const std::string& name = entry.name;
        pid_t owner = 0;
        if (entry.directory && name.starts_with(prefix) &&
            std::from_chars(name.data() + prefix.size(), name.data() + name.size(), owner).ec == std::errc{} &&
            owner > 0 && ::kill(owner, 0) != 0 && errno == ESRCH) {
            ::rmdir(join_path(parent, name).c_str());
        }
    }
}

} // namespace

RunCgroup RunCgroup::of(const Plan& plan) {
    return plan.cgroup.empty() ? RunCgroup()
                               : RunCgroup(join_path(plan.cgroup, std::string(prefix) + std::to_string(::getpid())));
}

result<ok> RunCgroup::make(const Plan& plan) const {
    if (directory_.empty()) {
        return ok{};
    }
    remove_left_over(plan.cgroup);
    const std::string& directory = directory_;
    ::rmdir(directory.c_str()); // of a run that had this number
    TRY(sys::mkdir(directory, 0755));
    const Resources& limits = plan.cgroup_limits;
    if (limits.memory_bytes) {
        TRY(write_setting(directory + "/memory.max", std::to_string(*limits.memory_bytes)));
        // What is left of a run whose parts were killed is worth nothing.
        TRY(write_setting(directory + "/memory.oom.group", "1"));
        // Absent where the kernel accounts no swap.
        if (::access((directory + "/memory.swap.max").c_str(), W_OK) == 0) {
            TRY(write_setting(directory + "/memory.swap.max", "0"));
        }
    }
    if (limits.processes) {
        TRY(write_setting(directory + "/pids.max", std::to_string(*limits.processes)));
    }
    if (limits.cpu_percent) {
        constexpr unsigned period_us = 100'000;
        TRY(write_setting(directory + "/cpu.max", std::to_string(*limits.cpu_percent * (period_us / 100)) + " " +
                                                      std::to_string(period_us)));
    }
    return ok{};
}

result<ok> RunCgroup::add(pid_t pid) const {
    return directory_.empty() ? result<ok>(ok{}) : write_setting(directory_ + "/cgroup.procs", std::to_string(pid));
}

RunCgroup::Refusals RunCgroup::refusals() const {
    if (directory_.empty()) {
        return {};
    }
    return {counter(directory_ + "/memory.events", "oom_kill"), counter(directory_ + "/pids.events", "max")};
}

void RunCgroup::remove() const {
    if (directory_.empty() || ::rmdir(directory_.c_str()) == 0 || errno != EBUSY) {
        return;
    }
    (void)write_setting(directory_ + "/cgroup.kill", "1"); // Linux 5.14
    const auto until = std::chrono::steady_clock::now() + longest_wait;
    while (::rmdir(directory_.c_str()) != 0 && errno == EBUSY && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

// Above our own: that one holds processes, and only one without any can be divided (Documentation/admin-guide/
// cgroup-v2.rst, "no internal process constraint").
DelegatedCgroup find_delegated_cgroup() {
    const auto own = sys::read_file("/proc/self/cgroup");
    const auto mounts = sys::read_file("/proc/self/mountinfo");
    if (!own || !mounts) {
        return {};
    }
    std::string path;
    for (const std::string_view line : split(*own, '\n')) {
        if (line.starts_with("0::")) {
            path = line.substr(3);
        }
    }
    for (const std::string_view line : split(*mounts, '\n')) {
        const auto fields = split(line, ' ');
        if (path.empty() || fields.size() < 5 || line.find(" - cgroup2 ") == std::string_view::npos) {
            continue;
        }
        const std::string directory = normalise_path(std::string(fields[4]) + std::string(parent_path(path)));
        const auto controllers = sys::read_file(directory + "/cgroup.subtree_control");
        if (!controllers || trimmed(*controllers).empty() || ::access(directory.c_str(), W_OK) != 0 ||
            ::access((directory + "/cgroup.procs").c_str(), W_OK) != 0) {
            continue;
        }
        DelegatedCgroup found{directory, {}};
        for (const std::string_view name : split(trimmed(*controllers), ' ')) {
            found.controllers.emplace_back(name);
        }
        return found;
    }
    return {};
}

} // namespace treadline

#include "enforcer/usage_meter.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline {
namespace {

std::string read_at(int directory, const std::string& name) {
    const auto file = sys::openat(directory, name, O_RDONLY);
    return file ? sys::read_all(file->get()).value_or("") : "";
}

// The bytes of a line such as "Pss:     1234 kB".
uint64_t field(std::string_view text, std::string_view key) {
    const size_t at = text.find("\n" + std::string(key) + ":");
    return at == std::string_view::npos
               ? 0
               : std::strtoull(std::string(text.substr(at + key.size() + 2, 32)).c_str(), nullptr, 10) * 1024;
}

uint64_t resident(int proc, const std::string& pid) {
    const std::string text = read_at(proc, pid + "/statm");
    const size_t second = text.find(' ');
    return second == std::string::npos
               ? 0
               : std::strtoull(text.c_str() + second, nullptr, 10) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace

result<UsageMeter> UsageMeter::open(pid_t task, const std::vector<std::string>& memory_mounts) {
    const unique_fd root = TRY(sys::open("/proc/" + std::to_string(task) + "/root", O_PATH | O_DIRECTORY));
    unique_fd proc = TRY(sys::openat(root.get(), "proc", O_RDONLY | O_DIRECTORY));
    std::vector<unique_fd> mounts;
    for (const std::string& path : memory_mounts) {
        mounts.push_back(TRY(sys::openat(root.get(), path.substr(1), O_PATH | O_NOFOLLOW)));
    }
    return UsageMeter(std::move(proc), std::move(mounts));
}

std::vector<std::string> UsageMeter::processes() const {
    auto again = sys::openat(proc_.get(), ".", O_RDONLY | O_DIRECTORY); // with a position of its own
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(again ? ::fdopendir(again->release()) : nullptr, ::closedir);
    std::vector<std::string> pids;
    while (const dirent* entry = stream != nullptr ? ::readdir(stream.get()) : nullptr) {
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') {
            pids.emplace_back(entry->d_name);
        }
    }
    return pids;
}

uint64_t UsageMeter::in_memory_mounts() const {
    uint64_t bytes = 0;
    for (const unique_fd& mount : mounts_) {
        struct statfs status {};
        if (::fstatfs(mount.get(), &status) == 0) {
            bytes += (status.f_blocks - status.f_bfree) * static_cast<uint64_t>(status.f_bsize);
        }
    }
    return bytes;
}

Usage UsageMeter::at_most() const {
    Usage usage;
    usage.memory_bytes = in_memory_mounts();
    for (const std::string& pid : processes()) {
        usage.memory_bytes += resident(proc_.get(), pid);
        struct stat threads {};
        // Its links are itself, its parent's name for it, and one for each thread.
        usage.tasks += ::fstatat(proc_.get(), (pid + "/task").c_str(), &threads, 0) == 0 ? threads.st_nlink - 2 : 1;
    }
    return usage;
}

uint64_t UsageMeter::memory_bytes() const {
    uint64_t own = 0;
    uint64_t shared_memory = 0;
    for (const std::string& pid : processes()) {
        const std::string text = read_at(proc_.get(), pid + "/smaps_rollup");
        if (text.empty()) {
            own += resident(proc_.get(), pid);
            continue;
        }
        own += field(text, "Pss_Anon");
        shared_memory += field(text, "Pss_Shmem");
    }
    // What is mapped of a memory file system is in both.
    return own + std::max(shared_memory, in_memory_mounts());
}

} // namespace treadline

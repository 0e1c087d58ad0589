// Rows of one run that the store does not have yet, beside those of its files (file_rows.h) and paths.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "collector/trace.h"

namespace treadline {

struct PendingRows {
    struct End {
        int64_t process = 0;
        int64_t ended_ns = 0;
        std::optional<int32_t> exit_status;
    };
    struct Syscall {
        uint32_t process = 0;
        int32_t number = 0;
    };
    struct Lookup {
        int64_t process = 0;
        std::string name;
        std::string address;
    };
    struct FactRow {
        int64_t process = 0; // 0: none
        int64_t path = 0;    // 0: none
        std::string kind;
        std::string value;
    };

    std::vector<ProcessImage> processes; // `id` is set
    std::vector<End> ends;
    std::vector<SocketAccess> sockets;
    std::vector<Syscall> syscalls;
    std::vector<std::pair<int32_t, std::string>> syscall_names;
    std::vector<EnvironmentName> environment;
    std::vector<Lookup> lookups;
    std::vector<FactRow> facts;

    [[nodiscard]] bool empty() const {
        return processes.empty() && ends.empty() && sockets.empty() && syscalls.empty() &&
               syscall_names.empty() && environment.empty() && lookups.empty() && facts.empty();
    }
    void clear() { // keeps the memory
        processes.clear();
        ends.clear();
        sockets.clear();
        syscalls.clear();
        syscall_names.clear();
        environment.clear();
        lookups.clear();
        facts.clear();
    }
};

} // namespace treadline

// One denial, as reports show it (design section 7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace treadline {

struct Violation {
    std::string layer;     // mount, landlock, seccomp, egress, environment, limit
    std::string operation; // read, write, create, delete, execute, list, connect, listen, syscall
    std::string object;    // path, host:port, system call
    int32_t pid = 0;       // inside the sandbox
    std::string exe;
    std::vector<std::string> argv;
    std::string section; // of the profile the rule belongs in: "files", "syscalls"…
    std::string rule;    // the line that would allow it; "" (null in JSON) if none can
    std::string reason;  // why it is refused, a sentence
    std::string risk;    // what allowing it would risk; "" if nothing special
    std::string review;  // the rule under `review:` that would allow it; "" if none waits there
    uint64_t count = 1;
};

} // namespace treadline

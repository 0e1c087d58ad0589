// One denial, as reports show it (design section 7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace treadline {

struct Violation {
    std::string layer;     // mount, landlock, seccomp, namespace, egress, environment, limit
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
    std::string opens;   // what else that rule would open, a phrase with a number; "" if there is no rule
    int line = 0;        // of the profile: what refuses it, would allow it, or where the rule belongs; 0 if unknown
    bool denied = true;  // false: an audit let it through
    // Why nothing new is wrong, a clause: it was refused while learning, too, and the profile withholds it as a comment, or
    // the user's own rights would have refused it without Treadline. "" if neither.
    std::string expected;
    uint64_t count = 1; // 0, on the way to violation_log.h: at least once, if nobody else has told it
};

} // namespace treadline

// Audit records -> what Landlock refused the command, and no other process. Pure; landlock_log.h reads the
// records.
//
// A record of a refusal names a domain, and one that comes with the first of each domain says who made it.
// The command's is known by a canary: its own process asks for something that is always refused (child.cpp)
// right before it becomes the command. What came before is the self-test's; that it came at all says that
// records can be had.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "enforcer/audit_record.h"

namespace treadline {

// linux/audit.h: AUDIT_SYSCALL, AUDIT_LANDLOCK_ACCESS and AUDIT_LANDLOCK_DOMAIN (Linux 6.15).
inline constexpr unsigned audit_syscall = 1300;
inline constexpr unsigned audit_landlock_access = 1423;
inline constexpr unsigned audit_landlock_domain = 1424;

struct LandlockRefusal {
    std::vector<std::string> blockers; // "fs.read_file", "scope.signal"…
    std::string path; // as inside; of a name that is made or removed, its directory; of a socket, its name
    std::string host; // of bind and connect; "" for any
    uint16_t port = 0;
    pid_t process = 0;   // that was to be signalled or traced, as outside
    std::string program; // what that one is called
    std::string exe;     // of who asked, where an event tells
};

class LandlockEvents {
public:
    // `command`: the process that will be the command, by its number in the initial pid namespace.
    explicit LandlockEvents(pid_t command) : command_(command) {}

    void take(unsigned type, std::string_view text);
    // What can be told by now; at the end, what is still without its caller, too.
    std::vector<LandlockRefusal> told();
    std::vector<LandlockRefusal> rest();

    [[nodiscard]] bool started() const { return started_; } // the canary was seen
    [[nodiscard]] bool ended() const {
        return denials_.has_value();
    } // the domain is gone, and this was its last record
    // How many refusals the kernel counted and no record told of; nothing as long as the domain is there.
    [[nodiscard]] std::optional<uint64_t> lost() const;

private:
    struct Unknown { // a domain of which nothing says yet who made it
        std::string domain;
        uint64_t records = 0;
        bool started = false;
    };
    struct Waiting { // for the record of the system call
        std::string event;
        LandlockRefusal refusal;
    };
    void take_domain(const AuditRecord& record);
    void take_access(const AuditRecord& record);
    void take_syscall(const AuditRecord& record);

    pid_t command_;
    std::string domain_; // the command's, once it is known
    bool started_ = false;
    uint64_t records_ = 0;            // of that domain
    std::optional<uint64_t> denials_; // as many as the kernel counted
    std::deque<Unknown> unknown_;
    std::deque<Waiting> waiting_;
    std::vector<LandlockRefusal> told_;
};

} // namespace treadline

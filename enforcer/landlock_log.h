// Landlock's own records of what it refused, as the kernel's audit log passes them on (Linux 6.15): what the
// supervisor never saw, because no call was watched or its arguments changed meanwhile.
//
// Best effort, as the log is: what was lost is counted. Reading it takes CAP_AUDIT_READ, so for an ordinary
// user there is none.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/landlock_events.h"

namespace treadline {

class LandlockLog {
public:
    // Opened before privilege is given up. The error says why it cannot be read, and what to do.
    static result<std::shared_ptr<LandlockLog>> open();

    // Of this process, which has not asked for anything yet. Before, nothing is read.
    void follow(pid_t command);

    // Poll it for POLLIN; -1 before follow().
    [[nodiscard]] int fd() const { return events_ ? socket_.get() : -1; }
    // What has come, of which some may be told by a later call.
    std::vector<LandlockRefusal> read();
    // Everything inside has ended, and nothing here holds on to it: waits a moment for what is still on the
    // way.
    std::vector<LandlockRefusal> finish();

    // What may be missing, a clause; "" if nothing is.
    [[nodiscard]] std::string gap() const;

private:
    explicit LandlockLog(unique_fd socket) : socket_(std::move(socket)) {}

    unique_fd socket_;
    std::optional<LandlockEvents> events_;
    bool overflowed_ = false; // the kernel had more than it could keep for us
};

} // namespace treadline

#pragma once

#include <signal.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline {

// Signals that are the command's to handle: blocked here, read from a descriptor, restored at the end.
class SignalGate {
public:
    static result<SignalGate> close();
    SignalGate(SignalGate&&) noexcept;
    SignalGate& operator=(SignalGate&&) = delete;
    ~SignalGate();
    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const sigset_t& before() const { return before_; }

private:
    SignalGate() = default;
    sigset_t before_{};
    unique_fd fd_;
};

} // namespace treadline

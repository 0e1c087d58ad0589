#include "enforcer/signal_gate.h"

#include <array>
#include <utility>

#include <sys/signalfd.h>

namespace treadline {
namespace {

constexpr std::array gated = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGUSR1, SIGUSR2, SIGCHLD};

sigset_t gated_set() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : gated) {
        ::sigaddset(&set, number);
    }
    return set;
}

} // namespace

result<SignalGate> SignalGate::close() {
    SignalGate gate;
    const sigset_t set = gated_set();
    gate.fd_ = unique_fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!gate.fd_) {
        return fail_errno("cannot open a descriptor for signals");
    }
    ::pthread_sigmask(SIG_BLOCK, &set, &gate.before_);
    return gate;
}

SignalGate::SignalGate(SignalGate&& other) noexcept : before_(other.before_), fd_(std::move(other.fd_)) {}

SignalGate::~SignalGate() {
    if (fd_) {
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
}

} // namespace treadline

// While one lives, a file that may not grow any more (RLIMIT_FSIZE) is an error of write(2), and not the end of the process.
// For one thread: dispositions are the process's.
#pragma once

#include <signal.h>

namespace treadline {

class SizeLimitIsAnError {
public:
    SizeLimitIsAnError() : before_(::signal(SIGXFSZ, SIG_IGN)) {}
    ~SizeLimitIsAnError() { ::signal(SIGXFSZ, before_); }
    SizeLimitIsAnError(const SizeLimitIsAnError&) = delete;
    SizeLimitIsAnError& operator=(const SizeLimitIsAnError&) = delete;

private:
    sighandler_t before_;
};

} // namespace treadline

// Many descriptors to be waited for as one, for a loop that hardly ever hears from them: asking each costs more than the
// rest of a turn.
#pragma once

#include <span>
#include <vector>

#include <poll.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline {

class PollBundle {
public:
    // What is readable as soon as one of these has something of its `events` to say; negative descriptors are passed over.
    // Given the same as before, it is the same. Not for news that are told once only, as mountinfo's: it would take them.
    result<int> of(std::span<const pollfd> descriptors);

private:
    struct Held {
        int fd;
        short events;
        bool operator==(const Held&) const = default;
    };
    std::vector<Held> held_;
    unique_fd epoll_;
};

} // namespace treadline

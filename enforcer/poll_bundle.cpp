#include "enforcer/poll_bundle.h"

#include <algorithm>

#include <sys/epoll.h>

namespace treadline {

result<int> PollBundle::of(std::span<const pollfd> descriptors) {
    const bool same = epoll_ && std::equal(descriptors.begin(), descriptors.end(), held_.begin(), held_.end(),
                                           [](const pollfd& one, const Held& held) { return Held{one.fd, one.events} == held; });
    if (same) {
        return epoll_.get();
    }
    // Made anew: what was closed here may be open in a child, and would be heard of for ever.
    held_.clear();
    epoll_ = unique_fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_) {
        return fail_errno("cannot make a descriptor to wait for events with");
    }
    for (const pollfd& one : descriptors) {
        epoll_event event{};
        event.events = static_cast<uint32_t>(one.events); // EPOLLIN is POLLIN, and so on
        if (one.fd >= 0 && ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, one.fd, &event) != 0) {
            epoll_.reset();
            return fail_errno("cannot wait for an event of the run");
        }
        held_.push_back({one.fd, one.events});
    }
    return epoll_.get();
}

} // namespace treadline

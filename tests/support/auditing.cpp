#include "tests/support/auditing.h"

#include <cstring>
#include <optional>

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

namespace treadline::test {
namespace {

struct Request {
    nlmsghdr header{};
    audit_status status{};
};

// The kernel's answer of that type; nothing if there is none, or an error.
std::optional<audit_status> ask(uint16_t type, const audit_status& status, uint16_t answer) {
    const unique_fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
    Request request;
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.status = status;
    pollfd ready{socket.get(), POLLIN, 0};
    if (!socket || ::send(socket.get(), &request, sizeof request, 0) != sizeof request) {
        return std::nullopt;
    }
    while (::poll(&ready, 1, 1000) > 0) {
        char reply[1024] = {};
        nlmsghdr header{};
        if (::recv(socket.get(), reply, sizeof reply, 0) < static_cast<ssize_t>(sizeof header)) {
            break;
        }
        std::memcpy(&header, reply, sizeof header);
        int error = 0;
        std::memcpy(&error, reply + sizeof header, sizeof error);
        if (header.nlmsg_type == NLMSG_ERROR && (error != 0 || answer == NLMSG_ERROR)) {
            return error == 0 ? std::optional(audit_status{}) : std::nullopt;
        }
        if (header.nlmsg_type == answer) {
            audit_status told{};
            std::memcpy(&told, reply + sizeof header, sizeof told);
            return told;
        }
    }
    return std::nullopt;
}

bool set_enabled(uint32_t enabled) {
    audit_status status{};
    status.mask = AUDIT_STATUS_ENABLED;
    status.enabled = enabled;
    return ask(AUDIT_SET, status, NLMSG_ERROR).has_value();
}

} // namespace

Auditing::Auditing(bool on)
    : lock_(::open("/run/lock/treadline-test-auditing", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    const auto status =
        lock_ && ::flock(lock_.get(), LOCK_EX) == 0 ? ask(AUDIT_GET, {}, AUDIT_GET) : std::nullopt;
    before_ = status ? status->enabled : 0;
    works_ = status && set_enabled(on ? 1 : 0);
}

Auditing::~Auditing() {
    if (works_) {
        set_enabled(before_);
    }
}

} // namespace treadline::test

#include "enforcer/landlock_log.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

namespace treadline {
namespace {

constexpr int buffer_bytes = 4 << 20; // a few thousand records
constexpr int most_at_once = 256;     // so that records never keep the supervisor from the command's calls
// The kernel ends a domain some hundredths of a second after its last process, and says so behind all of its
// records.
constexpr std::chrono::milliseconds end_of_domain{250};

// A socket that joined `groups` (a bit for each).
result<unique_fd> audit_socket(unsigned groups) {
    unique_fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_AUDIT));
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno("cannot listen to the kernel's audit log");
    }
    return socket;
}

struct Record {
    unsigned type = 0;
    std::string_view text; // in the buffer
};
using Buffer = std::array<char, 16 * 1024>; // the longest record has less than 9 KiB

// One message of the kernel's; a record of type 0 for somebody else's. An error's code is receive's: EAGAIN
// where there is none.
result<Record> receive(int socket, Buffer& buffer) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const ssize_t got = TEMP_FAILURE_RETRY(
        ::recvfrom(socket, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&sender), &size));
    if (got < 0) {
        return fail_errno("cannot read the kernel's audit log");
    }
    nlmsghdr header{};
    if (static_cast<size_t>(got) < sizeof header || sender.nl_pid != 0) {
        return Record{};
    }
    std::memcpy(&header, buffer.data(), sizeof header);
    std::string_view text(buffer.data() + sizeof header, static_cast<size_t>(got) - sizeof header);
    return Record{header.nlmsg_type, text.substr(0, text.find('\0'))}; // the rest is padding
}

// Whether anything is logged at all. Takes CAP_AUDIT_CONTROL, and is answered in the initial namespaces only:
// so what processes are called there is what records call them.
result<bool> auditing_is_on() {
    const unique_fd socket = TRY(audit_socket(0));
    nlmsghdr question{};
    question.nlmsg_len = sizeof question;
    question.nlmsg_type = AUDIT_GET;
    question.nlmsg_flags = NLM_F_REQUEST;
    if (::send(socket.get(), &question, sizeof question, 0) != sizeof question) {
        return fail_errno("cannot ask whether auditing is on");
    }
    Buffer buffer;
    pollfd answer{socket.get(), POLLIN, 0};
    while (::poll(&answer, 1, 1000) > 0) {
        const Record record = TRY(receive(socket.get(), buffer));
        if (record.type == AUDIT_GET) {
            audit_status status{};
            std::memcpy(&status, buffer.data() + sizeof question, offsetof(audit_status, failure));
            return status.enabled != 0;
        }
        if (record.type == NLMSG_ERROR) {
            nlmsgerr error{};
            std::memcpy(&error, buffer.data() + sizeof question, sizeof error);
            return fail_code(-error.error, "cannot ask whether auditing is on");
        }
    }
    return fail("cannot ask whether auditing is on: the kernel does not answer");
}

} // namespace

result<std::shared_ptr<LandlockLog>> LandlockLog::open() {
    auto socket = audit_socket(1U << (AUDIT_NLGRP_READLOG - 1));
    const auto on = socket ? auditing_is_on() : result<bool>(failure(socket.error()));
    if (!on) {
        const int code = on.error().code;
        return fail(code == EPERM || code == ECONNREFUSED || code == EPROTONOSUPPORT || code == EACCES
                        ? "only root, outside of any container, reads the kernel's audit log; run Treadline "
                          "with sudo, with auditing switched on "
                          "('auditctl -e 1')"
                        : on.error().message());
    }
    if (!*on) {
        return fail("auditing is off ('auditctl -e 1' as root switches it on)");
    }
    // Beyond the limit for everybody, where that is allowed.
    if (::setsockopt(socket->get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) != 0) {
        ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    }
    return std::shared_ptr<LandlockLog>(new LandlockLog(std::move(*socket)));
}

void LandlockLog::follow(pid_t command) {
    events_.emplace(command);
}

std::vector<LandlockRefusal> LandlockLog::read() {
    Buffer buffer;
    for (int count = 0; events_ && count < most_at_once; ++count) {
        const auto record = receive(socket_.get(), buffer);
        if (record) {
            events_->take(record->type, record->text);
        } else if (record.error().code == ENOBUFS) { // is told once, and then reading goes on
            overflowed_ = true;
        } else {
            break;
        }
    }
    return events_ ? events_->told() : std::vector<LandlockRefusal>();
}

std::vector<LandlockRefusal> LandlockLog::finish() {
    std::vector<LandlockRefusal> all;
    const auto take = [&](std::vector<LandlockRefusal> some) {
        all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
    };
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + end_of_domain;
    while (events_ && !events_->ended()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd more{socket_.get(), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&more, 1, static_cast<int>(left.count())) <= 0) {
            break;
        }
        take(read());
    }
    if (events_) {
        take(events_->rest());
    }
    return all;
}

std::string LandlockLog::gap() const {
    if (!events_ || !events_->started()) {
        return "the kernel passed none of its audit records on, not even the one that Treadline caused to "
               "see";
    }
    if (const auto lost = events_->lost(); lost && *lost > 0) {
        return std::to_string(*lost) + " of its audit records were lost, because there were too many at once";
    }
    return overflowed_ && !events_->ended()
               ? "some of its audit records were lost, because there were too many at once"
               : "";
}

} // namespace treadline

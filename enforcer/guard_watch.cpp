#include "enforcer/guard_watch.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <set>
#include <utility>

#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"

namespace treadline {
namespace {

bool is_mount(const MountStep& step) {
    const bool placeholder = step.kind == MountStep::Kind::File && step.why.starts_with("guard: "); // a real value lies below
    return placeholder || step.kind == MountStep::Kind::Bind || step.kind == MountStep::Kind::Tmpfs ||
           step.kind == MountStep::Kind::MaskFile || step.kind == MountStep::Kind::MaskDirectory;
}

bool is_guard(const MountStep& step) {
    return step.kind == MountStep::Kind::MaskFile || step.kind == MountStep::Kind::MaskDirectory ||
           (is_mount(step) && (step.why.starts_with("guard: ") || step.why.starts_with("deny: ")));
}

// Blanks and backslashes in mount points are written as \ooo (proc_pid_mountinfo(5)).
std::string unescape_octal(std::string_view text) {
    std::string plain;
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\' && at + 3 < text.size()) {
            plain += static_cast<char>(std::strtol(std::string(text.substr(at + 1, 3)).c_str(), nullptr, 8));
            at += 3;
        } else {
            plain += text[at];
        }
    }
    return plain;
}

// Mount point -> number of the uppermost mount on it.
result<std::map<std::string, int>> read_mounts(int fd) {
    if (::lseek(fd, 0, SEEK_SET) != 0) {
        return fail_errno("cannot read the sandbox's mounts");
    }
    const std::string text = TRY(sys::read_all(fd));
    std::map<std::string, int> mounts;
    for (const std::string_view line : split(text, '\n')) {
        const auto fields = split(line, ' '); // number, parent, device, root, mount point, …
        if (fields.size() > 5) {
            mounts[unescape_octal(fields[4])] = std::atoi(std::string(fields[0]).c_str());
        }
    }
    return mounts;
}

// Has them closed by the kernel, in a thread of its own where it has one for that (Linux 6.10): they are sent in a socket to
// that very socket, where nobody can receive them, and what such circles hold is collected (net/unix/garbage.c). Where that
// does not work they are closed here.
void close_aside(unique_fd first, unique_fd second) {
    auto sockets = sys::socketpair(SOCK_STREAM);
    if (!sockets) {
        return;
    }
    std::array<int, 3> fds = {sockets->second.get(), first.get(), second.get()};
    const size_t count = second ? 3 : 2;
    char byte = 0;
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof fds)> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), count * sizeof(int));
    ::sendmsg(sockets->first.get(), &message, MSG_NOSIGNAL);
    first.reset();
    second.reset();
    sockets->second.reset();
    sockets->first.reset(); // last: it has the kernel look for circles
}

std::string sentence(const std::string& path) {
    return "something outside replaced a guarded file (" + printable(path) + ") while the run was being started";
}

} // namespace

result<GuardWatch> GuardWatch::start(const Plan& plan, pid_t task) {
    GuardWatch watch;
    // Opened before it is read: what changes from here on is reported.
    watch.mounts_ = TRY(sys::open("/proc/" + std::to_string(task) + "/mountinfo", O_RDONLY));
    // Without it (a user may have 128, and so many paths) what is renamed away is not noticed, what is replaced is.
    watch.moves_ = unique_fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const auto mounts = TRY(read_mounts(watch.mounts_.get()));
    for (const MountStep& step : plan.mounts) {
        if (!is_mount(step)) {
            continue;
        }
        const auto found = mounts.find(step.target);
        if (found == mounts.end()) {
            return fail(sentence(step.target));
        }
        watch.expected_[step.target] = found->second;
        if (watch.moves_ && is_guard(step)) {
            const int number = ::inotify_add_watch(watch.moves_.get(), step.target.c_str(), IN_MOVE_SELF | IN_DONT_FOLLOW);
            if (number >= 0) {
                watch.watched_[number] = step.target;
            }
        }
    }
    return watch;
}

void GuardWatch::leave(Mounts mounts) {
    if (mounts == Mounts::Now) {
        mounts_.reset();
    }
    if (moves_) {
        close_aside(std::move(moves_), std::move(mounts_));
    } else if (mounts_) {
        close_aside(std::move(mounts_), unique_fd());
    }
}

std::optional<std::string> GuardWatch::lost() {
    alignas(inotify_event) std::array<char, 4096> events;
    for (ssize_t size = 0; moves_ && (size = ::read(moves_.get(), events.data(), events.size())) > 0;) {
        for (size_t at = 0; at < static_cast<size_t>(size);) {
            const auto& event = reinterpret_cast<const inotify_event&>(events[at]);
            if ((event.mask & IN_MOVE_SELF) != 0 && watched_.contains(event.wd)) {
                return watched_.at(event.wd);
            }
            at += sizeof event + event.len;
        }
    }
    const auto mounts = read_mounts(mounts_.get());
    if (!mounts) {
        return "/"; // not to be known: as if all had gone
    }
    std::set<int> there;
    for (const auto& [path, number] : *mounts) {
        there.insert(number);
    }
    for (const auto& [path, number] : expected_) {
        if (!there.contains(number)) {
            return path;
        }
    }
    return std::nullopt;
}

} // namespace treadline

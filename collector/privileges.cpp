#include "collector/privileges.h"

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <grp.h>
#include <poll.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"

namespace treadline {
namespace {

// The line "Name:\tvalue" of a /proc file.
std::string field(const std::string& text, std::string_view name) {
    for (const std::string_view line : split(text, '\n')) {
        if (line.substr(0, name.size()) == name && line.size() > name.size() && line[name.size()] == ':') {
            return std::string(trimmed(line.substr(name.size() + 1)));
        }
    }
    return {};
}

bool has_ended(int pidfd) {
    pollfd fd{pidfd, POLLIN, 0};
    return ::poll(&fd, 1, 0) != 0;
}

// Before Linux 5.19 reading a map needs CAP_BPF where unprivileged bpf(2) is switched off.
bool map_reads_need_capability() {
    utsname names{};
    int major = 0;
    int minor = 0;
    ::uname(&names);
    return std::sscanf(names.release, "%d.%d", &major, &minor) == 2 &&
           (major < 5 || (major == 5 && minor < 19));
}

result<ok> set_capabilities(bool keep_bpf) {
    cap_t none = ::cap_init();
    const cap_value_t bpf = CAP_BPF;
    const bool prepared =
        none != nullptr && (!keep_bpf || (::cap_set_flag(none, CAP_PERMITTED, 1, &bpf, CAP_SET) == 0 &&
                                          ::cap_set_flag(none, CAP_EFFECTIVE, 1, &bpf, CAP_SET) == 0));
    const bool done = prepared && ::cap_set_proc(none) == 0;
    const int code = errno;
    ::cap_free(none);
    if (!done) {
        return fail_code(code, "cannot give up the capabilities");
    }
    return ok{};
}

} // namespace

result<Caller> caller_of(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return fail_errno("the collector is started by `treadline learn`, not by hand");
    }
    return Caller{peer.uid, peer.gid};
}

result<uid_t> watched_user(int pidfd, const Caller& caller) {
    const std::string info = TRY(sys::read_file("/proc/self/fdinfo/" + std::to_string(pidfd)));
    const std::string pid = field(info, "Pid");
    if (pid.empty() || std::atoi(pid.c_str()) <= 0) {
        return fail("the task to watch is not one: no process descriptor, or the process has ended");
    }
    const std::string status = TRY(sys::read_file("/proc/" + pid + "/status"));
    // The number was this task's all the time only if the task lives still.
    if (has_ended(pidfd)) {
        return fail("the command ended before it could be watched");
    }
    unsigned ids[4];
    if (std::sscanf(field(status, "Uid").c_str(), "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4) {
        return fail("cannot tell whose task is to be watched");
    }
    for (const unsigned id : ids) {
        if (id != ids[0] || (caller.uid != 0 && id != caller.uid)) {
            return fail_code(EPERM, "the task to watch belongs to another user");
        }
    }
    return static_cast<uid_t>(ids[0]);
}

result<Caller> acting_user(const Caller& caller, uid_t watched, int store) {
    if (caller.uid != 0) {
        return caller;
    }
    struct stat about {};
    if (::fstat(store, &about) != 0) {
        return fail_errno("cannot look at the trace store");
    }
    if (about.st_uid == 0 || watched == 0) {
        return Caller{0, 0};
    }
    return Caller{watched, about.st_gid};
}

result<ok> drop_privileges(const Caller& become) {
    const bool changes = ::geteuid() != become.uid || ::getuid() != become.uid;
    const bool keep_bpf = map_reads_need_capability();
    if (keep_bpf && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) {
        return fail_errno("cannot keep CAP_BPF");
    }
    if (::geteuid() == 0 && ::setgroups(1, &become.gid) != 0) {
        return fail_errno("cannot leave the groups");
    }
    if (::setresgid(become.gid, become.gid, become.gid) != 0 ||
        ::setresuid(become.uid, become.uid, become.uid) != 0) {
        return fail_errno("cannot become user " + std::to_string(become.uid));
    }
    TRY(set_capabilities(keep_bpf));
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return fail_errno("cannot give up privileges for good");
    }
    if (changes && become.uid != 0 && ::setuid(0) == 0) {
        return fail("privileges came back after they were given up");
    }
    return ok{};
}

result<std::string> store_path(int store, uid_t user) {
    struct stat held {};
    struct stat named {};
    if (::fstat(store, &held) != 0) {
        return fail_errno("cannot look at the trace store");
    }
    if (!S_ISREG(held.st_mode) || held.st_uid != user) {
        return fail("the trace store must be a regular file of user " + std::to_string(user));
    }
    const std::string path = TRY(sys::readlink("/proc/self/fd/" + std::to_string(store)));
    if (::stat(path.c_str(), &named) != 0) {
        return fail_errno("cannot look at the trace store '" + path + "'");
    }
    if (named.st_dev != held.st_dev || named.st_ino != held.st_ino) {
        return fail("the trace store '" + path + "' was replaced while the collector started");
    }
    return path;
}

void leave_terminal() {
    ::setsid(); // fails for a group's leader (under sudo); ignoring the signals is enough then
    // SIGXFSZ: a store that may not grow any more is an error to report.
    for (const int number : {SIGINT, SIGQUIT, SIGTSTP, SIGHUP, SIGTTIN, SIGTTOU, SIGPIPE, SIGXFSZ}) {
        ::signal(number, SIG_IGN);
    }
}

} // namespace treadline

#include "enforcer/self_test.h"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"
#include "enforcer/child_view.h"
#include "enforcer/egress/capture.h"
#include "enforcer/missing_defs.h"

namespace treadline {
namespace {

// Of a directory that leads to something in view the names on the way can be listed: an empty mount, or the directory
// itself with the rest masked.
bool leads_on(const Plan& plan, const std::string& directory) {
    return std::any_of(plan.mounts.begin(), plan.mounts.end(), [&](const MountStep& step) {
        const bool mask = step.kind == MountStep::Kind::MaskFile || step.kind == MountStep::Kind::MaskDirectory;
        return !mask && is_within(step.target, directory);
    });
}

// An existing credential that the policy refuses; opening a pipe or a device could have effects.
std::string existing_secret(const Plan& plan, const std::vector<std::string>& secrets) {
    for (const std::string& path : secrets) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) == 0 && (S_ISREG(status.st_mode) || (S_ISDIR(status.st_mode) && !leads_on(plan, path))) &&
            ::access(path.c_str(), R_OK) == 0 && !plan.policy->decide(Operation::Read, path).allowed) {
            return path;
        }
    }
    return "";
}

[[noreturn]] void refuse(const ChildPlan& plan, SelfTestProbe probe) {
    errno = 0;
    die(plan, ChildStep::SelfTest, static_cast<int>(probe));
}

bool opens(const char* path, int flags) {
    const int fd = path == nullptr ? -1 : ::open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) {
        ::close(fd);
    }
    return fd >= 0;
}

// Where the firewall lets nothing through, and nobody is (RFC 5737).
sockaddr_in nobodys_address() {
    sockaddr_in nobody{};
    nobody.sin_family = AF_INET;
    nobody.sin_port = htons(egress::probe_port);
    ::inet_pton(AF_INET, egress::probe_address, &nobody.sin_addr);
    return nobody;
}

// A datagram to nobody: behind the gateway it finds a route, and the sandbox's firewall.
bool sends_to_nobody() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) {
        return false;
    }
    const sockaddr_in nobody = nobodys_address();
    const bool sent = ::connect(socket, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody) == 0 && ::send(socket, "", 1, MSG_DONTWAIT) == 1;
    ::close(socket);
    return sent;
}

// Landlock refuses before a route is looked for. What it does not refuse is not waited for.
bool is_let_connect() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) {
        return false;
    }
    const sockaddr_in nobody = nobodys_address();
    const bool refused = ::connect(socket, reinterpret_cast<const sockaddr*>(&nobody), sizeof nobody) != 0 && errno == EACCES;
    ::close(socket);
    return !refused;
}

// Without mounts, what lies in a directory that the command may fill is in Landlock's reach (flat_rules.h says so).
bool in_reach(const Plan& plan, const std::string& path, uint64_t rights) {
    return plan.flat && std::any_of(plan.landlock_rules.begin(), plan.landlock_rules.end(), [&](const LandlockRule& rule) {
               return (rule.rights & rights) != 0 && is_within(path, rule.path);
           });
}

} // namespace

SelfTest self_test_for(const Plan& plan, const std::vector<std::string>& secrets) {
    SelfTest test;
    test.secret = existing_secret(plan, secrets);
    if (in_reach(plan, test.secret, landlock::read_file | landlock::read_dir)) {
        test.secret.clear();
    }
    const std::string& profile = plan.policy->variables().get("profile");
    if (!profile.empty() && ::access(profile.c_str(), W_OK) == 0 && !in_reach(plan, profile, landlock::write_file)) {
        test.sealed = profile;
    }
    test.unlisted_call =
        plan.syscalls && std::find(plan.syscalls->begin(), plan.syscalls->end(), "unshare") == plan.syscalls->end();
    // Without a namespace it is the filter that lets no such socket be made, and this is tried before it.
    test.contact = plan.namespaces && plan.network != NetworkMode::Host;
    test.connection = plan.flat && plan.landlock_abi >= 4 && plan.network != NetworkMode::Host;
    test.signal = (plan.namespaces && plan.isolate_processes) || plan.scope_signals_and_abstract_sockets;
    return test;
}

// In a pid namespace the supervisor's number is nobody's, unless it is one of the first two, which are ours.
void test_view(const ChildPlan& plan) {
    const ChildSelfTest& test = plan.self_test;
    if (opens(test.secret, O_RDONLY)) {
        refuse(plan, SelfTestProbe::Secret);
    }
    if (opens(test.sealed, O_WRONLY)) {
        refuse(plan, SelfTestProbe::Sealed);
    }
    if (test.contact && sends_to_nobody()) {
        refuse(plan, SelfTestProbe::Contact);
    }
    if (test.connection && is_let_connect()) {
        refuse(plan, SelfTestProbe::Connection);
    }
    if (test.signal && plan.supervisor > 2 && ::kill(plan.supervisor, 0) == 0) {
        refuse(plan, SelfTestProbe::Signal);
    }
}

void test_filter(const ChildPlan& plan) {
    if (plan.self_test.unlisted_call && ::syscall(SYS_unshare, 0) == 0) {
        refuse(plan, SelfTestProbe::Call);
    }
}

std::string self_test_failure(SelfTestProbe probe, const SelfTest& test) {
    std::string what;
    switch (probe) {
    case SelfTestProbe::Secret:
        what = "read '" + printable(test.secret) + "'";
        break;
    case SelfTestProbe::Sealed:
        what = "write '" + printable(test.sealed) + "'";
        break;
    case SelfTestProbe::Contact:
        what = "reach another machine";
        break;
    case SelfTestProbe::Connection:
        what = "connect to another machine";
        break;
    case SelfTestProbe::Signal:
        what = "signal a process outside";
        break;
    case SelfTestProbe::Call:
        what = "make a system call that the profile does not list";
        break;
    }
    return "the sandbox does not hold: its self-test could " + what +
           "; the command was not run. Please report this with the output of 'treadline doctor'";
}

} // namespace treadline

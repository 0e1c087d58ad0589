#include "enforcer/landlock_denial.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "enforcer/address_denial.h"
#include "enforcer/denial.h"
#include "enforcer/outside_denial.h"

namespace treadline {
namespace {

struct FileBlocker {
    std::string_view prefix; // of blockers: "fs.make_" stands for all that make a name
    Operation operation;
    const char* name;
    bool in_directory; // the record's path is the directory of the name
};
// Of several the first that the policy refuses is told, as it is of a call that is looked at.
constexpr std::array file_blockers = std::to_array<FileBlocker>({
    {"fs.make_", Operation::Create, "create", true},
    {"fs.remove_", Operation::Create, "delete", true},
    {"fs.execute", Operation::Execute, "execute", false},
    {"fs.write_file", Operation::Write, "write", false},
    {"fs.truncate", Operation::Write, "write", false},
    {"fs.read_file", Operation::Read, "read", false},
    {"fs.read_dir", Operation::Read, "list", false},
});

bool blocks(const LandlockRefusal& refusal, std::string_view prefix) {
    return std::any_of(refusal.blockers.begin(), refusal.blockers.end(),
                       [&](const std::string& one) { return one.starts_with(prefix); });
}

// Where no rule says no, or none could be named.
Violation unexplained(const LandlockRefusal& refusal, std::string operation, std::string object,
                      const std::string& why) {
    return outside_denial("landlock", std::move(operation), std::move(object),
                          why + " (" + printable(join(refusal.blockers, ", ")) + ")");
}

constexpr const char* allowed_here =
    "the profile allows it, and Landlock refused it all the same: what was asked for "
    "changed meanwhile, or it is held as another right";

std::optional<Violation> file_refusal(const Plan& plan, const LandlockRefusal& refusal) {
    const bool nameless = !refusal.path.starts_with('/') || refusal.path.ends_with(" (deleted)");
    const char* operation = nullptr;
    for (const FileBlocker& blocker : file_blockers) {
        if (!blocks(refusal, blocker.prefix)) {
            continue;
        }
        operation = operation == nullptr ? blocker.name : operation;
        auto violation = nameless ? std::nullopt
                         : blocker.in_directory
                             ? denial_in(plan, blocker.name, refusal.path)
                             : denial_at(plan, blocker.operation, blocker.name, refusal.path);
        if (violation) {
            return violation;
        }
    }
    if (operation == nullptr) {
        return std::nullopt;
    }
    // Empty, and there only for us: git looks into every directory it does not know.
    const bool own_directory =
        std::any_of(plan.placeholders.begin(), plan.placeholders.end(),
                    [&](const Placeholder& one) { return one.directory && one.path == refusal.path; });
    if (own_directory && operation == std::string_view("list")) {
        return std::nullopt;
    }
    return unexplained(refusal, operation, refusal.path,
                       nameless ? "it has no name that a rule could name" : allowed_here);
}

std::optional<Violation> other_refusal(const Plan& plan, const LandlockRefusal& refusal) {
    if (blocks(refusal, "fs.ioctl_dev")) {
        return unexplained(
            refusal, "ioctl", refusal.path,
            "of a device that no rule names itself Landlock allows reading and writing, and no ioctl");
    }
    if (blocks(refusal, "fs.refer")) {
        Violation violation =
            unexplained(refusal, "rename", refusal.path, "it would have other rights in the other directory");
        violation.expected = "the call fails as between two file systems, and programs copy instead";
        return violation;
    }
    if (blocks(refusal, "fs.resolve_unix")) {
        auto violation = denial_at(plan, Operation::UnixConnect, "connect", refusal.path);
        return violation ? violation : unexplained(refusal, "connect", refusal.path, allowed_here);
    }
    if (blocks(refusal, "net.bind_")) { // tcp, and from ABI 10 on udp
        auto violation = listen_denial(plan, refusal.port);
        return violation ? violation
                         : unexplained(refusal, "listen", std::to_string(refusal.port), allowed_here);
    }
    if (blocks(refusal, "net.connect_")) {
        Violation violation =
            connect_denial(plan, refusal.host.empty() ? "0.0.0.0" : refusal.host, refusal.port);
        violation.layer = "landlock";
        return violation.reason.empty() ? unexplained(refusal, "connect", violation.object, allowed_here)
                                        : violation;
    }
    if (blocks(refusal, "scope.abstract_unix_socket")) {
        return unexplained(refusal, "connect", refusal.path.empty() ? "@" : "@" + refusal.path.substr(1),
                           "the abstract socket is of a program outside");
    }
    if (blocks(refusal, "scope.signal") || blocks(refusal, "ptrace")) {
        const char* operation = blocks(refusal, "ptrace") ? "trace" : "signal";
        return unexplained(refusal, operation,
                           "process " + std::to_string(refusal.process) + " (" + refusal.program + ")",
                           "the process is not the command's, and no rule lets one out");
    }
    return unexplained(refusal, blocks(refusal, "fs.change_topology") ? "mount" : "access", refusal.path,
                       "no rule allows it");
}

} // namespace

std::optional<Violation> landlock_denial(const Plan& plan, const LandlockRefusal& refusal) {
    const bool file =
        std::any_of(file_blockers.begin(), file_blockers.end(),
                    [&](const FileBlocker& blocker) { return blocks(refusal, blocker.prefix); });
    auto violation = file ? file_refusal(plan, refusal) : other_refusal(plan, refusal);
    if (violation) {
        violation->exe = refusal.exe;
    }
    return violation;
}

} // namespace treadline

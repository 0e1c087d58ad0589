// The system call filter: an allowlist, with the argument checks that make the
// listed calls safe. Pure: nothing is installed here.
//
// Calls that end in a notification: those not listed (the supervisor reports them and answers EPERM, or
// ENOSYS for numbers nobody knows), those listed but refused for their arguments, and, where paths are
// watched, the ones that name a path or an address (the supervisor asks the decision function).
// Foreign architectures and x32 get ENOSYS: their numbers mean other calls.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "base/result.h"

namespace treadline {

// What sockets may be made where no network namespace holds them: none whose contacts Landlock does not see.
struct FlatSockets {
    bool unix_streams = false; // for the profile's `unix`
    bool tcp = false;          // if the profile lists @network, and either of the next two holds where they go
    bool supervised = false;   // connect, bind and listen are done by the supervisor; else Landlock holds connect (ABI 4)
    bool operator==(const FlatSockets&) const = default;
};

struct SeccompRules {
    std::vector<std::string>
        allowed;        // names; ones libseccomp does not know cannot be allowed and are left out
    bool notify = true; // false: what would be a notification is EPERM
    bool watch_paths = true;
    bool audit = false; // everything that is not allowed is a notification, to be let through: foreign calls, too
    bool watch_reaching = false; // where paths are watched: is_reaching_syscall()
    std::optional<FlatSockets> flat = std::nullopt;
    bool operator==(const SeccompRules&) const = default;
};

result<std::vector<sock_filter>> compile_seccomp(const SeccompRules& rules);

// Whether a listed call is handed to the supervisor because it names a path or an address; of `sendto` only the
// calls with an address.
bool is_watched_syscall(std::string_view name);
// Of `ioctl` only these are, by their request.
bool is_watched_ioctl(uint64_t request);
// Whether a listed call is handed to the supervisor because it reaches for a process, key or queue that may be outside. With
// arguments that cannot mean one (itself, no signal, a private key) it is not.
bool is_reaching_syscall(std::string_view name);
bool is_watched_in_audits(std::string_view name); // those besides: too many to be looked at in enforced runs
// All these names, as far as they may be listed.
enum class Looks : uint8_t { AtPaths, AtPathsAndReaching, InAudits };
std::vector<std::string> looked_at_syscalls(Looks looks);
bool is_native(uint32_t architecture);            // AUDIT_ARCH_*

// `socket` is in @base for UNIX sockets; the other families come with @network, of which `listen` is the sign.
bool allows_internet_sockets(const std::vector<std::string>& allowed);

// Whether a call is refused for its arguments though it, and @network, is listed: no rule would allow it.
bool refused_for_arguments(std::string_view name, const seccomp_data& data);

// Never refused, whatever the profile lists: without them a process cannot even end.
const std::vector<std::string>& indispensable_syscalls();

std::string syscall_name(int number);        // "" if libseccomp does not know it
int syscall_number(const std::string& name); // negative if this architecture has none

} // namespace treadline

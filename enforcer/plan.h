// What will be done to hold a command: plain data, compiled from a policy and a machine, printed by
// `explain`, compared whole in tests, applied by sandbox.h. Nothing here decides anything; nothing that
// applies it does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "enforcer/egress/kept_exchange.h"
#include "enforcer/egress/secrets.h"
#include "profiles/policy.h"

namespace treadline {

// What this kernel and machine can enforce; `doctor` shows it, tests script it.
struct Machine {
    int landlock_abi = 0;            // 0: not there
    bool user_namespaces = false;    // an unprivileged process may make one and mount in it
    std::string user_namespaces_why; // a sentence with the remedy when it may not
    bool seccomp = true;             // a filter can be installed
    bool seccomp_notify = false;     // with a listener; Linux 5.6 (SECCOMP_USER_NOTIF_FLAG_CONTINUE is 5.5, pidfd_getfd 5.6)
    bool seccomp_wait_killable = false; // Linux 5.19
    bool memfd_noexec = false;          // Linux 6.3: a memfd can be sealed against execution
    std::string cgroup; // a cgroup v2 directory this user may divide; "" if there is none
    std::vector<std::string> cgroup_controllers; // that parts of it may have
    std::string kernel; // uname -r
    std::string architecture;
};
enum class UserNamespaces : uint8_t {
    Try,
    Assume, // saves making one; whoever starts a sandbox finds out, and should then try
};
Machine inspect_machine(UserNamespaces namespaces = UserNamespaces::Try);

struct Command {
    std::vector<std::string> argv;
    std::string directory;                          // working directory, resolved
    std::map<std::string, std::string> environment; // the caller's, before the allowlist
    unsigned uid = 0;                               // who runs it: an ordinary user, even under sudo
    unsigned gid = 0;
};

enum class NetworkMode : uint8_t {
    None, // an empty network namespace with its own loopback
    Gateway, // the same, and what leaves it is the egress gateway's to judge (egress/gateway.h)
    Recorded, // the same, but the gateway lets everything pass and records it: learning
    Bridged, // no namespace: the command's connections are made for it, to the gateway (egress/bridge.h); a named degradation
    Host, // the host's network: learning, or the named degradation `--network host`
};

struct CompileOptions {
    bool allow_degraded = false;
    bool network_host = false;
    std::map<std::string, std::vector<std::string>> resolve = {}; // name -> addresses, for the gateway instead of a lookup
    std::shared_ptr<const egress::Secrets> secrets = nullptr; // what `credentials` refer to; none: only to show the plan
    bool capture = false;                                     // keep exchanges, to be served back
    std::shared_ptr<const egress::Replay> replay = nullptr; // serve these, and reach nothing
};

struct MountStep {
    enum class Kind : uint8_t {
        Directory, // an empty directory in the new root
        Symlink,   // as on the host: `source` is the target text
        Tmpfs,     // empty, gone afterwards
        Bind,      // `source` of the host at `target`, with everything below
        Device,    // one device node of the host's /dev, the only kind of mount that is not nodev
        Proc,
        Devices,  // a minimal /dev
        Decoy,    // an empty file nobody can read, where nothing else is: a link in view leads to a hidden file
        File,     // a file with `source` as its content over `target`, which is a file in view
        TrustBundle, // the host's certificates at `source`, and the run's own authority, over `target`
        JavaTrust,   // the same as a Java key store
        MaskFile, // an empty file nobody can read or write over `target`
        MaskDirectory,
    };
    Kind kind = Kind::Directory;
    std::string source;
    std::string target;
    bool writable = false;
    bool executable = false;
    std::string why; // the rule or guard it serves
    bool operator==(const MountStep&) const = default;
};

struct LandlockRule {
    std::string path;
    uint64_t rights = 0; // LANDLOCK_ACCESS_FS_*
    std::string why;
    bool operator==(const LandlockRule&) const = default;
};

struct Placeholder { // made outside before the run so that a guard can be mounted over it; removed afterwards
    std::string path;
    bool directory = false;
    std::string why;
    std::optional<std::string> content; // a file with this in it; none: a socket, which tools pass over
    bool operator==(const Placeholder&) const = default;
};

// A file in view that is guarded because of another: a second name of it, or what leads to it.
struct OtherName {
    std::string path; // the guarded file, by which it is judged
    bool masked = false; // not to be read, either
    bool operator==(const OtherName&) const = default;
};

// How one rule is held, for `explain`.
struct Enforcement {
    std::string rule;
    std::string mechanism; // "landlock", "mount", "seccomp", "network namespace"…
    std::string wider;     // what is reachable beyond the rule's words; "" when exact
    bool operator==(const Enforcement&) const = default;
};

// What the command's own process tries in the finished sandbox, just before it becomes the command; one that succeeds is a
// refusal to start (self_test.h).
struct SelfTest {
    std::string secret;         // an existing path that must not open for reading; "" if there is none to try
    std::string sealed;         // one that must not open for writing; "" likewise
    bool unlisted_call = false; // unshare(2), which without arguments succeeds everywhere but under a filter
    bool contact = false;       // a datagram socket that finds a route to another machine; nothing is sent
    bool connection = false;    // a TCP connection to another machine that Landlock does not refuse
    bool signal = false;        // whether the supervisor can be signalled
    bool operator==(const SelfTest&) const = default;
};

struct Plan {
    Command command;               // environment: what the command will see
    std::vector<std::string> dropped_variables; // names of the caller's that the command does not see, for the report
    bool namespaces = true;        // user and mount namespaces, and with them the next two
    bool isolate_processes = true; // pid, ipc and uts namespaces
    NetworkMode network = NetworkMode::None;
    std::map<std::string, std::vector<std::string>> resolve; // of the gateway: CompileOptions::resolve
    std::vector<std::string> search_domains; // that resolvers inside append to names
    std::vector<std::string> authority_hosts; // that the run's own authority vouches for; none: nothing is looked into
    std::shared_ptr<const egress::Secrets> secrets;
    bool capture = false;                         // CompileOptions
    std::shared_ptr<const egress::Replay> replay; // the same
    bool new_root = true;          // false: the host's view stays, `mounts` holds only masks
    std::vector<MountStep> mounts; // in order
    std::vector<Placeholder> placeholders;
    std::vector<std::string> make_directories; // missing directories a `c` rule names, and theirs, made outside
    int landlock_abi = 0;                      // 0: no Landlock
    std::vector<LandlockRule> landlock_rules;
    std::vector<uint16_t> bind_ports; // TCP ports that may be bound
    bool flat = false;          // no namespaces: Landlock and the filter hold the network, too (machine_gaps.h)
    std::string temporary;      // made outside for the run, and removed with what is in it: instead of a private ${tmp}
    bool adopt_leftovers = false; // no pid namespace ends what the command leaves behind: the supervisor does
    bool scope_signals_and_abstract_sockets = false;
    std::optional<std::vector<std::string>> syscalls; // names allowed; none: no filter
    bool notify = true;         // unlisted calls are reported; else they just fail with EPERM
    bool wait_killable = false; // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    bool memfd_noexec = true;   // memfd_create is given, sealed against execution; else refused
    bool watch_paths = true;    // judge and report path accesses by user notification
    bool audit = false;         // what the policy refuses is reported and let through
    bool answer_refusals = true; // false: report only, so that tests see what the kernel holds by itself
    SelfTest self_test;
    std::string cgroup;         // a cgroup of the run's own is made below; "" for none
    Resources cgroup_limits;    // of `resources`, those it keeps
    // Resolved path -> the path a rule names, where a symbolic link lies between: for the violation reports.
    std::map<std::string, std::string> aliases;
    std::map<std::string, OtherName> other_names; // by path in view
    Resources resources;
    std::vector<Enforcement> enforcement; // one a rule
    std::vector<std::string> degraded;    // what the machine cannot hold; non-empty only if allowed
    // The decisions behind the plan, for the violation reports.
    std::shared_ptr<const Policy> policy;
};

// Fails (the caller exits 126) with the sentence that says which rule cannot be held here, unless
// `allow_degraded`. Looks at the disk (to expand, to find guarded paths, to see what exists), changes
// nothing.
result<Plan> compile(std::shared_ptr<const Policy> policy, const Machine& machine, const Command& command,
                     const CompileOptions& options);

struct LearningOptions {
    bool allow_credentials = false; // leaves them readable
    bool through_gateway = false;   // what leaves goes through the egress gateway, which records it; needs namespaces
    std::map<std::string, std::vector<std::string>> resolve = {}; // as above
};

// Learning: everything permitted and observed, except that existing credentials are masked.
result<Plan> compile_learning(const Variables& variables, const Machine& machine, const Command& command,
                              const LearningOptions& options);

// Auditing: everything goes on as without Treadline, and what the policy would refuse is reported. Existing credentials
// that no rule opens are masked as while learning, which is the one thing an audit refuses; `allow_credentials` leaves
// them readable and reports each access.
result<Plan> compile_audit(std::shared_ptr<const Policy> policy, const Machine& machine, const Command& command,
                           bool allow_credentials);

// Text for `explain`: the profile's own rules and what holds them, with Detail::All every step of the plan, too.
enum class Detail : uint8_t { OwnRules, All };
std::string describe(const Plan& plan, Detail detail = Detail::All);

} // namespace treadline

// What a profile means on one machine, and the one place that decides whether an access is allowed.
//
// Profile (parsed) -> Policy (abstractions merged, variables expanded, checked, immutable) -> decisions and
// the enforcer's plan. query, explain, lint, diff, the violation reports, the plan compiler and the tests all
// ask decide(); nothing else answers that question.
//
// The order of rules means nothing. In order of strength:
//   1. `deny` patterns of the profile refuse; one that matches a directory refuses everything below it too.
//   2. Guarded paths (credentials for any access; the protected set for write and create) are refused unless
//   a
//      rule names them: a rule without a wildcard whose own path is the guarded path or lies below its root.
//      Treadline's own files (`.treadline/`, its store) no rule opens for writing.
//   3. A file rule, or a `private` directory (empty at the start, so it grants rwc below itself but nothing
//      that exists outside), allows. What a rule names inside a private directory, and the project where it
//      lies in one, is the host's: there only file rules count. `dir/**: x` for the private directory itself
//      brings nothing in: it lets programs that were made there run.
//   4. Everything else is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "profiles/guards.h"
#include "profiles/pattern.h"
#include "profiles/profile.h"
#include "profiles/variables.h"

namespace treadline {

// Where a rule comes from, to point at it: "profile.yaml:12" or "include base".
struct Origin {
    std::string source; // file name as given, or "include NAME"
    Position at;
};

struct PolicyRule {
    Pattern pattern;
    Modes modes;
    std::string text; // as written, with variables: "${project}/**: r"
    Origin origin;
};

struct PolicyEntry { // a private directory, deny pattern, socket path: `pattern` unused for the rest
    Pattern pattern;
    std::string text;
    Origin origin;
};

struct PolicyPort {
    uint16_t port = 0;
    Origin origin;
};

// What a profile or an include listed, a group or a call, and where.
struct PolicySyscalls {
    std::string text; // "@file", "ptrace"
    std::vector<std::string> names;
    Origin origin;
};

struct PolicyVariable { // an environment variable that is passed on
    std::string text;   // a name; a trailing `*` stands for any rest
    Origin origin;
};

// host in lower case without a trailing dot; a leading "*." for a wildcard; an address without brackets; or `host`, the
// loopback of the machine outside (profile_reader.h).
struct PolicyEndpoint {
    std::string host;
    uint16_t port = 0;
    bool any_protocol = false; // not only TLS and HTTP that name the host; always so for an address and for `host`
    RequestScope scope;        // only these requests; then no address, and no other protocol
    std::string text;          // with its scope: "mirror.example.org:80 GET,HEAD /debian/**"
    std::string endpoint;      // as written
    Origin origin;
};

// Of `inspect`; `host` as in PolicyEndpoint, never an address.
struct PolicyInspection {
    std::string host;
    uint16_t port = 0;
    RequestScope scope;
    std::string text;
    Origin origin;
    std::vector<std::string> upgrades;
};

// `host` as in PolicyEndpoint. What goes to all hosts that a wildcard stands for counts together.
struct PolicyBudget {
    std::string host;
    uint16_t port = 0;
    std::optional<uint64_t> sent_bytes;
    std::optional<uint64_t> requests;
    std::string text; // the line of YAML
    Origin origin;
};

// Whether a rule for that host (`*.example.org`: names below it, never itself) is for this one.
bool is_host_of(std::string_view rule, std::string_view host, bool address);

enum class Operation : uint8_t {
    Read,
    Write,
    Create,
    Execute,
    Connect,
    Listen,
    UnixConnect,
    Syscall,
    Environment
};
std::string_view to_string(Operation operation); // as `query` takes it: "read" … "exec", "env"

struct Decision {
    bool allowed = false;
    std::string rule;   // allowed: the rule as written, "${project}/**: r"; refused by `deny`: that pattern
    std::string reason; // refused: one sentence for a person
    std::optional<Origin> origin;
    const Guard* guard = nullptr; // the guard that refused, or that an accepted rule opened
    // Refused: the smallest rule that would allow it, as a line of YAML for its section ("files:",
    // "syscalls:" …), portable; "" where no rule can (a `deny` must go first). For changes in the temporary
    // directory it is that directory as a private one.
    std::string section;
    std::string remedy;
    std::string review; // refused: the rule under `review:` that would allow it, once moved up; "" for none
};

// Why TLS that is not looked into is refused where `connect` names methods or paths.
Decision unseen_request(const std::string& endpoint);

class Policy {
public:
    // Loads an abstraction or an included file by name; `from` is where it is asked for.
    using Loader = std::function<result<Profile>(const std::string& name)>;

    // Errors carry file:line:column: an unknown variable, a relative path, a `*` with `c`, an include that
    // cannot be read or includes itself, an unknown system call or group.
    static result<Policy> build(const Profile& profile, const std::string& source, const Variables& variables,
                                const Loader& load);

    // `object` by operation: an absolute resolved path (Read, Write, Create, Execute), plain bytes;
    // "host:port", with "/tcp" behind it for any protocol, or a request, "GET http://host:port/path" (Connect); a port (Listen); a path or @name (UnixConnect); a name (Syscall, Environment).
    // Symbolic links are the caller's to resolve first; a path with `.` or `..` in it, or a relative one, is
    // refused. Slashes that are doubled or last are ignored.
    [[nodiscard]] Decision decide(Operation operation, std::string_view object) const;

    // Whether what is said inside TLS to that host is looked at: an `inspect` rule or a credential is for it.
    [[nodiscard]] bool inspects(std::string_view host, uint16_t port) const;
    // Whether a rule names methods or paths for it.
    [[nodiscard]] bool limits_requests(std::string_view host, uint16_t port) const;
    // Whether it may be reached, but only for the requests that `connect` names: what cannot be read as such must not pass.
    [[nodiscard]] bool connects_for_requests_only(std::string_view host, uint16_t port) const;
    // Whether this may be asked of a host that decide() lets the command connect to: a `connect` rule for it has to speak of the
    // request, and where `inspect` rules are for it, one of these, too.
    [[nodiscard]] Decision decide_request(std::string_view host, uint16_t port, std::string_view method, std::string_view target) const;
    // The first half of that.
    [[nodiscard]] Decision decide_sending(std::string_view host, uint16_t port, std::string_view method, std::string_view target) const;

    // Whether such a request may change to another protocol (`upgrade`: "websocket") inside TLS that is looked into: an `inspect`
    // rule has to say so.
    [[nodiscard]] Decision decide_upgrade(std::string_view host, uint16_t port, std::string_view method, std::string_view target,
                                          std::string_view upgrade) const;

    // Whether what stands at the path (as for Read) lies in a private directory: then it is what the command
    // made there, and nothing that exists outside.
    [[nodiscard]] bool in_private(std::string_view path) const;

    // The `deny` entry that refuses the path or a directory above it; null if none does.
    [[nodiscard]] const PolicyEntry* denying(std::string_view path) const;

    // For comparing policies rule by rule: as if there were no `deny`, and nothing that allows what belongs
    // to another section (`listen` the loopback, `set` and `credentials` a variable). A rule that only names what a wider one
    // reaches tells itself apart by what guards refuse; without them the rules' own reach is left.
    enum class GuardsCount : uint8_t { Yes, No };
    [[nodiscard]] Policy grants_alone(GuardsCount guards) const;

    [[nodiscard]] const std::vector<PolicyRule>& files() const { return files_; }
    [[nodiscard]] const std::vector<PolicyEntry>& private_directories() const { return private_; }
    [[nodiscard]] const std::vector<PolicyEntry>& deny() const { return deny_; }
    [[nodiscard]] const std::vector<PolicyEndpoint>& connect() const { return connect_; }
    [[nodiscard]] const std::vector<PolicyPort>& listen() const { return listen_; }
    [[nodiscard]] const std::vector<PolicyPort>& publish() const { return publish_; }
    [[nodiscard]] const std::vector<PolicyEntry>& unix_sockets() const { return unix_; }
    [[nodiscard]] const std::vector<std::string>& syscalls() const {
        return syscalls_;
    } // names, sorted, no groups
    [[nodiscard]] const std::vector<PolicySyscalls>& syscall_entries() const { return syscall_entries_; }
    [[nodiscard]] const std::vector<PolicyVariable>& passed_variables() const { return pass_; }
    [[nodiscard]] const Environment& environment() const { return environment_; }
    [[nodiscard]] const Resources& resources() const { return resources_; }
    [[nodiscard]] const Variables& variables() const { return variables_; }
    [[nodiscard]] const Guards& guards() const { return guards_; }
    [[nodiscard]] const std::vector<PolicyInspection>& inspections() const { return inspect_; }
    [[nodiscard]] const std::vector<Credential>& credentials() const { return credentials_; }
    [[nodiscard]] const std::vector<PolicyBudget>& budgets() const { return budgets_; }
    [[nodiscard]] const std::string& name() const { return name_; }
    // The rules under `review:` as a policy of their own, to be shown and compared; null where there are none.
    // It allows nothing here.
    [[nodiscard]] const Policy* review() const { return review_.get(); }
    // Everything included, in the order it was read: "base", "./team.yaml".
    [[nodiscard]] const std::vector<std::string>& includes() const { return includes_; }

private:
    friend class PolicyBuilder;
    Policy() = default;

    [[nodiscard]] Decision decide_alone(Operation operation, std::string_view object) const;
    [[nodiscard]] Decision decide_file(Operation operation, std::string_view path) const;
    [[nodiscard]] Decision decide_connect(std::string_view endpoint) const;
    [[nodiscard]] Decision decide_url(std::string_view method, std::string_view url) const;
    [[nodiscard]] Decision decide_listen(std::string_view port) const;
    [[nodiscard]] Decision decide_unix(std::string_view socket) const;
    [[nodiscard]] Decision decide_syscall(std::string_view name) const;
    [[nodiscard]] Decision decide_environment(std::string_view name) const;
    [[nodiscard]] std::vector<const RequestScope*> scopes_of(std::string_view host, uint16_t port) const;
    [[nodiscard]] bool is_private(const PolicyEntry& directory, std::string_view path) const;
    bool suggest_private(Operation operation, std::string_view path, Decision& decision) const;

    std::string name_;
    std::vector<PolicyRule> files_;
    std::vector<PolicyEntry> private_;
    std::vector<PolicyEntry> deny_;
    std::vector<PolicyEndpoint> connect_;
    std::vector<PolicyPort> listen_;
    std::vector<PolicyPort> publish_;
    std::vector<PolicyEntry> unix_;
    std::vector<std::string> syscalls_;
    std::vector<PolicySyscalls> syscall_entries_;
    std::vector<PolicyVariable> pass_;
    std::vector<PolicyInspection> inspect_;
    std::vector<Credential> credentials_;
    std::vector<PolicyBudget> budgets_;
    std::vector<std::string> includes_;
    Environment environment_; // `pass` merged, in the order read
    Resources resources_;
    Variables variables_;
    Guards guards_;
    std::shared_ptr<const Policy> review_;
};

} // namespace treadline

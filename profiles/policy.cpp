#include "profiles/policy.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/path.h"
#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/environment_names.h"
#include "profiles/profile_reader.h"
#include "profiles/request_scope.h"
#include "profiles/syscall_groups.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

struct FileOperation {
    Modes needs;
    Modes remedy; // what a person would write: to execute a script is to read it, too
    const char* doing;
    bool writing;
};

FileOperation file_operation(Operation operation) {
    switch (operation) {
    case Operation::Write:
        return {Mode::Write, Mode::Write, "writing", true};
    case Operation::Create:
        return {Mode::Create, Mode::Create, "creating, deleting or renaming", true};
    case Operation::Execute:
        return {Mode::Execute, Mode::Read | Mode::Execute, "executing", false};
    default:
        return {Mode::Read, Mode::Read, "reading", false};
    }
}

Decision allow(std::string rule, const Origin& origin) {
    Decision decision;
    decision.allowed = true;
    decision.rule = std::move(rule);
    decision.origin = origin;
    return decision;
}

Decision refuse(std::string reason) {
    Decision decision;
    decision.reason = std::move(reason);
    return decision;
}

// The path with single slashes and none at its end, or none where it is not a resolved absolute path.
std::optional<std::string> resolved_form(std::string_view path) {
    if (path.empty() || path.front() != '/' || path.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    for (const std::string_view name : split(path, '/')) {
        if (name == "." || name == "..") {
            return std::nullopt;
        }
    }
    return normalise_path(path);
}

// "opens" a guard: a rule without a wildcard at or below the guard's own path.
bool names(const Pattern& pattern, std::string_view guard_root) {
    return (pattern.extent == Extent::Exact || pattern.extent == Extent::Names) &&
           is_within(pattern.path, guard_root);
}

bool own(const Origin& origin) {
    return origin.source.substr(0, 8) != "include ";
}

// The rule a person should read when several allow the same: the narrowest, the profile's own first.
auto narrowness(const PolicyRule& rule) {
    return std::tuple(-static_cast<long>(rule.pattern.path.size()), rule.pattern.extent, !own(rule.origin));
}

// `*.example.org`: names below it, never itself, never another name that merely ends alike.
bool is_host_of(std::string_view rule, std::string_view host, bool address) {
    if (rule.substr(0, 2) != "*.") {
        return rule == host;
    }
    const std::string_view suffix = rule.substr(1);
    return !address && host.size() > suffix.size() && host.ends_with(suffix);
}

bool is_loopback(const HostPort& endpoint) {
    return endpoint.host == "localhost" ||
           (endpoint.address && (endpoint.host.substr(0, 4) == "127." || endpoint.host == "::1"));
}

// Where a `host:PORT` rule is reached from inside.
bool is_host_loopback(const HostPort& endpoint) {
    return endpoint.host == host_loopback || endpoint.host == "localhost" || endpoint.host == "127.0.0.1" || endpoint.host == "::1";
}

std::optional<uint16_t> parse_port(std::string_view text) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(port)
                                                                                     : std::nullopt;
}

} // namespace

std::string_view to_string(Operation operation) {
    switch (operation) {
    case Operation::Read:
        return "read";
    case Operation::Write:
        return "write";
    case Operation::Create:
        return "create";
    case Operation::Execute:
        return "exec";
    case Operation::Connect:
    case Operation::UnixConnect:
        return "connect";
    case Operation::Listen:
        return "listen";
    case Operation::Syscall:
        return "syscall";
    case Operation::Environment:
        return "env";
    }
    return "";
}

Decision Policy::decide(Operation operation, std::string_view object) const {
    Decision decision = decide_alone(operation, object);
    const bool denied = !decision.rule.empty(); // then no rule could allow it
    if (decision.allowed || denied || review_ == nullptr) {
        return decision;
    }
    const Decision proposed = review_->decide_alone(operation, object);
    if (proposed.allowed) {
        decision.review = proposed.rule;
        decision.reason += "; under `review:` waits a rule that would: " + proposed.rule;
    }
    return decision;
}

Decision Policy::decide_alone(Operation operation, std::string_view object) const {
    switch (operation) {
    case Operation::Read:
    case Operation::Write:
    case Operation::Create:
    case Operation::Execute:
        return decide_file(operation, object);
    case Operation::Connect:
        return decide_connect(object);
    case Operation::Listen:
        return decide_listen(object);
    case Operation::UnixConnect:
        return decide_unix(object);
    case Operation::Syscall:
        return decide_syscall(object);
    case Operation::Environment:
        return decide_environment(object);
    }
    return refuse("nothing allows an operation of this kind");
}

const PolicyEntry* Policy::denying(std::string_view path) const {
    for (const PolicyEntry& entry : deny_) {
        for (std::string_view at = path;; at = parent_path(at)) {
            if (entry.pattern.matches(at)) {
                return &entry;
            }
            if (at == "/") {
                break;
            }
        }
    }
    return nullptr;
}

bool Policy::is_private(const PolicyEntry& directory, std::string_view path) const {
    const std::string& empty = directory.pattern.path;
    if (!is_within(path, empty)) {
        return false;
    }
    // What a rule or the project itself brings into the directory is the host's, and no longer private.
    const std::string& project = variables_.get("project");
    if (!project.empty() && project != empty && is_within(project, empty) && is_within(path, project)) {
        return false;
    }
    return std::none_of(files_.begin(), files_.end(), [&](const PolicyRule& rule) {
        return is_within(rule.pattern.path, empty) && rule.pattern.path != empty &&
               rule.pattern.matches(path);
    });
}

bool Policy::in_private(std::string_view path) const {
    return std::any_of(private_.begin(), private_.end(),
                       [&](const PolicyEntry& entry) { return is_private(entry, path); });
}

Policy Policy::grants_alone(GuardsCount guards) const {
    Policy alone = *this;
    alone.deny_.clear();
    alone.listen_.clear();
    alone.environment_.set.clear();
    alone.credentials_.clear();
    alone.review_.reset();
    if (guards == GuardsCount::No) {
        alone.guards_ = Guards();
    }
    return alone;
}

// Names in a temporary directory are drawn anew in every run, so a rule for one is no remedy.
bool Policy::suggest_private(Operation operation, std::string_view path, Decision& decision) const {
    if (operation == Operation::Execute) {
        const auto made_in = std::find_if(private_.begin(), private_.end(), [&](const PolicyEntry& entry) {
            return path != entry.pattern.path && is_private(entry, path);
        });
        if (made_in == private_.end()) {
            return false;
        }
        decision.section = "files";
        decision.remedy = yaml_scalar(made_in->text + "/**", YamlContext::Block) + ": x";
        return true;
    }
    const std::string& temporary = variables_.get("tmp");
    const std::string& project = variables_.get("project");
    const bool changes = operation == Operation::Write || operation == Operation::Create;
    if (!changes || temporary.empty() || path == temporary || !is_within(path, temporary) ||
        (!project.empty() && is_within(path, project))) {
        return false;
    }
    const bool there = std::any_of(private_.begin(), private_.end(), [&](const PolicyEntry& entry) {
        return is_within(temporary, entry.pattern.path);
    });
    if (there) {
        return false; // what is refused all the same is the host's, brought in by a rule
    }
    decision.section = "private";
    decision.remedy = "${tmp}";
    return true;
}

Decision Policy::decide_file(Operation operation, std::string_view object) const {
    const auto resolved = resolved_form(object);
    if (!resolved) {
        return refuse("'" + printable(object) + "' is not a resolved absolute path");
    }
    const std::string_view path = *resolved;
    const FileOperation wanted = file_operation(operation);
    const std::string shown = printable(variables_.shorten(path));
    if (const PolicyEntry* entry = denying(path)) {
        Decision decision =
            refuse("`deny` refuses " + std::string(wanted.doing) + " '" + shown + "': " + entry->text);
        decision.rule = entry->text;
        decision.origin = entry->origin;
        return decision;
    }
    const Guard* guard = guards_.find(path, wanted.writing);
    if (guard != nullptr && guard->closed) {
        Decision decision =
            refuse("'" + shown + "' is " + guard->what + ", which no rule opens for " + wanted.doing);
        decision.guard = guard;
        return decision;
    }
    const std::string guarded = guard != nullptr ? guards_.root(*guard, path) : "";

    const PolicyRule* best = nullptr;
    Modes own_modes; // of the profile's own rule for exactly this path, to be extended rather than doubled
    bool wide_match = false;
    for (const PolicyRule& rule : files_) {
        if (!rule.pattern.matches(path)) {
            continue;
        }
        if (rule.pattern.extent == Extent::Exact && own(rule.origin)) {
            own_modes |= rule.modes;
        }
        if (!rule.modes.covers(wanted.needs)) {
            continue;
        }
        if (guard != nullptr && !names(rule.pattern, guarded)) {
            wide_match = true;
            continue;
        }
        if (best == nullptr || narrowness(rule) < narrowness(*best)) {
            best = &rule;
        }
    }
    if (best != nullptr) {
        Decision decision = allow(best->text, best->origin);
        decision.guard = guard;
        return decision;
    }
    if (operation != Operation::Execute) {
        for (const PolicyEntry& entry : private_) {
            if (!is_private(entry, path)) {
                continue;
            }
            if (guard == nullptr) {
                return allow("private: " + entry.text, entry.origin);
            }
            wide_match = true;
        }
    }

    Decision decision;
    decision.guard = guard;
    if (guard != nullptr) {
        decision.reason =
            "'" + shown + "' is guarded (" + guard->what + "); " +
            (wide_match ? "a rule opens it only by naming it without a wildcard" : "no rule names it");
    } else {
        decision.reason = "no rule allows " + std::string(wanted.doing) + " '" + shown + "'";
    }
    if (guard == nullptr && own_modes.empty() && suggest_private(operation, path, decision)) {
        return decision;
    }
    Modes remedy = own_modes | wanted.remedy;
    // What must not be read is masked, and a mask is not written, either.
    if (operation == Operation::Write && guards_.find(path, false) != nullptr && !decide_file(Operation::Read, path).allowed) {
        remedy |= Mode::Read;
    }
    decision.section = "files";
    decision.remedy = yaml_scalar(variables_.shorten(path), YamlContext::Block) + ": " + to_string(remedy);
    return decision;
}

Decision Policy::decide_connect(std::string_view object) const {
    const auto endpoint = parse_host_port(object);
    if (!endpoint) {
        return refuse(endpoint.error().what);
    }
    const bool of_host = is_host_loopback(*endpoint);
    for (const PolicyEndpoint& rule : connect_) {
        const bool matches = is_host_of(rule.host, endpoint->host, endpoint->address) || (of_host && rule.host == host_loopback);
        const bool speaks = rule.any_protocol || !endpoint->any_protocol;
        if (matches && speaks && endpoint->host[0] != '*' && rule.port == endpoint->port) {
            return allow(rule.text, rule.origin);
        }
    }
    if (is_loopback(*endpoint)) {
        // The sandbox's own loopback: only what listens inside can be there.
        for (const PolicyPort& rule : listen_) {
            if (rule.port == endpoint->port || rule.port == 0) {
                return allow("listen: " + std::to_string(rule.port), rule.origin);
            }
        }
    }
    const bool v6 = endpoint->address && endpoint->host.find(':') != std::string::npos;
    Decision decision;
    decision.section = "network.connect";
    const std::string port = ":" + std::to_string(endpoint->port);
    const std::string asked = (v6 ? "[" + endpoint->host + "]" : endpoint->host) + port +
                              (endpoint->any_protocol && !endpoint->address && !of_host ? "/tcp" : "");
    decision.remedy = of_host ? std::string(host_loopback) + port : asked;
    decision.reason = "no `connect` rule allows '" + asked + "'";
    return decision;
}

// The scopes of all rules that have the gateway look into TLS with that host.
std::vector<const RequestScope*> Policy::scopes_of(std::string_view host, uint16_t port) const {
    std::vector<const RequestScope*> scopes;
    for (const PolicyInspection& rule : inspect_) {
        if (rule.port == port && is_host_of(rule.host, host, false)) {
            scopes.push_back(&rule.scope);
        }
    }
    for (const Credential& credential : credentials_) {
        const auto bound = credential_endpoint(credential.host);
        if (bound && bound->host == host && bound->port == port) {
            scopes.push_back(&credential.scope);
        }
    }
    return scopes;
}

bool Policy::inspects(std::string_view host, uint16_t port) const {
    return !scopes_of(host, port).empty();
}

bool Policy::limits_requests(std::string_view host, uint16_t port) const {
    const auto scopes = scopes_of(host, port);
    return std::any_of(scopes.begin(), scopes.end(), [](const RequestScope* scope) { return !(*scope == RequestScope{}); });
}

Decision Policy::decide_request(std::string_view host, uint16_t port, std::string_view method, std::string_view target) const {
    bool held = false;
    for (const PolicyInspection& rule : inspect_) {
        if (rule.port != port || !is_host_of(rule.host, host, false)) {
            continue;
        }
        if (is_in(rule.scope, method, target)) {
            return allow(rule.text, rule.origin);
        }
        held = true;
    }
    if (!held) {
        return allow("", Origin{});
    }
    const std::string asked = printable(method) + " " + printable(target.substr(0, target.find('?')).substr(0, 200));
    return refuse("no `inspect` rule for '" + std::string(host) + ":" + std::to_string(port) + "' lets the command ask for '" + asked + "'");
}

Decision Policy::decide_listen(std::string_view object) const {
    const auto port = parse_port(object);
    if (!port) {
        return refuse("'" + printable(object) + "' is no port");
    }
    for (const PolicyPort& rule : listen_) {
        if (rule.port == *port) {
            return allow("listen: " + std::to_string(rule.port), rule.origin);
        }
    }
    Decision decision = refuse("no `listen` rule allows port " + std::to_string(*port));
    decision.section = "network.listen";
    decision.remedy = std::to_string(*port);
    return decision;
}

Decision Policy::decide_unix(std::string_view object) const {
    const bool abstract = !object.empty() && object[0] == '@';
    const auto resolved = abstract ? std::optional(std::string(object)) : resolved_form(object);
    if (!resolved) {
        return refuse("'" + printable(object) + "' is neither an absolute path nor @name");
    }
    const std::string& name = *resolved;
    const Guard* guard = nullptr;
    std::string guarded;
    if (!abstract) {
        if (const PolicyEntry* entry = denying(name)) {
            Decision decision =
                refuse("`deny` refuses connecting to '" + printable(name) + "': " + entry->text);
            decision.rule = entry->text;
            decision.origin = entry->origin;
            return decision;
        }
        guard = guards_.find(name, true);
        guarded = guard != nullptr ? guards_.root(*guard, name) : "";
    }
    for (const PolicyEntry& entry : unix_) {
        if (entry.pattern.matches(name) && (guard == nullptr || names(entry.pattern, guarded))) {
            Decision decision = allow(entry.text, entry.origin);
            decision.guard = guard;
            return decision;
        }
    }
    if (!abstract && guard == nullptr) {
        for (const PolicyEntry& entry : private_) {
            if (is_private(entry, name)) { // empty at the start: only sockets made inside are there
                return allow("private: " + entry.text, entry.origin);
            }
        }
    }
    Decision decision;
    decision.guard = guard;
    decision.section = "unix";
    decision.remedy = abstract ? escape_path(name) : variables_.shorten(name);
    decision.reason = guard != nullptr ? "'" + printable(decision.remedy) + "' is guarded (" + guard->what +
                                             "); no `unix` rule names it"
                                       : "no `unix` rule allows '" + printable(decision.remedy) + "'";
    return decision;
}

Decision Policy::decide_syscall(std::string_view name) const {
    for (const PolicySyscalls& entry : syscall_entries_) {
        if (std::find(entry.names.begin(), entry.names.end(), name) != entry.names.end()) {
            return allow(entry.text, entry.origin);
        }
    }
    const std::string shown = printable(name);
    if (!syscalls::expand(name) || name.substr(0, 1) == "@") {
        return refuse("'" + shown + "' is no system call known here");
    }
    const auto danger = syscalls::danger_of(name);
    const std::string group = syscalls::group_of(name);
    Decision decision =
        refuse("no `syscalls` rule allows '" + shown + "'" + (danger ? "; it is dangerous: " + *danger : ""));
    decision.section = "syscalls";
    decision.remedy = yaml_scalar(danger || group.empty() ? std::string(name) : group, YamlContext::Block);
    return decision;
}

Decision Policy::decide_environment(std::string_view name) const {
    for (const Credential& credential : credentials_) {
        if (!name.empty() && placeholder_variable(credential) == name) {
            return allow("credentials: " + credential.host, Origin{});
        }
    }
    const auto by_name =
        std::find_if(pass_.begin(), pass_.end(), [&](const PolicyVariable& v) { return v.text == name; });
    if (by_name != pass_.end() && !has_wildcard(name)) {
        return allow("pass: " + by_name->text, by_name->origin);
    }
    const auto fixed = environment_.set.find(std::string(name));
    if (fixed != environment_.set.end()) {
        return allow("set: " + fixed->first, Origin{});
    }
    std::optional<std::string> risk = secret_variable(name);
    if (!risk) {
        risk = code_variable(name);
    }
    Decision decision;
    decision.section = "environment.pass";
    decision.remedy = yaml_scalar(name, YamlContext::Block);
    for (const PolicyVariable& variable : pass_) {
        const std::string_view text = variable.text;
        const bool matches = !text.empty() && text.back() == '*' &&
                             name.substr(0, text.size() - 1) == text.substr(0, text.size() - 1);
        if (!matches) {
            continue;
        }
        if (!risk) {
            return allow("pass: " + variable.text, variable.origin);
        }
        decision.reason = "'" + printable(name) + "' is passed only by its whole name, not by '" +
                          variable.text + "': " + *risk;
        return decision;
    }
    decision.reason = "no `environment` rule passes '" + printable(name) + "'" + (risk ? "; " + *risk : "");
    return decision;
}

} // namespace treadline

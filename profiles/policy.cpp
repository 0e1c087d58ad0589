#include "profiles/policy.h"

#include <algorithm>
#include <tuple>

#include "base/path.h"
#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/decisions.h"
#include "profiles/environment_names.h"
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

#include <algorithm>
#include <array>

#include "base/path.h"
#include "base/text.h"
#include "profiler/access_set.h"
#include "profiler/containment.h"
#include "profiler/hard_limits.h"
#include "profiler/lint_checks.h"

namespace treadline {
namespace {

constexpr Modes changing = Mode::Write | Mode::Create;

bool is_wide(const Pattern& pattern) {
    return pattern.extent == Extent::Subtree || pattern.extent == Extent::Names;
}

bool changes(const PolicyRule& rule) {
    return rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create);
}

std::string some_of(const std::vector<std::string>& names) {
    constexpr size_t shown = 3;
    std::vector<std::string> some(names.begin(),
                                  names.begin() + static_cast<long>(std::min(names.size(), shown)));
    return join(some, ", ") + (names.size() > shown ? "…" : "");
}

AccessSet paths_in(const Policy& policy) {
    AccessSet set;
    for (const PolicyRule& rule : policy.files()) {
        if (rule.pattern.extent != Extent::Glob) {
            set.trie.insert(policy.variables().shorten(rule.pattern.path));
        }
    }
    set.trie.finish();
    set.facts.resize(set.trie.size());
    return set;
}

bool contains(const PolicyEntry& wide, const PolicyEntry& entry) {
    return wide.pattern.covers(entry.pattern);
}

class FileChecks {
public:
    FileChecks(const LintInput& input, Findings& findings)
        : input_(input), policy_(input.policy), findings_(findings), paths_(paths_in(input.policy)),
          limits_(paths_, input.policy.variables(), input.policy.guards()), containment_(input.policy) {}

    void run() {
        for (const PolicyRule& rule : policy_.files()) {
            if (!is_own(rule.origin)) {
                continue;
            }
            if (!never_matches(rule)) {
                contained(rule);
            }
            if (!too_wide(rule)) {
                above_guards(rule);
                other_home(rule);
            }
            opens_guard(rule);
            changes_system(rule);
            runs_what_it_writes(rule);
            on_this_machine(rule);
            wildcards(rule);
        }
        private_directories();
        deny_patterns();
    }

private:
    void add(Severity severity, const char* code, const PolicyRule& rule, const std::string& message) {
        findings_.add(severity, code, rule.origin.at, rule.text, message);
    }
    bool never_matches(const PolicyRule& rule);
    void contained(const PolicyRule& rule);
    bool too_wide(const PolicyRule& rule);
    void above_guards(const PolicyRule& rule);
    void other_home(const PolicyRule& rule);
    void opens_guard(const PolicyRule& rule);
    void changes_system(const PolicyRule& rule);
    void runs_what_it_writes(const PolicyRule& rule);
    void on_this_machine(const PolicyRule& rule);
    void wildcards(const PolicyRule& rule);
    void private_directories();
    [[nodiscard]] bool brought_in_between(const std::string& wide, const std::string& inner) const;
    void deny_patterns();
    [[nodiscard]] std::vector<const PolicyRule*> covering(const PolicyRule& rule) const;
    // Of any rule but one with a wildcard.
    [[nodiscard]] PathTrie::Node node_of(const PolicyRule& rule) const {
        return paths_.trie.find(policy_.variables().shorten(rule.pattern.path));
    }
    [[nodiscard]] bool inside(std::string_view path, const char* variable) const {
        const std::string& directory = policy_.variables().get(variable);
        return !directory.empty() && is_within(path, directory);
    }

    const LintInput& input_;
    const Policy& policy_;
    Findings& findings_;
    AccessSet paths_; // of the rules alone
    HardLimits limits_;
    Containment containment_;
};

bool FileChecks::never_matches(const PolicyRule& rule) {
    if (containment_.denied_throughout(rule.pattern)) {
        add(Severity::Warning, "never-matches", rule, "`deny` refuses all of it; delete one of the two");
        return true;
    }
    const Guard* guard = is_wide(rule.pattern) || rule.pattern.extent == Extent::Exact
                             ? policy_.guards().find(rule.pattern.path, true)
                             : nullptr;
    if (guard != nullptr && guard->closed && changes(rule)) {
        add(Severity::Warning, "never-matches", rule,
            "is " + guard->what + ", which no rule opens for writing; take " +
                to_string(rule.modes.without(rule.modes.without(changing))) + " away");
        return true;
    }
    if (guard != nullptr && !guard->closed && guard->kind == GuardKind::Credential &&
        rule.pattern.extent == Extent::Subtree) {
        add(Severity::Warning, "never-matches", rule,
            "lies in what is guarded (" + guard->what +
                "), which a rule opens only by naming it without a wildcard; name the files");
        return true;
    }
    return false;
}

// Other rules that each reach everything this one does. Not those from outside a private directory in which
// it lies: they do not bring the host's files into it.
std::vector<const PolicyRule*> FileChecks::covering(const PolicyRule& rule) const {
    const auto brings_as_much = [&](const PolicyRule& other) {
        const auto& directories = policy_.private_directories();
        return std::all_of(directories.begin(), directories.end(), [&](const PolicyEntry& entry) {
            const std::string& empty = entry.pattern.path;
            const auto inside = [&](const std::string& path) {
                return path != empty && is_within(path, empty);
            };
            return !inside(rule.pattern.path) || inside(other.pattern.path);
        });
    };
    std::vector<const PolicyRule*> rules;
    for (const PolicyRule& other : policy_.files()) {
        // Of two that say the same the first is kept, or the include's.
        const bool later_twin = other.pattern == rule.pattern && other.modes == rule.modes &&
                                &other > &rule && is_own(other.origin);
        const bool shares = rule.modes.without(other.modes) != rule.modes;
        if (&other != &rule && !later_twin && shares && other.pattern.covers(rule.pattern) &&
            brings_as_much(other)) {
            rules.push_back(&other);
        }
    }
    return rules;
}

void FileChecks::contained(const PolicyRule& rule) {
    // What opens a guard is contained in nothing wide.
    if ((rule.pattern.extent == Extent::Exact || rule.pattern.extent == Extent::Names) &&
        policy_.guards().find(rule.pattern.path, changes(rule)) != nullptr) {
        return;
    }
    Modes granted;
    std::vector<std::string> names;
    for (const PolicyRule* other : covering(rule)) {
        granted |= other->modes;
        names.push_back(other->text + (is_own(other->origin) ? "" : " (" + other->origin.source + ")"));
    }
    if (granted.covers(rule.modes)) {
        add(Severity::Note, "redundant", rule, "is contained in " + some_of(names) + "; delete it");
    }
}

// What learning never folds to: where everything belongs to somebody else, too.
bool FileChecks::too_wide(const PolicyRule& rule) {
    if (!is_wide(rule.pattern) || !limits_.is_shared(node_of(rule))) {
        return false;
    }
    // The names directly in a directory, to be read, are the least of it.
    const bool least = rule.pattern.extent == Extent::Names && rule.modes.without(Mode::Read).empty();
    add(least ? Severity::Warning : Severity::Error, "too-wide", rule,
        "reaches what is not this command's alone (the system, a whole home, what lies above the project); "
        "name "
        "the files and directories it needs");
    return true;
}

void FileChecks::above_guards(const PolicyRule& rule) {
    if (!is_wide(rule.pattern) || inside(rule.pattern.path, "project")) {
        return;
    }
    std::vector<std::string> credentials;
    std::vector<std::string> protected_places;
    const auto& guards = policy_.guards().all();
    for (const Guards::Place& place : policy_.guards().places()) {
        const Guard& guard = guards[place.guard];
        if (place.path.empty() || guard.closed || place.path == rule.pattern.path ||
            !is_within(place.path, rule.pattern.path) ||
            (rule.pattern.extent == Extent::Names && parent_path(place.path) != rule.pattern.path)) {
            continue;
        }
        auto& list = guard.kind == GuardKind::Credential ? credentials : protected_places;
        if (std::find(list.begin(), list.end(), guard.what) == list.end()) {
            list.push_back(guard.what);
        }
    }
    if (!credentials.empty()) {
        add(Severity::Warning, "above-credential", rule,
            "reaches right up to credentials (" + some_of(credentials) +
                "), which stay refused while copies beside them do not; name what the command needs");
    }
    if (changes(rule) && !protected_places.empty()) {
        add(Severity::Warning, "above-protected", rule,
            "may change what lies beside " + some_of(protected_places) +
                ", which runs later outside the sandbox; name what the command needs");
    }
}

void FileChecks::other_home(const PolicyRule& rule) {
    if (rule.pattern.extent != Extent::Glob && limits_.is_another_users(node_of(rule))) {
        add(is_wide(rule.pattern) ? Severity::Error : Severity::Warning, "other-home", rule,
            "lies in another user's home; copy what is needed into the project");
    }
}

void FileChecks::opens_guard(const PolicyRule& rule) {
    if (rule.pattern.extent != Extent::Exact && rule.pattern.extent != Extent::Names) {
        return;
    }
    if (const Guard* guard = policy_.guards().find(rule.pattern.path, false);
        guard != nullptr && guard->kind == GuardKind::Credential) {
        add(Severity::Warning, "opens-credential", rule,
            "opens a credential (" + guard->what + "); keep it only if the command cannot do without");
        return;
    }
    const Guard* guard = changes(rule) ? policy_.guards().find(rule.pattern.path, true) : nullptr;
    if (guard != nullptr && !guard->closed) {
        add(Severity::Warning, "opens-protected", rule,
            "may change what runs later outside the sandbox (" + guard->what +
                "); keep it only if that is what the command is for");
    }
}

void FileChecks::changes_system(const PolicyRule& rule) {
    const std::string& path = rule.pattern.path;
    const auto at_or_below = [&](const char* directory) { return is_within(path, directory); };
    constexpr std::array installed{"/usr",   "/etc",  "/bin", "/sbin",   "/lib",
                                   "/lib64", "/boot", "/opt", "/var/lib"};
    if (!changes(rule) || inside(path, "project") || inside(path, "home")) {
        return;
    }
    if (std::any_of(installed.begin(), installed.end(), at_or_below)) {
        add(Severity::Warning, "changes-system", rule,
            "changes the installed system, which every later command runs; take " +
                to_string(rule.modes.without(rule.modes.without(changing))) + " away");
    } else if (at_or_below("/sys") || (at_or_below("/proc") && !at_or_below("/proc/self"))) {
        add(Severity::Warning, "changes-system", rule,
            "changes the kernel's settings or another process; take " +
                to_string(rule.modes.without(rule.modes.without(changing))) + " away");
    }
}

void FileChecks::runs_what_it_writes(const PolicyRule& rule) {
    if (changes(rule) && rule.modes.has(Mode::Execute)) {
        add(Severity::Warning, "write-execute", rule,
            "lets the command execute what it has written itself; give x only to what nobody changes, or "
            "make "
            "the directory private");
    }
}

void FileChecks::on_this_machine(const PolicyRule& rule) {
    if (!input_.resolve || rule.pattern.extent == Extent::Glob) {
        return;
    }
    const std::string& path = rule.pattern.path;
    for (std::string_view at = path;; at = parent_path(at)) {
        const auto resolved = input_.resolve(std::string(at));
        if (resolved && *resolved != at) {
            std::string target =
                join_path(*resolved, std::string_view(path).substr(at.size() + (at.size() < path.size())));
            add(Severity::Warning, "through-link", rule,
                "leads through a symbolic link, and rules are about what it leads to; write " +
                    policy_.variables().shorten(target));
            return;
        }
        if (resolved || at == "/") {
            break;
        }
    }
    if (rule.pattern.extent == Extent::Exact && rule.modes.has(Mode::Execute) && !input_.resolve(path)) {
        add(Severity::Warning, "unknown-program", rule,
            "names a program that is not on this machine; whoever can put one there can run it. Delete it, "
            "or "
            "install the program");
    }
}

void FileChecks::wildcards(const PolicyRule& rule) {
    if (rule.pattern.extent != Extent::Glob) {
        return;
    }
    const auto names = path_components(rule.pattern.path);
    const bool whole_name = std::find(names.begin(), names.end(), "*") != names.end();
    if (rule.modes.has(Mode::Execute)) {
        add(Severity::Warning, "wildcard", rule,
            "executes whatever has a name like this when the run starts; name the programs");
    } else if (whole_name && !inside(rule.pattern.path, "project")) {
        add(Severity::Warning, "wildcard", rule,
            "has a '*' for a whole name outside the project; write as much of the name as is known");
    }
}

void FileChecks::private_directories() {
    const auto& directories = policy_.private_directories();
    for (size_t i = 0; i < directories.size(); ++i) {
        const PolicyEntry& entry = directories[i];
        if (!is_own(entry.origin)) {
            continue;
        }
        if (containment_.denied_throughout(entry.pattern)) {
            findings_.add(Severity::Warning, "never-matches", entry.origin.at, entry.text,
                          "`deny` refuses all of it; delete one of the two");
        }
        note_redundant(
            directories, i,
            [&](const PolicyEntry& wide, const PolicyEntry& inner) {
                return contains(wide, inner) && !brought_in_between(wide.pattern.path, inner.pattern.path);
            },
            findings_);
    }
}

// Whether a rule, or the project, brings the host's files into `wide`, and `inner` keeps some of them out
// again.
bool FileChecks::brought_in_between(const std::string& wide, const std::string& inner) const {
    const auto between = [&](const std::string& path) {
        return path != wide && is_within(path, wide) && is_within(inner, path);
    };
    return between(policy_.variables().get("project")) ||
           std::any_of(policy_.files().begin(), policy_.files().end(), [&](const PolicyRule& rule) {
               const bool glob = rule.pattern.extent == Extent::Glob && is_within(rule.pattern.path, wide);
               return glob || between(rule.pattern.path);
           });
}

void FileChecks::deny_patterns() {
    const auto& patterns = policy_.deny();
    for (size_t i = 0; i < patterns.size(); ++i) {
        if (is_own(patterns[i].origin)) {
            note_redundant(patterns, i, contains, findings_);
        }
    }
}

} // namespace

void lint_files(const LintInput& input, Findings& findings) {
    FileChecks(input, findings).run();
}

} // namespace treadline

#include <algorithm>

#include "profiler/lint_checks.h"
#include "profiles/environment_names.h"
#include "profiles/syscall_groups.h"

namespace treadline {
namespace {

bool contains(const PolicySyscalls& wide, const PolicySyscalls& entry) { // sorted, as expand() gives them
    return std::includes(wide.names.begin(), wide.names.end(), entry.names.begin(), entry.names.end());
}

void lint_calls(const LintInput& input, Findings& findings) {
    const auto& entries = input.policy.syscall_entries();
    for (size_t i = 0; i < entries.size(); ++i) {
        const PolicySyscalls& entry = entries[i];
        if (!is_own(entry.origin)) {
            continue;
        }
        if (const auto danger =
                entry.text.rfind('@', 0) == 0 ? std::nullopt : syscalls::danger_of(entry.text)) {
            findings.add(Severity::Warning, "dangerous-call", entry.origin.at, entry.text,
                         *danger + "; keep it only if the command cannot do without");
        }
        note_redundant(entries, i, contains, findings);
    }
}

// `NAME*` without its star.
std::string_view start_of(std::string_view rule) {
    return !rule.empty() && rule.back() == '*' ? rule.substr(0, rule.size() - 1) : rule;
}

bool has_star(std::string_view rule) {
    return start_of(rule).size() < rule.size();
}

bool passes(const PolicyVariable& wide, const PolicyVariable& variable) {
    // What deserves a closer look is passed by its whole name only.
    const bool by_name_only = secret_variable(variable.text) || code_variable(variable.text);
    return wide.text == variable.text || (has_star(wide.text) && !by_name_only &&
                                          start_of(variable.text).rfind(start_of(wide.text), 0) == 0);
}

void lint_variables(const LintInput& input, Findings& findings) {
    const auto& variables = input.policy.passed_variables();
    for (size_t i = 0; i < variables.size(); ++i) {
        const PolicyVariable& variable = variables[i];
        if (!is_own(variable.origin)) {
            continue;
        }
        const bool by_name = !has_star(variable.text);
        const auto secret = secret_variable(variable.text);
        const auto code = code_variable(variable.text);
        if (secret && by_name) {
            findings.add(Severity::Warning, "opens-credential", variable.origin.at, variable.text,
                         *secret + "; keep it only if the command cannot do without");
        } else if (code && by_name) {
            findings.add(Severity::Warning, "runs-code", variable.origin.at, variable.text,
                         *code + "; `set` it to a value of your own, or delete it");
        }
        note_redundant(variables, i, passes, findings);
    }
    for (const auto& [name, value] : input.profile.environment.set) {
        const auto passed =
            std::find_if(variables.begin(), variables.end(),
                         [&](const PolicyVariable& variable) { return variable.text == name; });
        if (passed != variables.end() && is_own(passed->origin)) {
            findings.add(Severity::Warning, "never-matches", passed->origin.at, name,
                         "is passed on and `set` to a value of its own; delete one of the two");
        }
    }
}

} // namespace

void lint_process(const LintInput& input, Findings& findings) {
    lint_calls(input, findings);
    lint_variables(input, findings);
}

} // namespace treadline

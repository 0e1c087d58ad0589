#include "profiler/look_alikes.h"

#include <algorithm>

#include "base/path.h"
#include "profiler/disk_survey.h"
#include "profiler/rule_text.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

// Packages bring keys for their tests, and so do projects: they open nothing.
bool is_test_data(std::string_view path) {
    for (; path.size() > 1; path = parent_path(path)) {
        if (!may_be_searched(file_name(path))) {
            return true;
        }
    }
    return false;
}

} // namespace

bool is_version_control(std::string_view name) {
    return name == ".git" || name == ".hg" || name == ".svn";
}

bool may_be_searched(std::string_view directory) {
    constexpr std::string_view names[] = {"node_modules", "site-packages", "vendor",   "test",
                                          "tests",        "__tests__",     "testdata", "fixtures",
                                          "__fixtures__", "spec",          "examples"};
    return !is_version_control(directory) &&
           std::find(std::begin(names), std::end(names), directory) == std::end(names);
}

void LookAlikeSearch::see(const std::string& directory, const DiskView::Entry& entry) {
    const std::string path = directory + "/" + entry.name;
    const Guard* guard = guards_.find(path, false);
    if (entry.directory || entry.symlink || is_test_data(directory) ||
        (guard != nullptr && guard->kind == GuardKind::Credential)) {
        return;
    }
    if (looks_like_a_credential(guards_, variables_, path)) {
        found_.push_back({variables_.shorten(path), "looks like a copy of a credential"});
    } else if (++opened_ <= most_opened && disk_.begins_private_key(path)) {
        found_.push_back({variables_.shorten(path), "holds a private key"});
    }
}

std::vector<ProposedRule> deny_look_alikes(const std::vector<LookAlike>& found,
                                           const std::vector<ProposedRule>& rules, const Policy* existing,
                                           const Variables& variables) {
    std::vector<Pattern> readable;
    for (const ProposedRule& rule : rules) {
        const auto [path, modes] =
            rule.section == Section::Files ? file_rule_parts(rule.text) : std::pair(std::string(), Modes());
        const auto expanded = modes.has(Mode::Read) ? variables.expand_pattern(path) : fail("");
        const auto pattern = expanded ? parse_pattern(*expanded) : fail("");
        if (pattern && rule.stands()) {
            readable.push_back(*pattern);
        }
    }
    std::vector<ProposedRule> denied;
    for (const LookAlike& file : found) {
        const std::string path = variables.expand(file.path).value_or("");
        const bool reached = std::any_of(readable.begin(), readable.end(),
                                         [&](const Pattern& pattern) { return pattern.matches(path); });
        if (reached || (existing != nullptr && existing->decide(Operation::Read, path).allowed)) {
            denied.push_back({Section::Deny, file.path, {}, ""});
            denied.back().remark = file.why + ", and was not used";
        }
    }
    return denied;
}

} // namespace treadline

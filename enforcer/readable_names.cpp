#include "enforcer/readable_names.h"

#include <algorithm>

#include "base/path.h"

namespace treadline {
namespace {

constexpr size_t max_directories = 16'384;
constexpr size_t max_length = 512; // a hostile program can name that many of 4 KiB each

// Whether the pattern may match a name directly in the directory.
bool may_match_in(const Pattern& pattern, std::string_view directory) {
    const std::string_view above = parent_path(pattern.path);
    return pattern.extent == Extent::Glob ? matches_glob(above, directory) : above == directory;
}

} // namespace

bool reads_every_name_in(const Policy& policy, std::string_view directory) {
    if (directory.empty() || directory.front() != '/' || normalise_path(directory) != directory || policy.denying(directory) != nullptr) {
        return false;
    }
    const bool granted = std::any_of(policy.files().begin(), policy.files().end(), [&](const PolicyRule& rule) {
        const bool every_name = rule.pattern.extent == Extent::Subtree ? is_within(directory, rule.pattern.path)
                                                                       : rule.pattern.extent == Extent::Names && rule.pattern.path == directory;
        return every_name && rule.modes.has(Mode::Read);
    });
    const auto refused_in = [&](const PolicyEntry& entry) { return may_match_in(entry.pattern, directory); };
    if (!granted || std::any_of(policy.deny().begin(), policy.deny().end(), refused_in)) {
        return false;
    }
    for (std::string_view at = directory; at != "/"; at = parent_path(at)) {
        if (policy.guards().may_reach(at)) {
            return false;
        }
    }
    return true;
}

bool ReadableNames::hold(std::string_view path) {
    const std::string_view name = file_name(path);
    if (policy_ == nullptr || name.empty() || policy_->guards().may_name(name)) {
        return false;
    }
    const std::string_view directory = parent_path(path);
    const auto known = directories_.find(directory);
    if (known != directories_.end()) {
        return known->second;
    }
    const bool readable = reads_every_name_in(*policy_, directory);
    if (directories_.size() < max_directories && directory.size() <= max_length) {
        directories_.emplace(directory, readable);
    }
    return readable;
}

} // namespace treadline

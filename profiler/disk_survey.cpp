#include "profiler/disk_survey.h"

#include <algorithm>

#include "base/path.h"
#include "profiler/volatile_names.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

bool is_version_control(std::string_view name) {
    return name == ".git" || name == ".hg" || name == ".svn";
}

// "" if nothing is left of it.
std::string_view without_copy_ending(std::string_view name) {
    constexpr std::string_view endings[] = {".bak", ".backup", ".old", ".orig", ".save", ".copy", ".1", "~"};
    for (const std::string_view ending : endings) {
        if (name.size() > ending.size() && name.ends_with(ending)) {
            return name.substr(0, name.size() - ending.size());
        }
    }
    return "";
}

bool is_guarded(const Guards& guards, const std::string& path) {
    const Guard* guard = guards.find(path, false);
    return guard != nullptr && guard->kind == GuardKind::Credential;
}

// Public packages hold keys for their tests; the system's own files have fixed places in the catalogue.
bool holds_public_files(std::string_view path) {
    constexpr std::string_view places[] = {"/usr", "/lib", "/lib64", "/bin",  "/sbin", "/etc",
                                           "/opt", "/nix", "/snap",  "/proc", "/sys",  "/dev"};
    return std::any_of(std::begin(places), std::end(places),
                       [&](std::string_view place) { return is_within(path, place); });
}

} // namespace

bool looks_like_a_credential(const Guards& guards, const Variables& variables, const std::string& path) {
    const std::string directory(parent_path(path));
    const bool in_home = is_within(path, variables.get("home"));
    for (std::string_view name = file_name(path); !name.empty(); name = without_copy_ending(name)) {
        if (is_guarded(guards, directory + "/" + std::string(name)) ||
            (!in_home && is_guarded(guards, variables.get("home") + "/anywhere/" + std::string(name)))) {
            return true;
        }
    }
    return false;
}

DiskSurvey::DiskSurvey(const AccessSet& set, const std::vector<Modes>& needs, const Variables& variables,
                       const Guards& guards, const DiskView& disk, HardLimits& limits)
    : at_(set.trie.size(), 0) {
    const PathTrie& trie = set.trie;
    std::vector<bool> needed(trie.size(), false); // here or below
    LookAlikeSearch search(guards, variables, disk);
    for (auto node = static_cast<Node>(trie.size()); node-- > 1;) {
        needed[node] = needed[node] || !needs[node].empty();
        if (needed[node]) {
            needed[trie.parent(node)] = true;
        }
        // What lies in a directory the run made is its own.
        if (trie.child_count(node) == 0 || !needed[node] || limits.is_shared(node) ||
            limits.is_another_users(node) || set.facts[node].created) {
            continue;
        }
        const std::string directory = variables.expand(trie.path(node)).value_or("/");
        const bool in_project = is_within(directory, variables.get("project"));
        const bool may_hold_secrets = !in_project && !holds_public_files(directory);
        DirectorySurvey survey;
        for (const DiskView::Entry& there : disk.list(directory, survey.truncated)) {
            survey.working_copy = survey.working_copy || is_version_control(there.name);
            if (may_hold_secrets &&
                looks_like_a_credential(guards, variables, directory + "/" + there.name)) {
                limits.secret_in(trie, node);
            }
            if (trie.find_child(node, escape_path(there.name)) == PathTrie::none) {
                ++(there.directory ? survey.directories : survey.files);
                survey.passing_files += !there.directory && kind_of_name(there.name) == NameKind::Volatile;
                if (in_project) {
                    search.see(directory, there);
                }
            }
        }
        at_[node] = static_cast<uint32_t>(surveys_.size() + 1);
        surveys_.push_back(survey);
    }
    look_alikes_ = search.found();
    std::sort(look_alikes_.begin(), look_alikes_.end(),
              [](const LookAlike& a, const LookAlike& b) { return a.path < b.path; });
}

} // namespace treadline

#include "profiler/disk_survey.h"

#include <algorithm>

#include "base/path.h"
#include "profiler/cost_model.h"
#include "profiler/unseen_search.h"
#include "profiler/volatile_names.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

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

// Where a file is some person's; caches and packages come from public places.
bool is_somebodys(std::string_view portable) {
    const PathClass path_class = class_of_path(portable);
    return path_class == PathClass::Home || path_class == PathClass::Elsewhere;
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
    std::vector<UnseenDirectory> unseen;
    const auto is_project = [&](const std::string& path) {
        return is_within(path, variables.get("project"));
    };
    const auto look_into = [&](const std::string& directory, Node below) {
        if (may_be_searched(file_name(directory)) &&
            (is_project(directory) || is_somebodys(variables.shorten(directory)))) {
            unseen.push_back({directory, below});
        }
    };
    for (auto node = static_cast<Node>(trie.size()); node-- > 1;) {
        needed[node] = needed[node] || !needs[node].empty();
        if (needed[node]) {
            needed[trie.parent(node)] = true;
        }
        if (trie.child_count(node) == 0 && needed[node] && set.facts[node].directory &&
            !set.facts[node].created) {
            look_into(variables.expand(trie.path(node)).value_or("/"),
                      trie.parent(node)); // listed, and no more
        }
        // What lies in a directory the run made is its own.
        if (trie.child_count(node) == 0 || !needed[node] || limits.is_shared(node) ||
            limits.is_another_users(node) || set.facts[node].created) {
            continue;
        }
        const std::string directory = variables.expand(trie.path(node)).value_or("/");
        const bool in_project = is_project(directory);
        const bool may_hold_secrets = !in_project && !holds_public_files(directory);
        const bool tells_users = variables.names_tell_users(directory);
        DirectorySurvey survey;
        for (const DiskView::Entry& there : disk.list(directory, survey.truncated)) {
            survey.working_copy = survey.working_copy || is_version_control(there.name);
            if (may_hold_secrets &&
                looks_like_a_credential(guards, variables, directory + "/" + there.name)) {
                limits.secret_in(trie, node);
            }
            const std::string written =
                tells_users ? variables.portable_name(there.name) : escape_path(there.name);
            if (trie.find_child(node, written) == PathTrie::none) {
                ++(there.directory ? survey.directories : survey.files);
                survey.passing_files += !there.directory && kind_of_name(there.name) == NameKind::Volatile;
                if (in_project) {
                    search.see(directory, there);
                }
                if (there.directory && !there.symlink) {
                    look_into(directory + "/" + there.name, node);
                }
            }
        }
        at_[node] = static_cast<uint32_t>(surveys_.size() + 1);
        surveys_.push_back(survey);
    }
    std::sort(unseen.begin(), unseen.end(),
              [](const UnseenDirectory& a, const UnseenDirectory& b) { return a.path < b.path; });
    const auto left = look_below(
        std::move(unseen), disk, [&](const UnseenDirectory& directory, const DiskView::Entry& entry) {
            if (is_project(directory.path)) {
                search.see(directory.path, entry);
                return may_be_searched(entry.name);
            }
            if (limits.bars_subtree(directory.below)) {
                return false;
            }
            if (is_version_control(entry.name) ||
                looks_like_a_credential(guards, variables, directory.path + "/" + entry.name)) {
                limits.secret_below(trie, directory.below);
            }
            return may_be_searched(entry.name);
        });
    for (const UnseenDirectory& directory : left) {
        if (is_project(directory.path)) {
            searched_project_ = false;
        } else { // as if it held one
            limits.secret_below(trie, directory.below);
        }
    }
    searched_project_ = searched_project_ && search.looked_into_all();
    look_alikes_ = search.found();
    std::sort(look_alikes_.begin(), look_alikes_.end(),
              [](const LookAlike& a, const LookAlike& b) { return a.path < b.path; });
}

} // namespace treadline

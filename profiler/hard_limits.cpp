#include "profiler/hard_limits.h"

#include "base/path.h"
#include "profiles/pattern.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

// Places below which everything belongs to somebody else, too: no rule may span them, only what lies deeper.
constexpr std::string_view too_wide[] = {
    "/var/lib", "/var/log",  "/var/cache", "/var/tmp", "/var/spool", "/var/run",
    "/var/opt", "/var/mail", "/dev/shm",   "/dev/pts", "/run/user",  "/usr/local",
};

// Below /home, yet nobody's home: where a package manager installs.
constexpr std::string_view no_home = "linuxbrew";

template <class Visit>
void for_each_child(const PathTrie& trie, std::string_view path, Visit visit) {
    const Node node = trie.find(path);
    if (node == PathTrie::none) {
        return;
    }
    for (uint32_t i = 0; i < trie.child_count(node); ++i) {
        visit(trie.first_child(node) + i);
    }
}

} // namespace

HardLimits::HardLimits(const AccessSet& set, const Variables& variables, const Guards& guards)
    : at_(set.trie.size()) {
    refuse_shared(set, variables);
    refuse_other_users(set);
    refuse_above_credentials(set, variables, guards);
}

// The roots of all variables but ${project}, the first level, and what contains a home, the project or
// another root.
void HardLimits::refuse_shared(const AccessSet& set, const Variables& variables) {
    const PathTrie& trie = set.trie;
    const auto refuse = [&](Node node) {
        if (node != PathTrie::none) {
            at_[node].shared = true;
        }
    };
    refuse(PathTrie::top);
    for (const std::string_view path : too_wide) {
        refuse(trie.find(path));
    }
    for (uint32_t i = 0; i < trie.child_count(PathTrie::top); ++i) {
        const Node root = trie.first_child(PathTrie::top) + i;
        if (trie.name(root) != "${project}") {
            refuse(root);
        }
    }
    for (const char* parent : {"/", "/home", "/run/user", "/mnt", "/media"}) {
        for_each_child(trie, parent, refuse);
    }
    for (const char* name : {"project", "home", "tmp", "cache", "config", "data", "state", "runtime"}) {
        const std::string& value = variables.get(name);
        for (std::string_view path = value; path.size() > 1; path = parent_path(path)) {
            refuse(trie.find(escape_path(path))); // the way to it, as an absolute path…
            if (path != value) {
                refuse(trie.find(variables.shorten(path))); // …or below another variable
            }
        }
    }
    if (is_within(variables.get("home"), variables.get("project"))) {
        refuse(trie.find("${project}"));
    }
}

void HardLimits::refuse_other_users(const AccessSet& set) {
    const PathTrie& trie = set.trie;
    for_each_child(trie, "/home", [&](Node home) { at_[home].others = trie.name(home) != no_home; });
    if (const Node root = trie.find("/root"); root != PathTrie::none) {
        at_[root].others = true;
    }
    for (Node node = 1; node < trie.size(); ++node) { // parents come first
        at_[node].others = at_[node].others || at_[trie.parent(node)].others;
    }
}

void HardLimits::refuse_above_credentials(const AccessSet& set, const Variables& variables,
                                          const Guards& guards) {
    const PathTrie& trie = set.trie;
    const std::string& project = variables.get("project");
    // Of a path that may not be in the trie: its directory, or the deepest one above it that is.
    const auto refuse = [&](std::string_view path) {
        bool directly = true;
        for (path = parent_path(path); path.size() > 1; path = parent_path(path)) {
            if (const Node node = trie.find(variables.shorten(path)); node != PathTrie::none) {
                at_[node].secret_in = at_[node].secret_in || directly;
                secret_below(trie, node);
                return;
            }
            directly = false;
        }
    };
    for (const Guards::Place& place : guards.places()) {
        if (guards.all()[place.guard].kind != GuardKind::Credential || place.path.empty()) {
            continue;
        }
        // Of a pattern, what stands before the first name that is not fixed.
        const size_t wildcard = place.glob ? place.path.find('*') : std::string::npos;
        const std::string fixed = place.path.substr(0, wildcard);
        if (!is_within(fixed, project)) {
            refuse(fixed);
        }
    }
    for (const GuardedAccess& access : set.guarded) {
        const auto path = variables.expand(access.path);
        if (access.kind == GuardKind::Credential && path && !is_within(*path, project)) {
            refuse(*path);
        }
    }
}

void HardLimits::secret_in(const PathTrie& trie, Node directory) {
    at_[directory].secret_in = true;
    secret_below(trie, directory);
}

void HardLimits::secret_below(const PathTrie& trie, Node directory) {
    // Above one that is marked, all are.
    for (Node above = directory; above != PathTrie::none && !at_[above].secret_below;
         above = trie.parent(above)) {
        at_[above].secret_below = true;
    }
}

} // namespace treadline

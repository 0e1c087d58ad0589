#include "profiler/cost_model.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/path.h"

namespace treadline {
namespace {

struct Place {
    std::string_view path; // portable
    PathClass path_class;
};

// Where a class begins; it reaches down to the next place named here.
constexpr Place places[] = {
    {"/usr", PathClass::System},          {"/lib", PathClass::System},
    {"/lib64", PathClass::System},        {"/bin", PathClass::System},
    {"/sbin", PathClass::System},         {"/opt", PathClass::System},
    {"/nix", PathClass::System},          {"/snap", PathClass::System},
    {"/var/lib/dpkg", PathClass::System}, {"/var/cache/fontconfig", PathClass::System},
    {"/etc", PathClass::Config},          {"/proc", PathClass::Kernel},
    {"/sys", PathClass::Kernel},          {"/dev", PathClass::Device},
    {"/dev/shm", PathClass::Temporary},   {"/run", PathClass::Runtime},
    {"/tmp", PathClass::Temporary},       {"/var/tmp", PathClass::Temporary},
    {"/home", PathClass::Home},           {"/root", PathClass::Home},
    {"/srv", PathClass::Elsewhere},       {"/mnt", PathClass::Elsewhere},
    {"/media", PathClass::Elsewhere},     {"/var", PathClass::Elsewhere},
    {"${project}", PathClass::Project},   {"${home}", PathClass::Home},
    {"${config}", PathClass::Home},       {"${data}", PathClass::Home},
    {"${state}", PathClass::Home},        {"${cache}", PathClass::Cache},
    {"${tmp}", PathClass::Temporary},     {"${runtime}", PathClass::Runtime},
};

// Places below which everything belongs to somebody else, too: no rule may span them, only what lies deeper.
constexpr std::string_view too_wide[] = {
    "/var/lib", "/var/log",  "/var/cache", "/var/tmp", "/var/spool", "/var/run",
    "/var/opt", "/var/mail", "/dev/shm",   "/dev/pts", "/run/user",  "/usr/local",
};

// Trees of language packages and toolchains, by the name of their directory (and of the one above it).
bool is_module_tree(std::string_view parent, std::string_view name) {
    constexpr std::string_view names[] = {"node_modules", "site-packages", "dist-packages", ".nvm",
                                          ".rustup",      ".pyenv",        ".rbenv",        ".sdkman",
                                          ".venv",        "venv"};
    if (std::find(std::begin(names), std::end(names), name) != std::end(names)) {
        return true;
    }
    return (parent == ".cargo" && name == "registry") || (parent == "pkg" && name == "mod") ||
           (parent == ".m2" && name == "repository");
}

// Directories of the system in which programs lie that belong together, as opposed to /usr/bin.
bool holds_program_family(std::string_view path) {
    constexpr std::string_view families[] = {
        "/usr/lib",   "/usr/lib64", "/usr/libexec", "/usr/local/lib", "/usr/local/libexec",
        "/usr/share", "/opt",       "/nix",         "/snap"};
    return std::any_of(std::begin(families), std::end(families),
                       [&](std::string_view family) { return path != family && is_within(path, family); });
}

bool differs_between_runs(uint64_t own, uint64_t parent) {
    return std::popcount(parent) >= 2 && own != 0 && own != parent;
}

} // namespace

Weight entry_weight(PathClass path_class, Mode mode) {
    struct Weights {
        Weight read, write, create, execute;
    };
    // Modes from left to right: read, write, create/delete, execute.
    constexpr auto weights = [](PathClass of) -> Weights {
        switch (of) {
        case PathClass::System: // public; not to be changed
            return {one_entry / 10'000, 10 * one_entry, 10 * one_entry, one_entry / 50};
        case PathClass::Config: // mostly public
            return {one_entry / 50, 20 * one_entry, 20 * one_entry, 10 * one_entry};
        case PathClass::Modules: // public packages, though a copy of one's own
            return {one_entry / 2000, one_entry / 20, one_entry / 50, one_entry / 50};
        case PathClass::Project: // the command was started to work on it
            return {one_entry / 500, one_entry / 20, one_entry / 50, one_entry / 10};
        case PathClass::Cache: // can be had again
            return {one_entry / 20, one_entry / 20, one_entry / 20, one_entry / 2};
        case PathClass::Home: // whatever the person has
            return {one_entry / 2, 2 * one_entry, one_entry, 5 * one_entry};
        case PathClass::Temporary: // other programs' files
            return {one_entry / 2, one_entry / 2, one_entry / 2, one_entry};
        case PathClass::Kernel: // the sandbox's own /proc; /sys describes hardware
            return {one_entry / 1000, 20 * one_entry, 20 * one_entry, 20 * one_entry};
        case PathClass::Device:
            return {10 * one_entry, 20 * one_entry, 20 * one_entry, 20 * one_entry};
        case PathClass::Runtime: // other programs' sockets and locks
            return {5 * one_entry, 5 * one_entry, 5 * one_entry, 20 * one_entry};
        case PathClass::Elsewhere: // data nobody here knows
            return {3 * one_entry / 10, one_entry, one_entry, 2 * one_entry};
        case PathClass::Nothing:
            return {20 * one_entry, 20 * one_entry, 20 * one_entry, 20 * one_entry};
        }
        return {20 * one_entry, 20 * one_entry, 20 * one_entry, 20 * one_entry};
    };
    const Weights row = weights(path_class);
    switch (mode) {
    case Mode::Read:
        return row.read;
    case Mode::Write:
        return row.write;
    case Mode::Create:
        return row.create;
    case Mode::Execute:
        return row.execute;
    }
    return row.execute;
}

CostModel::CostModel(const AccessSet& set, const Variables& variables)
    : facts_(set.trie.size()), project_(set.trie.find("${project}")) {
    judge_upwards(set);
    judge_downwards(set, variables);
}

MilliLines CostModel::subtree_surcharge(PathTrie::Node node, Modes added) const {
    const bool writable = added.has(Mode::Write) || added.has(Mode::Create);
    return node == project_ && writable ? cost::whole_project_writable : 0;
}

void CostModel::judge_upwards(const AccessSet& set) {
    const PathTrie& trie = set.trie;
    for (auto node = static_cast<PathTrie::Node>(trie.size()); node-- > 1;) {
        Facts& facts = facts_[node];
        const NodeFacts& seen = set.facts[node];
        const NameKind kind = kind_of_name(trie.name(node));
        facts.is_volatile = kind == NameKind::Volatile;
        facts.is_version = kind == NameKind::Version;
        // What nobody made was there before, and stays. Of a guarded path nothing is known here.
        facts.nothing_known = !seen.touched;
        facts.transient_subtree = seen.touched && seen.created && seen.gone;
        facts.only_volatile_below = trie.child_count(node) > 0;
        for (uint32_t i = 0; i < trie.child_count(node); ++i) {
            const Facts& child = facts_[trie.first_child(node) + i];
            facts.nothing_known = facts.nothing_known && child.nothing_known;
            facts.transient_subtree =
                facts.transient_subtree && (child.transient_subtree || child.nothing_known);
            facts.only_volatile_below = facts.only_volatile_below && child.is_volatile;
            facts.varying_children +=
                differs_between_runs(set.facts[trie.first_child(node) + i].runs, seen.runs);
        }
        // "objects/3f/2a9c…": two or three hexadecimal digits that lead to nothing but hashes are one, too.
        const std::string_view name = trie.name(node);
        if (facts.only_volatile_below && name.size() >= 2 && name.size() <= 3 &&
            name.find_first_not_of("0123456789abcdef") == std::string_view::npos) {
            facts.is_volatile = true;
        }
    }
}

void CostModel::judge_downwards(const AccessSet& set, const Variables& variables) {
    const PathTrie& trie = set.trie;
    for (const Place& place : places) {
        if (const PathTrie::Node node = trie.find(place.path); node != PathTrie::none) {
            facts_[node].path_class = place.path_class;
        }
    }
    // What no rule may span: the roots of all variables but ${project}, the first level, and what contains a
    // home, the project or another root.
    std::vector<bool> unfoldable(trie.size(), false);
    const auto refuse = [&](PathTrie::Node node) {
        if (node != PathTrie::none) {
            unfoldable[node] = true;
        }
    };
    refuse(PathTrie::top);
    for (const std::string_view path : too_wide) {
        refuse(trie.find(path));
    }
    for (uint32_t i = 0; i < trie.child_count(PathTrie::top); ++i) {
        const PathTrie::Node root = trie.first_child(PathTrie::top) + i;
        if (trie.name(root) != "${project}") {
            refuse(root);
        }
    }
    if (const PathTrie::Node root = trie.find("/"); root != PathTrie::none) {
        for (uint32_t i = 0; i < trie.child_count(root); ++i) {
            refuse(trie.first_child(root) + i);
        }
    }
    for (const char* parent : {"/home", "/run/user", "/mnt", "/media"}) {
        if (const PathTrie::Node node = trie.find(parent); node != PathTrie::none) {
            for (uint32_t i = 0; i < trie.child_count(node); ++i) {
                refuse(trie.first_child(node) + i);
            }
        }
    }
    for (const char* name : {"project", "home", "tmp", "cache", "config", "data", "state", "runtime"}) {
        const std::string& value = variables.get(name);
        for (std::string_view path = value; path.size() > 1; path = parent_path(path)) {
            refuse(trie.find(path)); // the way to it, as an absolute path…
            if (path != value) {
                refuse(trie.find(variables.shorten(path))); // …or below another variable
            }
        }
    }
    if (is_within(variables.get("home"), variables.get("project"))) {
        refuse(trie.find("${project}"));
    }

    for (PathTrie::Node node = 1; node < trie.size(); ++node) {
        const PathTrie::Node parent = trie.parent(node);
        const Facts& above = facts_[parent];
        const NodeFacts& seen = set.facts[node];
        Facts& facts = facts_[node];
        if (facts.path_class == PathClass::Nothing) {
            facts.path_class = above.path_class;
            if (facts.path_class == PathClass::Nothing && parent != PathTrie::top) {
                facts.path_class = PathClass::Elsewhere;
            }
            const bool elsewhere =
                facts.path_class == PathClass::Config || facts.path_class == PathClass::Device;
            if (!elsewhere && is_module_tree(trie.name(parent), trie.name(node))) {
                facts.path_class = PathClass::Modules;
            }
        }

        facts.is_volatile =
            facts.is_volatile || (above.path_class == PathClass::Temporary && above.may_be_private &&
                                  seen.created && seen.directory && has_drawn_suffix(trie.name(node)));
        MilliLines penalty = above.penalty;
        if (facts.is_volatile && !above.is_volatile) {
            penalty += cost::volatile_name;
        } else if (facts.is_version) {
            penalty += cost::version_name;
        }
        facts.is_volatile = facts.is_volatile || above.is_volatile;
        if (facts.transient_subtree && !above.transient_subtree) {
            penalty += cost::transient_name;
        }
        if (differs_between_runs(seen.runs, set.facts[parent].runs)) {
            if (above.varying_children >= 2) {
                penalty += cost::varying_name;
            }
        }
        facts.penalty = penalty;

        // Temporary places as a whole; elsewhere only a directory that was there, and in which everything
        // came and went. Below the project a plain rule does.
        const bool temporary_root =
            facts.path_class == PathClass::Temporary && above.path_class != PathClass::Temporary;
        bool all_went = trie.child_count(node) > 0 && unfoldable[node] == false &&
                        (facts.path_class == PathClass::Home || facts.path_class == PathClass::Cache ||
                         facts.path_class == PathClass::Elsewhere);
        for (uint32_t i = 0; i < trie.child_count(node) && all_went; ++i) {
            all_went = facts_[trie.first_child(node) + i].transient_subtree;
        }
        facts.may_be_private = temporary_root || (all_went && !(seen.touched && seen.created));
        facts.made_in_private =
            seen.created && seen.touched && (above.may_be_private || above.made_in_private);
        facts.is_result = facts.made_in_private && !seen.directory && !seen.gone && !facts.is_volatile;

        facts.must_be_whole =
            !unfoldable[node] && facts.path_class != PathClass::Nothing && remade_directory(set, node);
        if (unfoldable[node] || trie.child_count(node) == 0) {
            continue;
        }
        Modes foldable = Mode::Read | Mode::Write | Mode::Create;
        switch (facts.path_class) {
        case PathClass::System:
            if (holds_program_family(trie.path(node))) {
                foldable |= Mode::Execute;
            }
            break;
        case PathClass::Modules:
        case PathClass::Project:
        case PathClass::Cache:
            foldable |= Mode::Execute;
            break;
        case PathClass::Temporary:
            if (seen.created) { // its own programs, as configure scripts build them
                foldable |= Mode::Execute;
            }
            break;
        case PathClass::Nothing:
            foldable = Modes::none();
            break;
        default:
            break;
        }
        facts.foldable = foldable;
    }
}

} // namespace treadline

#include "profiler/cost_model.h"

#include <algorithm>
#include <bit>

#include "base/path.h"
#include "profiler/volatile_names.h"

namespace treadline {
namespace {

struct Place {
    std::string_view path; // portable
    PathClass path_class;
};

// Where a class begins; it reaches down to the next place named here.
constexpr Place places[] = {
    {"/usr", PathClass::System},
    {"/lib", PathClass::System},
    {"/lib64", PathClass::System},
    {"/bin", PathClass::System},
    {"/sbin", PathClass::System},
    {"/opt", PathClass::System},
    {"/nix", PathClass::System},
    {"/snap", PathClass::System},
    {"/var/lib/dpkg", PathClass::System},
    {"/var/cache/fontconfig", PathClass::System},
    {"/etc", PathClass::Config},
    {"/proc", PathClass::Kernel},
    {"/sys", PathClass::Kernel},
    {"/dev", PathClass::Device},
    {"/dev/shm", PathClass::Temporary},
    {"/run", PathClass::Runtime},
    {"/tmp", PathClass::Temporary},
    {"/var/tmp", PathClass::Temporary},
    {"/home/linuxbrew", PathClass::Modules},
    {"/srv", PathClass::Elsewhere},
    {"/mnt", PathClass::Elsewhere},
    {"/media", PathClass::Elsewhere},
    {"/var", PathClass::Elsewhere},
    {"${project}", PathClass::Project},
    {"${home}", PathClass::Home},
    {"${config}", PathClass::Home},
    {"${data}", PathClass::Home},
    {"${state}", PathClass::Home},
    {"${cache}", PathClass::Cache},
    {"${tmp}", PathClass::Temporary},
    {"${runtime}", PathClass::Runtime},
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

// What tools keep in a home to save a download, outside ${cache}.
bool is_cache_tree(std::string_view parent, std::string_view name) {
    constexpr std::string_view names[] = {".npm", ".ccache", ".yarn", ".pnpm-store", ".node-gyp"};
    return std::find(std::begin(names), std::end(names), name) != std::end(names) ||
           (parent == ".gradle" && name == "caches") || (parent == ".ivy2" && name == "cache") ||
           (parent == ".nuget" && name == "packages");
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

PathClass class_of_path(std::string_view portable) {
    const Place* nearest = nullptr;
    for (const Place& place : places) {
        if (is_within(portable, place.path) &&
            (nearest == nullptr || place.path.size() > nearest->path.size())) {
            nearest = &place;
        }
    }
    PathClass path_class = nearest == nullptr ? PathClass::Elsewhere : nearest->path_class;
    std::string_view parent;
    for (const std::string_view name : portable_components(portable)) {
        if (is_module_tree(parent, name)) {
            path_class = PathClass::Modules;
        } else if (path_class == PathClass::Home && is_cache_tree(parent, name)) {
            path_class = PathClass::Cache;
        }
        parent = name;
    }
    return path_class;
}

CostModel::CostModel(const AccessSet& set, const Costs& costs, const HardLimits& limits,
                     const DiskSurvey& survey)
    : costs_(costs), facts_(set.trie.size()), project_(set.trie.find("${project}")) {
    judge_upwards(set);
    judge_downwards(set, limits, survey);
}

MilliLines CostModel::subtree_surcharge(PathTrie::Node node, Modes added) const {
    const bool writable = added.has(Mode::Write) || added.has(Mode::Create);
    return node == project_ && writable ? costs_.whole_project_writable * costs_.tightness / 1000 : 0;
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

void CostModel::judge_downwards(const AccessSet& set, const HardLimits& limits, const DiskSurvey& survey) {
    const PathTrie& trie = set.trie;
    for (const Place& place : places) {
        if (const PathTrie::Node node = trie.find(place.path); node != PathTrie::none) {
            facts_[node].path_class = place.path_class;
        }
    }
    for (PathTrie::Node node = 1; node < trie.size(); ++node) {
        const PathTrie::Node parent = trie.parent(node);
        const Facts& above = facts_[parent];
        const NodeFacts& seen = set.facts[node];
        Facts& facts = facts_[node];
        if (facts.path_class == PathClass::Nothing) {
            facts.path_class =
                limits.is_another_users(node) ? PathClass::OtherUser : class_below(set, survey, node);
        }

        const bool varies =
            differs_between_runs(seen.runs, set.facts[parent].runs) && above.varying_children >= 2;
        facts.is_volatile = facts.is_volatile ||
                            ((seen.exclusive || (seen.made && seen.directory)) && // mkdir(2) is
                             is_drawn(drawn_shape(trie.name(node)),
                                      {true, seen.gone, varies, facts.path_class == PathClass::Temporary}));
        MilliLines penalty = above.penalty;
        if (facts.is_volatile && !above.is_volatile) {
            penalty += costs_.volatile_name;
        } else if (facts.is_version) {
            penalty += costs_.version_name;
        }
        facts.is_volatile = facts.is_volatile || above.is_volatile;
        if (facts.transient_subtree && !above.transient_subtree) {
            penalty += costs_.transient_name;
        }
        if (varies) {
            penalty += costs_.varying_name;
        }
        facts.penalty = penalty;

        // Temporary places as a whole; elsewhere only a directory that was there, and in which everything
        // came and went. Below the project a plain rule does.
        const bool temporary_root =
            facts.path_class == PathClass::Temporary && above.path_class != PathClass::Temporary;
        bool all_went = trie.child_count(node) > 0 && !limits.is_shared(node) &&
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
            !limits.is_shared(node) && facts.path_class != PathClass::Nothing && remade_directory(set, node);
        facts.bars_names = limits.bars_names(node);
        facts.bars_subtree = limits.bars_subtree(node);
        facts.foldable = trie.child_count(node) == 0 ? Modes::none() : foldable_by_class(set, node);
    }
}

// Of what lies in no place with a class of its own.
PathClass CostModel::class_below(const AccessSet& set, const DiskSurvey& survey, PathTrie::Node node) const {
    const PathTrie& trie = set.trie;
    const PathTrie::Node parent = trie.parent(node);
    PathClass path_class = facts_[parent].path_class;
    if (path_class == PathClass::Nothing && parent != PathTrie::top) {
        path_class = PathClass::Elsewhere;
    }
    if (path_class == PathClass::Config || path_class == PathClass::Device) {
        return path_class;
    }
    if (is_module_tree(trie.name(parent), trie.name(node))) {
        return PathClass::Modules;
    }
    if (path_class == PathClass::Home && is_cache_tree(trie.name(parent), trie.name(node))) {
        return PathClass::Cache;
    }
    const bool somebodys = path_class == PathClass::Home || path_class == PathClass::Elsewhere;
    return somebodys && survey.of(node).working_copy ? PathClass::OtherProject : path_class;
}

Modes CostModel::foldable_by_class(const AccessSet& set, PathTrie::Node node) const {
    const Modes files = Mode::Read | Mode::Write | Mode::Create;
    switch (facts_[node].path_class) {
    case PathClass::System:
        return holds_program_family(set.trie.path(node)) ? files | Mode::Execute : files;
    case PathClass::Modules:
    case PathClass::Project:
    case PathClass::Cache:
        return files | Mode::Execute;
    case PathClass::Temporary: // its own programs, as configure scripts build them
        return set.facts[node].created ? files | Mode::Execute : files;
    case PathClass::OtherUser:
    case PathClass::Nothing:
        return Modes::none();
    default:
        return files;
    }
}

} // namespace treadline

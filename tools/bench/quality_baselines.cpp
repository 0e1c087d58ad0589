#include "tools/bench/quality_baselines.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

namespace treadline {
namespace {

using Node = PathTrie::Node;

std::vector<Modes> needs_of(const AccessSet& set) {
    std::vector<Modes> needs(set.trie.size(), Modes::none());
    for (const AccessRecord& record : set.records) {
        needs[record.node] |= record.modes;
    }
    return needs;
}

bool is_place(const AccessSet& set, Node node) { // not "/", nor what stands above it
    return node != PathTrie::top && set.trie.path(node) != "/";
}

std::string below(const std::string& path, std::string_view what) {
    return (path == "/" ? path : path + "/") + std::string(what);
}

// Rules for trees and for the names in a directory, by node; what they grant is taken out of what is needed.
struct Folds {
    std::vector<Modes> tree, names;
};

std::vector<FileRule> rules_of(const AccessSet& set, const std::vector<Modes>& needs, const Folds& folds) {
    std::vector<FileRule> rules;
    std::vector<Modes> granted(set.trie.size(), Modes::none()); // by trees, to the node and what is below
    for (Node node = 1; node < set.trie.size(); ++node) {
        const Node parent = set.trie.parent(node);
        const std::string path = set.trie.path(node);
        granted[node] = granted[parent];
        if (const Modes tree = folds.tree[node].without(granted[node]); !tree.empty()) {
            rules.push_back({below(path, "**"), folds.tree[node], {}});
            granted[node] |= folds.tree[node];
        }
        const Modes names = folds.names[node].without(granted[node]);
        if (!names.empty()) {
            rules.push_back({below(path, ""), folds.names[node], {}});
        }
        const Modes left = needs[node].without(granted[node] | folds.names[parent] | names);
        if (!left.empty()) {
            rules.push_back({path, needs[node], {}});
        }
    }
    return rules;
}

int bounds_passed(size_t value, std::initializer_list<size_t> bounds) {
    return static_cast<int>(
        std::count_if(bounds.begin(), bounds.end(), [&](size_t bound) { return value > bound; }));
}

bool full_of_files(const std::string& path) {
    static constexpr std::array<std::string_view, 5> places{"/usr/share", "/usr/lib", "/lib", "/tmp",
                                                            "${tmp}"};
    return std::any_of(places.begin(), places.end(), [&](std::string_view place) {
        return path.rfind(place, 0) == 0 && (path.size() == place.size() || path[place.size()] == '/');
    });
}

// What lies below a directory, itself not counted.
struct Below {
    size_t leaves = 0, all = 0, height = 0;
    bool write_only = false, read_only = false;
    Modes modes, leaf_modes;
};

} // namespace

std::vector<FileRule> exact_rules(const AccessSet& set) {
    const std::vector<Modes> none(set.trie.size(), Modes::none());
    return rules_of(set, needs_of(set), {none, none});
}

std::vector<FileRule> rules_folded_at(const AccessSet& set, size_t siblings) {
    const std::vector<Modes> needs = needs_of(set);
    const std::vector<Modes> none(set.trie.size(), Modes::none());
    std::vector<size_t> files(set.trie.size(), 0);
    std::vector<Modes> modes(none);
    for (Node node = 1; node < set.trie.size(); ++node) {
        if (set.trie.child_count(node) == 0 && !needs[node].empty()) {
            ++files[set.trie.parent(node)];
            modes[set.trie.parent(node)] |= needs[node];
        }
    }
    for (Node node = 0; node < set.trie.size(); ++node) {
        if (files[node] < siblings || !is_place(set, node)) {
            modes[node] = Modes::none();
        }
    }
    return rules_of(set, needs, {modes, none});
}

std::vector<FileRule> gradm_rules(const AccessSet& set) {
    const size_t size = set.trie.size();
    std::vector<Modes> needs = needs_of(set);
    Folds folds{std::vector<Modes>(size, Modes::none()), std::vector<Modes>(size, Modes::none())};
    std::vector<Below> below(size);
    std::vector<size_t> depth(size, 0);
    for (Node node = 1; node < size; ++node) {
        depth[node] = depth[set.trie.parent(node)] + 1;
    }
    for (Node node = static_cast<Node>(size - 1); node > 0; --node) { // parents have lower numbers
        Below& its = below[node];
        bool leaf = its.all == 0;
        if (!leaf && is_place(set, node)) {
            int score = bounds_passed(its.leaves, {3, 6, 10, 15, 20}) +
                        bounds_passed(depth[node], {2, 4, 6}) + bounds_passed(its.all, {5, 10, 20, 40, 80}) +
                        bounds_passed(its.height, {2, 4, 6});
            if (full_of_files(set.trie.path(node)) && (its.leaves > 2 || its.all > 5)) {
                score *= 2;
            }
            if (!its.write_only || !its.read_only) {
                score *= 2;
            }
            if (score >= 8) {
                folds.tree[node] = its.modes | needs[node];
                leaf = true; // from now on one thing
            } else if (score >= 4 && its.leaves > 0) {
                folds.names[node] = its.leaf_modes;
            }
        }
        const Modes modes = needs[node] | its.modes;
        const bool reads = modes.has(Mode::Read) || modes.has(Mode::Execute);
        const bool writes = modes.has(Mode::Write) || modes.has(Mode::Create);
        Below& above = below[set.trie.parent(node)];
        above.modes |= modes;
        above.write_only = above.write_only || its.write_only || (writes && !reads);
        above.read_only = above.read_only || its.read_only || (reads && !writes);
        above.height = std::max(above.height, leaf ? size_t{1} : its.height + 1);
        above.all += leaf ? 1 : its.all + 1;
        if (leaf) {
            ++above.leaves;
            above.leaf_modes |= modes;
        }
    }
    return rules_of(set, needs, folds);
}

} // namespace treadline

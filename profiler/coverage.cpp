#include "profiler/coverage.h"

#include "base/path.h"
#include "base/text.h"

namespace treadline {
namespace {

using Node = PathTrie::Node;

struct Grants {
    Modes own;   // the node itself
    Modes names; // its children
    Modes below; // itself and everything below
    bool is_private = false;
    bool denied = false;       // itself and everything below, as decide() has it
    bool denied_names = false; // its children
};

} // namespace

std::vector<Node> nodes_named(const PathTrie& trie, const Variables& variables, const Pattern& pattern) {
    if (pattern.extent != Extent::Glob) {
        const Node node = trie.find(variables.shorten(pattern.path));
        return node == PathTrie::none ? std::vector<Node>{} : std::vector<Node>{node};
    }
    const std::vector<std::string_view> parts = path_components(pattern.path);
    std::string literal;
    size_t at = 0;
    while (at < parts.size() && !has_wildcard(parts[at])) {
        literal += '/';
        literal += unescape_path(parts[at]).value_or(std::string(parts[at]));
        ++at;
    }
    std::vector<Node> nodes;
    if (const Node start = trie.find(variables.shorten(literal.empty() ? "/" : literal));
        start != PathTrie::none) {
        nodes.push_back(start);
    }
    for (; at < parts.size(); ++at) {
        std::vector<Node> next;
        for (const Node node : nodes) {
            for (uint32_t i = 0; i < trie.child_count(node); ++i) {
                const Node child = trie.first_child(node) + i;
                const std::string_view written = trie.name(child);
                const bool plain = written.find_first_of("\\$") == std::string_view::npos;
                if (plain ? matches_glob(parts[at], written)
                          : matches_glob(parts[at], variables.expand(written).value_or(""))) {
                    next.push_back(child);
                }
            }
        }
        nodes = std::move(next);
    }
    return nodes;
}

Coverage coverage(const AccessSet& set, const Policy& policy) {
    const PathTrie& trie = set.trie;
    const Variables& variables = policy.variables();
    std::vector<Grants> grants(trie.size());
    for (const PolicyRule& rule : policy.files()) {
        for (const Node node : nodes_named(trie, variables, rule.pattern)) {
            Grants& here = grants[node];
            here.own |= rule.modes;
            if (rule.pattern.extent == Extent::Names) {
                here.names |= rule.modes;
            } else if (rule.pattern.extent == Extent::Subtree) {
                here.below |= rule.modes;
            }
        }
    }
    for (const PolicyEntry& entry : policy.private_directories()) {
        for (const Node node : nodes_named(trie, variables, entry.pattern)) {
            grants[node].is_private = true;
        }
    }
    for (const PolicyEntry& entry : policy.deny()) {
        for (const Node node : nodes_named(trie, variables, entry.pattern)) {
            Grants& here = grants[node];
            here.denied = true;
            here.denied_names |= entry.pattern.extent == Extent::Names;
        }
    }
    // A variable's folder stands beside "/" in the trie, but below it on the disk: ask the patterns
    // themselves.
    for (uint32_t i = 0; i < trie.child_count(PathTrie::top); ++i) {
        const Node root = trie.first_child(PathTrie::top) + i;
        const auto absolute = variables.expand(trie.path(root));
        if (!absolute || *absolute == "/") {
            continue;
        }
        for (const PolicyRule& rule : policy.files()) {
            if (rule.pattern.matches(*absolute)) {
                grants[root].own |= rule.modes;
                if (rule.pattern.extent == Extent::Subtree) {
                    grants[root].below |= rule.modes;
                }
            }
        }
        for (const PolicyEntry& entry : policy.deny()) {
            if (entry.pattern.matches(*absolute)) {
                grants[root].denied = true;
            }
        }
    }

    Coverage covered{std::vector<Modes>(trie.size()), std::vector<bool>(trie.size(), false)};
    std::vector<bool> in_private(trie.size(), false);
    constexpr Modes private_grant = Mode::Read | Mode::Write | Mode::Create;
    for (Node node = 1; node < trie.size(); ++node) {
        Grants& here = grants[node];
        const Grants& above = grants[trie.parent(node)];
        here.below |= above.below;
        here.denied = here.denied || above.denied || above.denied_names;
        Modes modes = here.own | above.names;
        if (remade_directory(set, node)) {
            modes = modes.without(Mode::Create); // only a rule for the whole tree outlives it
        }
        modes |= here.below;
        const bool made_there =
            (above.is_private || in_private[trie.parent(node)]) && set.facts[node].created;
        if (here.is_private || made_there) {
            modes |= private_grant;
        }
        in_private[node] = made_there;
        covered.denied[node] = here.denied;
        covered.granted[node] = here.denied ? Modes::none() : modes;
    }
    return covered;
}

} // namespace treadline

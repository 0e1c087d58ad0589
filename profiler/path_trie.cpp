#include "profiler/path_trie.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <numeric>

#include "base/text.h"

namespace treadline {
namespace {
constexpr size_t block_size = 64 * 1024; // of name text
}

std::vector<std::string_view> portable_components(std::string_view portable) {
    std::vector<std::string_view> names = split(portable, '/');
    if (portable == "/") {
        names.pop_back();
    }
    return names;
}

PathTrie::PathTrie() : nodes_(1), slots_(1024) {}

uint32_t PathTrie::hash(Node parent, std::string_view name) {
    const uint64_t mixed =
        (std::hash<std::string_view>{}(name) + parent * uint64_t{0x9E3779B97F4A7C15}) * 0xBF58476D1CE4E5B9;
    return static_cast<uint32_t>(mixed >> 32);
}

std::string_view PathTrie::keep(std::string_view name) {
    if (names_.empty() || names_.back().capacity() - names_.back().size() < name.size()) {
        names_.emplace_back().reserve(std::max(block_size, name.size()));
    }
    std::string& block = names_.back();
    const size_t at = block.size();
    block += name; // never past the capacity, so nothing moves
    return std::string_view(block).substr(at);
}

void PathTrie::expect(size_t nodes) {
    nodes_.reserve(nodes_.size() + nodes);
    if ((nodes_.size() + nodes) * 2 > slots_.size()) {
        grow(std::bit_ceil((nodes_.size() + nodes) * 2));
    }
}

void PathTrie::grow(size_t size) {
    std::vector<Slot> slots(size);
    for (const Slot& slot : slots_) {
        size_t at = slot.hash & (slots.size() - 1);
        while (slot.node != none && slots[at].node != none) {
            at = (at + 1) & (slots.size() - 1);
        }
        if (slot.node != none) {
            slots[at] = slot;
        }
    }
    slots_ = std::move(slots);
}

PathTrie::Node PathTrie::insert_child(Node parent, std::string_view name) {
    const uint32_t hashed = hash(parent, name);
    size_t at = hashed & (slots_.size() - 1);
    while (slots_[at].node != none) {
        const Entry& there = nodes_[slots_[at].node];
        if (slots_[at].hash == hashed && there.parent == parent && there.name == name) {
            return slots_[at].node;
        }
        at = (at + 1) & (slots_.size() - 1);
    }
    const Node node = static_cast<Node>(nodes_.size());
    nodes_.push_back({keep(name), parent, 0, 0});
    slots_[at] = {node, hashed};
    if (nodes_.size() * 2 > slots_.size()) {
        grow(slots_.size() * 2);
    }
    return node;
}

PathTrie::Node PathTrie::insert(std::string_view portable) {
    Node node = top;
    for (const std::string_view name : portable_components(portable)) {
        node = insert_child(node, name);
    }
    return node;
}

std::vector<PathTrie::Node> PathTrie::finish() {
    slots_ = {};
    // Children of each node side by side: a counting sort by parent, then each group by name.
    std::vector<uint32_t> begin(nodes_.size() + 1, 0);
    for (Node node = 1; node < nodes_.size(); ++node) {
        ++begin[nodes_[node].parent + 1];
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<Node> grouped(nodes_.size() - 1);
    std::vector<uint32_t> next(begin.begin(), begin.end() - 1);
    for (Node node = 1; node < nodes_.size(); ++node) {
        grouped[next[nodes_[node].parent]++] = node;
    }
    std::vector<Node> renumbered(nodes_.size(), 0);
    std::vector<Entry> ordered;
    ordered.reserve(nodes_.size());
    ordered.push_back(nodes_[top]);
    std::vector<Node> old_of{top};
    old_of.reserve(nodes_.size());
    for (Node node = 0; node < ordered.size(); ++node) {
        const Node old = old_of[node];
        const auto first = grouped.begin() + begin[old];
        const auto last = grouped.begin() + begin[old + 1];
        std::sort(first, last, [&](Node a, Node b) { return nodes_[a].name < nodes_[b].name; });
        ordered[node].first_child = static_cast<Node>(ordered.size());
        ordered[node].child_count = static_cast<uint32_t>(last - first);
        for (auto child = first; child != last; ++child) {
            renumbered[*child] = static_cast<Node>(ordered.size());
            ordered.push_back({nodes_[*child].name, node, 0, 0});
            old_of.push_back(*child);
        }
    }
    nodes_ = std::move(ordered);
    return renumbered;
}

PathTrie::Node PathTrie::find_child(Node parent, std::string_view name) const {
    const auto first = nodes_.begin() + nodes_[parent].first_child;
    const auto last = first + nodes_[parent].child_count;
    const auto at = std::lower_bound(
        first, last, name, [](const Entry& entry, std::string_view wanted) { return entry.name < wanted; });
    return at == last || at->name != name ? none : static_cast<Node>(at - nodes_.begin());
}

PathTrie::Node PathTrie::find(std::string_view portable) const {
    Node node = top;
    for (const std::string_view name : portable_components(portable)) {
        node = find_child(node, name);
        if (node == none) {
            return none;
        }
    }
    return node;
}

std::string PathTrie::path(Node node) const {
    std::vector<std::string_view> names;
    for (; node != top; node = nodes_[node].parent) {
        names.push_back(nodes_[node].name);
    }
    std::string text;
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        text += *name;
        if (name + 1 != names.rend() || names.size() == 1) {
            text += '/';
        }
    }
    if (names.size() == 1 && !names.front().empty()) {
        text.pop_back(); // "${home}", but "/"
    }
    return text;
}

} // namespace treadline

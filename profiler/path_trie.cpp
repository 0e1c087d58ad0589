#include "profiler/path_trie.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

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
}

PathTrie::Node PathTrie::add(Node parent, std::string_view name) {
    nodes_.push_back({keep(name), parent, 0, 0});
    return static_cast<Node>(nodes_.size() - 1);
}

void PathTrie::place(Slot slot) {
    size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].node != none) {
        at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = slot;
}

void PathTrie::grow(size_t size) {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(size));
    for (const Slot& slot : before) {
        if (slot.node != none) {
            place(slot);
        }
    }
}

PathTrie::Node PathTrie::insert_child(Node parent, std::string_view name) {
    if (likely_ < nodes_.size() && nodes_[likely_].parent == parent && nodes_[likely_].name == name) {
        return likely_++;
    }
    const uint32_t hashed = hash(parent, name);
    size_t at = hashed & (slots_.size() - 1);
    while (slots_[at].node != none) {
        const Entry& there = nodes_[slots_[at].node];
        if (slots_[at].hash == hashed && there.parent == parent && there.name == name) {
            likely_ = slots_[at].node + 1;
            return slots_[at].node;
        }
        at = (at + 1) & (slots_.size() - 1);
    }
    const Node node = add(parent, name);
    slots_[at] = {node, hashed};
    if (nodes_.size() * 2 > slots_.size()) {
        grow(slots_.size() * 2);
    }
    return node;
}

PathTrie::Node PathTrie::append_child(Node parent, std::string_view name) {
    all_in_slots_ = false;
    return add(parent, name);
}

void PathTrie::index_appended() {
    if (std::exchange(all_in_slots_, true)) {
        return;
    }
    slots_.assign(std::bit_ceil(nodes_.size() * 2), Slot{});
    for (Node node = 1; node < nodes_.size(); ++node) {
        place({node, hash(nodes_[node].parent, nodes_[node].name)});
    }
}

PathTrie::Node PathTrie::insert(std::string_view portable) {
    Node node = top;
    for (const std::string_view name : portable_components(portable)) {
        node = insert_child(node, name);
    }
    return node;
}

// By the bytes of their names; of equal ones the earlier comes first.
void PathTrie::sort(std::vector<Sibling>& siblings) const {
    for (Sibling& sibling : siblings) {
        const std::string_view name = nodes_[sibling.node].name;
        std::array<unsigned char, sizeof sibling.begin> begin{};
        std::memcpy(begin.data(), name.data(), std::min(name.size(), begin.size()));
        for (const unsigned char byte : begin) {
            sibling.begin = sibling.begin << 8 | byte;
        }
    }
    std::sort(siblings.begin(), siblings.end(), [&](const Sibling& a, const Sibling& b) {
        if (a.begin != b.begin) {
            return a.begin < b.begin;
        }
        const int order = nodes_[a.node].name.compare(nodes_[b.node].name);
        return order != 0 ? order < 0 : a.node < b.node;
    });
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
    next = {};
    std::vector<Node> renumbered(nodes_.size(), 0);
    std::vector<Entry> ordered{nodes_[top]};
    ordered.reserve(nodes_.size());
    // The old numbers in the new order; where a node was appended more than once, side by side from here on.
    std::vector<Node> old{top};
    old.reserve(nodes_.size());
    std::vector<uint32_t> first_old{0};
    first_old.reserve(nodes_.size());
    std::vector<Sibling> siblings;
    for (Node node = 0; node < ordered.size(); ++node) {
        siblings.clear();
        const size_t last_old = node + 1 < first_old.size() ? first_old[node + 1] : old.size();
        for (size_t i = first_old[node]; i < last_old; ++i) {
            for (uint32_t child = begin[old[i]]; child < begin[old[i] + 1]; ++child) {
                siblings.push_back({0, grouped[child]});
            }
        }
        sort(siblings);
        const auto first = static_cast<Node>(ordered.size());
        ordered[node].first_child = first;
        uint64_t before = 0; // the beginning of the last one's name
        for (const Sibling& sibling : siblings) {
            const std::string_view name = nodes_[sibling.node].name;
            const bool again =
                ordered.size() > first && sibling.begin == before && ordered.back().name == name;
            before = sibling.begin;
            if (!again) {
                first_old.push_back(static_cast<uint32_t>(old.size()));
                ordered.push_back({name, node, 0, 0});
            }
            old.push_back(sibling.node);
            renumbered[sibling.node] = static_cast<Node>(ordered.size() - 1);
        }
        ordered[node].child_count = static_cast<uint32_t>(ordered.size()) - first;
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

// Portable paths, as rules write them, as a tree in flat arrays: what the reduction works on.
//
// Built by insertion in any order, then finish() sorts and numbers the nodes breadth first: parents before
// children, siblings side by side and in the order of their bytes. So the same set of paths gives the same
// numbers, a loop from the end is bottom-up, and nothing recurses however deep a path is.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

class PathTrie {
public:
    using Node = uint32_t;
    static constexpr Node top = 0; // stands above "/" and "${project}"; has no path of its own
    static constexpr Node none = UINT32_MAX;

    PathTrie();

    // Room for so many nodes more, by append_child(); only a hint.
    void expect(size_t nodes);

    // `portable` is "/", "/a/b" or "${name}/b".
    Node insert(std::string_view portable);
    Node insert_child(Node parent, std::string_view name);

    // A child that is not looked for, and that insert() may not find before index_appended(): for who knows
    // it to be new. Of two that are the same finish() makes one node.
    Node append_child(Node parent, std::string_view name);
    void index_appended();

    // Renumbers; element i is the new number of the node that insert() called i. Nothing is inserted
    // afterwards.
    std::vector<Node> finish();

    // After finish().
    [[nodiscard]] Node find(std::string_view portable) const; // none if it was never inserted
    [[nodiscard]] Node find_child(Node parent, std::string_view name) const;
    [[nodiscard]] Node first_child(Node node) const { return nodes_[node].first_child; }
    [[nodiscard]] uint32_t child_count(Node node) const { return nodes_[node].child_count; }
    [[nodiscard]] std::string path(Node node) const;

    [[nodiscard]] Node parent(Node node) const { return nodes_[node].parent; }         // none for top
    [[nodiscard]] std::string_view name(Node node) const { return nodes_[node].name; } // "" for "/"
    [[nodiscard]] size_t size() const { return nodes_.size(); }

private:
    struct Entry {
        std::string_view name;
        Node parent = none;
        Node first_child = 0;
        uint32_t child_count = 0;
    };
    struct Slot {
        Node node = none;
        uint32_t hash = 0; // most that are passed are told apart by it, without looking at the node
    };
    [[nodiscard]] static uint32_t hash(Node parent, std::string_view name);
    std::string_view keep(std::string_view name);
    Node add(Node parent, std::string_view name);
    void place(Slot slot); // where one is free
    void grow(size_t slots);
    struct Sibling {
        uint64_t begin = 0; // the first bytes of the name, so that most are told apart without looking at it
        Node node = none;
    };
    void sort(std::vector<Sibling>& siblings) const;

    std::vector<Entry> nodes_;
    std::vector<Slot> slots_; // open addressing over (parent, name), until finish()
    bool all_in_slots_ = true;
    Node likely_ = 1; // came after the one found last: a second run asks in about the order of the first
    std::deque<std::string> names_; // blocks of text the names point into
};

// The components of a portable path: "/a" is "", "a"; "${home}/a" is "${home}", "a".
std::vector<std::string_view> portable_components(std::string_view portable);

} // namespace treadline

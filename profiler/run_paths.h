// Where the paths of one run lie in the trie: portable, escaped as rules write them, and with what is asked about a path
// once, not once an access.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "collector/trace.h"
#include "profiler/path_trie.h"
#include "profiles/guards.h"
#include "profiles/variables.h"

namespace treadline {

// /proc/4711/maps and /proc/4711/task/4712/comm: the same file for every process, so one name for all of them.
std::string without_process_ids(std::string_view path, std::string_view instead);

class RunPaths {
public:
    // Of a path, filled in as accesses come to it: one that nothing succeeded at stays out of the trie.
    struct Place {
        PathTrie::Node node = PathTrie::none;
        bool known = false;
        bool by_text = false;        // what lies below it is not simply below its node
        bool may_guard = false;      // a guard may concern it
        bool may_be_missing = false; // in a fresh checkout or with cold caches
        bool tells_users = false;    // names in it do, see Variables
    };

    // All of them have to outlive it. `new_trie`: no other run's paths are in it.
    RunPaths(PathTrie& trie, const Variables& variables, const Guards& guards, const PathRows& rows, bool new_trie);

    // Of a row of Trace::paths, by number.
    const Place& row(uint32_t number);
    // Of a path that comes as text. Absolute ones only have a node.
    Place place(const std::string& path);

private:
    PathTrie::Node node_of(std::string_view path);
    Place place_of_row(uint32_t number);
    // Whether a file the run wrote to belongs to the project or the user, not to the system.
    [[nodiscard]] bool may_be_missing(std::string_view path) const;

    struct TextHash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };

    PathTrie& trie_;
    const Variables& variables_;
    const Guards& guards_;
    const PathRows& paths_;
    bool new_trie_;
    std::unordered_map<std::string, PathTrie::Node, TextHash, std::equal_to<>> directories_; // by absolute path
    std::vector<std::string> variable_values_;
    std::vector<Place> rows_;   // by number
    std::vector<uint32_t> way_; // scratch
};

} // namespace treadline

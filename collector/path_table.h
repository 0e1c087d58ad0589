// The paths of one run, each with a number: every directory once, every name beside the number of its
// directory.
//
// A text that is no normal absolute path ("", "memfd:x", "/a//b") is kept whole, without a directory; any
// bytes come back as they were given. Numbers start at 1, and a directory's is lower than those of what lies
// in it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "collector/hash_index.h"

namespace treadline {

class PathTable {
public:
    struct Entry {
        uint32_t parent = 0; // 0: `name` is the whole text
        std::string_view name;
    };

    uint32_t id_of(std::string_view path);
    uint32_t id_below(uint32_t directory, std::string_view name); // 0: the name is the whole text
    // 0 if nobody has asked for it yet.
    [[nodiscard]] uint32_t find_below(uint32_t directory, std::string_view name) const;
    [[nodiscard]] Entry entry(uint32_t id) const { return entries_[id - 1]; }
    [[nodiscard]] std::string text(uint32_t id) const;
    void read_text(uint32_t id, std::string& text) const; // the same, without a new string
    [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(entries_.size()); }

private:
    struct Step { // of the path that was asked for last
        size_t end = 0;
        uint32_t id = 0;
    };

    std::string_view keep(std::string_view name);

    std::vector<Entry> entries_;
    HashIndex index_;
    std::deque<std::unique_ptr<char[]>> chunks_; // the names
    std::string_view free_;                      // of the last chunk
    // Accesses come in bunches from one directory: what two paths share need not be looked up again.
    std::string last_;
    std::vector<Step> steps_;
};

// The text of an entry whose directory has this text.
std::string path_below(std::string_view directory, std::string_view name);

} // namespace treadline

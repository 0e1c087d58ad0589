// Which files the run wrote itself, through renames and links: so that what it later executes or loads can be
// told.
//
// A name stays one that was written when what bore it is renamed or removed: that a process did so again is
// not reported again. Paths are kept as hashes. A directory that was renamed is followed when it is asked
// about.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace treadline {

class Written {
public:
    void wrote(std::string_view path, const std::string& program);
    void renamed(const std::string& from, const std::string& to);
    void linked(std::string_view from, std::string_view to);
    // The program that wrote it last; none: the run did not.
    [[nodiscard]] const std::string* writer(std::string_view path) const;

private:
    [[nodiscard]] const uint32_t* find(std::string_view path) const;

    std::unordered_map<uint64_t, uint32_t> writers_; // by the path's hash; an index into programs_
    std::vector<std::string> programs_;
    std::unordered_map<std::string, uint32_t> numbers_;
    std::deque<std::pair<std::string, std::string>>
        moved_; // names that were not written themselves; oldest first
};

} // namespace treadline

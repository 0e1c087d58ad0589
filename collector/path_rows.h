// The paths of one run as the store keeps them: a name, and the number of its directory. A text for each
// would take several times the room, and who walks a tree of paths would have to take it apart again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

class PathRows {
public:
    void expect(size_t rows); // room for so many more; only a hint
    // The next number, from 1 on. `parent` is a lower one, or 0: then `name` is the whole text.
    void add(uint32_t parent, std::string_view name);

    [[nodiscard]] uint32_t size() const { return static_cast<uint32_t>(rows_.size()); } // the last number
    [[nodiscard]] uint32_t parent(uint32_t number) const { return rows_[number - 1].parent; }
    [[nodiscard]] std::string_view name(uint32_t number) const {
        const size_t begin = number == 1 ? 0 : rows_[number - 2].end;
        return std::string_view(names_).substr(begin, rows_[number - 1].end - begin);
    }
    [[nodiscard]] std::string text(uint32_t number) const;
    bool operator==(const PathRows&) const = default;

private:
    struct Row {
        uint64_t end = 0; // of its name in names_
        uint32_t parent = 0;
        bool operator==(const Row&) const = default;
    };
    std::vector<Row> rows_;
    std::string names_; // one behind the other
};

} // namespace treadline

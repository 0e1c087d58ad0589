// Which objects the run made itself, and which were there before: provenance as far as paths tell it.
//
// An object below a directory the run made counts as made by the run; below one that was renamed it is what
// it was under the old name. A rename over an existing file that the run never touched before cannot be told
// from a rename to a new name.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "collector/path_table.h"

namespace treadline {

class Origins { // of paths by their numbers in a table, which outlives this
public:
    explicit Origins(const PathTable& paths) : paths_(paths) {}

    void created(uint32_t path);              // it did not exist a moment ago
    void found(uint32_t path);                // used without being made
    void renamed(uint32_t from, uint32_t to); // takes its origin with it
    [[nodiscard]] bool is_created(uint32_t path) const;

private:
    enum class Origin : uint8_t { Unknown, Made, Before };
    void note(uint32_t path, Origin origin); // unless it is known

    [[nodiscard]] uint32_t nearest_known(uint32_t path) const; // itself, or upwards; 0: none

    const PathTable& paths_;
    std::unordered_map<uint32_t, uint32_t> moved_; // from what name it came
    std::vector<Origin> origins_;                  // by path; the nearest one upwards that is known decides
};

} // namespace treadline

// What a path record means in the trace's terms: which objects, accessed how.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "collector/event_view.h"
#include "collector/trace.h"

namespace treadline {

// Bit n: AccessKind n.
using AccessKinds = uint8_t;
static_assert(access_kinds <= 8);

constexpr AccessKinds bit(AccessKind kind) {
    return static_cast<AccessKinds>(1U << static_cast<unsigned>(kind));
}

struct PathAccess {
    bool of_object = false; // the path is that of the record's object, and `path` is empty
    std::string path;       // resolved
    std::string requested;  // absolute, as the program asked; "" where it is the same
    AccessKinds kinds = 0;
    bool directory = false;
    bool would_create = false; // asked to make what was there already
    bool exclusive = false;    // made by a call that takes no name which is there
    bool unknown = false;      // succeeded, on a file that nothing tells: see Resolution
};

// `object`, `base` and `root` are the paths the record's hashes stand for; "" where it has none. `view` is as
// in Start. None: the record is no access to a named file. Looks at the disk to resolve argument paths.
std::optional<PathAccess> path_access(const PathEvent& event, const std::string& object,
                                      const std::string& base, const std::string& root,
                                      std::optional<int> view);

} // namespace treadline

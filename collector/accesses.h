// What a path record means in the trace's terms: which objects, accessed how.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/event_view.h"
#include "collector/trace.h"

namespace treadline {

struct PathAccess {
    std::string path;      // resolved
    std::string requested; // absolute, as the program asked; "" where it is the same
    std::vector<AccessKind> kinds;
    bool directory = false;
};

// None: the record is no access to a named file. Looks at the disk to resolve argument paths.
std::optional<PathAccess> path_access(const PathEvent& event);

} // namespace treadline

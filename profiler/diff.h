// What one profile allows that another does not, computed from what the rules mean, not from how they are
// written.
#pragma once

#include <string>
#include <vector>

#include "profiles/policy.h"

namespace treadline {

struct DiffEntry {
    std::string section; // "files", "private", "deny", "connect", "listen", "publish", "unix", "syscalls",
                         // "environment"
    std::string rule;    // as written in the profile that has it: "${project}/**: rw"
    std::string grants;  // files: the modes only this side grants, "w"; else ""
    bool operator==(const DiffEntry&) const = default;
};

struct ProfileDiff {
    std::vector<DiffEntry> added;   // allowed by `newer` only; a `deny` that is gone stands here
    std::vector<DiffEntry> removed; // allowed by `older` only; a `deny` that is new stands here
    [[nodiscard]] bool widens() const { return !added.empty(); }
};

// Never misses a widening; where several narrower rules of one side together hold a wider one of the other,
// that is reported though it allows nothing new. Both policies for the same variables.
ProfileDiff diff(const Policy& older, const Policy& newer);

std::string to_json(const ProfileDiff& diff); // {"added": [...], "removed": [...], "widens": bool}
std::string to_text(const ProfileDiff& diff); // "+ files ${project}/**: rw (w)"; safe for a terminal

} // namespace treadline

// What one profile allows that another does not, computed from what the rules mean, not from how they are
// written.
#pragma once

#include <string>
#include <vector>

#include "profiles/policy.h"

namespace treadline {

struct DiffEntry {
    std::string section; // "files", "private", "deny", "connect", "listen", "publish", "inspect", "credentials", "unix",
                         // "syscalls", "environment", "resources"
    std::string rule;    // as written in the profile that has it: "${project}/**: rw"
    std::string grants;  // files: the modes only this side grants, "w"; else ""
    std::string note{};  // what the modes do not say; "" for nothing
    bool operator==(const DiffEntry&) const = default;
};

struct ProfileDiff {
    std::vector<DiffEntry> added;   // allowed by `newer` only; a `deny` that is gone stands here
    std::vector<DiffEntry> removed; // allowed by `older` only; a `deny` that is new stands here
    [[nodiscard]] bool widens() const { return !added.empty(); }
    bool operator==(const ProfileDiff&) const = default;
};

// Never misses a widening, by what decide() allows or by reaching the host's files where the other side has a
// private directory. A `deny` that is gone is reported even where nothing allows what it refused, and a wide
// rule even where guards refuse everything it reaches. Both policies for the same variables.
ProfileDiff diff(const Policy& older, const Policy& newer);

// The part of diff() about paths: what `here` allows and `there` does not.
std::vector<DiffEntry> paths_only_in(const Policy& here, const Policy& there);

std::string to_json(const ProfileDiff& diff); // {"added": [...], "removed": [...], "widens": bool}
std::string to_text(const ProfileDiff& diff); // "+ files ${project}/**: rw (w)"; safe for a terminal

} // namespace treadline

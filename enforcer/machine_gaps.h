// What a machine cannot hold, whatever the profile says: asked by the plan compiler, which refuses or goes on without,
// and by `doctor`, which says so beforehand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "enforcer/plan.h"

namespace treadline {

struct MachineGap {
    std::string sentence; // what is not held, and the remedy
    bool fatal = false;   // --allow-degraded does not go on without it
    bool operator==(const MachineGap&) const = default;
};
std::vector<MachineGap> machine_gaps(const Machine& machine);

// What `enforce` does here with a profile that asks for nothing special.
enum class Standing : uint8_t {
    Full,
    Degraded, // refused, unless --allow-degraded
    Refused,
};
Standing standing_of(const std::vector<MachineGap>& gaps);

} // namespace treadline

// The order in which a section's rules are written, by the profiler and by the editor alike, so that a rule
// that is added later stands where it would have stood from the start.
#pragma once

#include <string_view>

namespace treadline {

// Whether `a` is written before `b`; both as written, without their modes. ${project} comes first, then the
// other variables, then the rest; within these by bytes, numbers by their value.
bool reads_before(std::string_view a, std::string_view b);

} // namespace treadline

// System calls by name: the @groups a profile may list, and the calls no group holds.
//
// Groups are data (profiles/catalogue/syscalls.yaml). Families move together (open, openat, openat2, creat),
// so a libc update that changes which member it uses breaks no profile. A dangerous call is in no group: a
// profile names it, and review says why that matters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace treadline::syscalls {

// "@file" -> its names, sorted; a name -> itself. An unknown group, or a name that neither libseccomp nor the
// catalogue knows, is none.
std::optional<std::vector<std::string>> expand(std::string_view entry);

std::vector<std::string> groups();           // "@base" first
std::string group_of(std::string_view name); // "@file"; "" if no group holds it
std::string describe_group(std::string_view group);

// Why a call is dangerous to allow; none for the rest.
std::optional<std::string> danger_of(std::string_view name);

// Whether the libseccomp this is linked with has a number for the name on this architecture. Names it does
// not know (an old library, another architecture) stay in their groups; the filter skips them.
bool known_to_libseccomp(std::string_view name);

} // namespace treadline::syscalls

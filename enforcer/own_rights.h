// What a user's own rights refuse, whether or not Treadline is there.
#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

namespace treadline {

enum class Change : uint8_t { Write, Names }; // what is in it; what is made, renamed or removed in its directory

// Whether changing what lies at `path` of the host (absolute, resolved) fails for user `uid` as this process sees the
// disk: the file, or the directory it lies in, is another's and not writable for the user. What is the user's own never
// counts: its mode could be changed. False where it cannot be known, and in /proc, which is another one inside.
bool rights_refuse(const std::string& path, Change change, uid_t uid);

} // namespace treadline

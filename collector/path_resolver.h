// The path a call meant, from the directory it started in and the text it gave.
//
// Links are resolved on the disk as it is at that moment: a tree that changes in between can give the path
// before or after the change.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace treadline {

enum class LastLink { Follow, Keep };

// Absolute and resolved; where something on the way does not exist, the rest stays as it was written. `pid`
// is who asked: /proc/self and /dev/fd mean that process.
std::string resolve_path(std::string_view base, std::string_view text, LastLink last, pid_t pid);

} // namespace treadline

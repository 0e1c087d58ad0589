// Text operations on absolute paths; none of them looks at a file system.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// `/a/./b//c/../d` -> `/a/b/d`. A relative path is taken as relative to `/`. Never ends in '/', except for "/".
// Lexical: `..` after a symbolic link is not what the kernel would do; resolve first where that matters.
std::string normalise_path(std::string_view path);

// base + '/' + path, or path itself when it is absolute; normalised.
std::string join_path(std::string_view base, std::string_view path);

// Whether `path` is `directory` itself or below it. Both normalised.
bool is_within(std::string_view path, std::string_view directory);

std::string_view parent_path(std::string_view path); // "/" for "/" and "/a"
std::string_view file_name(std::string_view path);   // "" for "/"

// The names between the slashes, of a normalised path; empty for "/".
std::vector<std::string_view> path_components(std::string_view path);

} // namespace treadline

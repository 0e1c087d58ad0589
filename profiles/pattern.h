// A path pattern: what a file rule, `private`, `deny` or `unix` entry names.
//
// Written form. Names are bytes, a profile is text, so a rule's path has escapes of its own (not YAML's; they
// need no quotes in YAML):
//   \*  a literal `*`        \\  a backslash        \$  a `$` that would start a variable
//   \xNN  one byte (upper-case hex): control and invisible characters, bytes that are not UTF-8
// Each path has exactly one written form: an escape that is not needed, or a character that needs one and has
// none, is refused by the reader, so that equal rules look equal and a reviewer sees every character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace treadline {

enum class Extent : uint8_t {
    Exact,   // the path itself
    Names,   // `dir/`: the directory and the names directly in it
    Subtree, // `dir/**`
    Glob,    // a `*` somewhere
};

// A path pattern, expanded. `path` has no trailing "/", "/**" and holds the plain bytes; for a Glob it is the
// whole pattern, still with its escapes.
struct Pattern {
    std::string path;
    Extent extent = Extent::Exact;

    [[nodiscard]] bool matches(std::string_view absolute_path) const;
    // Whether every path `other` matches is matched here, decided from the patterns alone; for two different
    // globs the answer may be a cautious false.
    [[nodiscard]] bool covers(const Pattern& other) const;
    bool operator==(const Pattern&) const = default;
};

// From the written form after Variables::expand_pattern(): absolute. A pattern that can never match (`..`, an
// empty name) or that no kernel could hold (`**` anywhere but as the last part, or together with `*`) is an
// error.
result<Pattern> parse_pattern(std::string_view expanded_path);

// The one written form of a plain path (no variables, no wildcards).
std::string escape_path(std::string_view bytes);
// The reverse. Unknown or cut-off escapes, `\x00` and `\x2F` are errors.
result<std::string> unescape_path(std::string_view written);

// What is wrong with a written path, as the reader sees it (variables not expanded): a sentence, or "".
std::string path_complaint(std::string_view written);

// Whether `text` matches `glob`, where a `*` stands for any text without '/'; escapes as in paths.
bool matches_glob(std::string_view glob, std::string_view text);
// Whether a `*` that is no escape stands in it.
bool has_wildcard(std::string_view written);

} // namespace treadline

// Which file names will be different next time: process ids, hashes, dates, random suffixes.
//
// A judgement on one name alone, so it errs: an all-lowercase mkstemp(3) suffix looks like a word, and a name
// such as "report-404" like a process id. What the run itself created and removed again is known from the
// trace instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace treadline {

enum class NameKind : uint8_t {
    Stable,
    Version,  // "3.11.2": the same here until an upgrade
    Volatile, // another one in every run
};

NameKind kind_of_name(std::string_view name);

// Whether the name ends as mkdtemp(3), mktemp(1) and their like end theirs: 6, 8 or 10 letters and digits that
// are no word, though they may be one of kind_of_name()'s stable names. For a directory made in a temporary
// place, where a name is more likely drawn than given.
bool has_drawn_suffix(std::string_view name);

// The name with a `*` for each part that changes: "svc-*.sock". The name itself where it is not volatile.
std::string with_wildcards(std::string_view name);

} // namespace treadline

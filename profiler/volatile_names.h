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

// How much a name that kind_of_name() calls stable looks as if it had been drawn, as mkstemp(3), mktemp(1)
// and their like draw the end of theirs, before an extension or not. By itself it says little: see
// is_drawn().
enum class DrawnShape : uint8_t {
    No,
    Possible, // 6, 8 or 10 letters, or a few behind "tmp"
    Likely,   // the same, and no word: with a digit inside, or a capital that starts nothing
};
DrawnShape drawn_shape(std::string_view name);

// Signs of each other independent that a name was drawn, beside its shape.
struct DrawnSigns {
    bool exclusive = false; // made by calls that take no name which is there, whenever it was made
    bool gone = false;      // when the run ended
    bool differs = false;   // seen in some runs, where others had other names
    bool temporary = false; // in a place for such
};
// Whether they are enough: the shape counts once or twice, each sign once, and four make a drawn name. So a
// lock file is none, though it is made exclusively and gone, nor is a word that an archive brought.
bool is_drawn(DrawnShape shape, const DrawnSigns& signs);

// The name with a `*` for each part that changes: "svc-*.sock". The name itself where it is not volatile.
std::string with_wildcards(std::string_view name);

} // namespace treadline

// The unit of cost: a line of the profile for a person to read, in thousandths. Integers, so that every
// compiler and processor breaks a tie in the same way.
#pragma once

#include <cstdint>

namespace treadline {

using MilliLines = int64_t;
constexpr MilliLines one_line = 1000;

// Dearer than any profile: two million paths, each at its dearest, cost less.
constexpr MilliLines never = MilliLines{1} << 42;

// Stays at `never`: what cannot be is not made possible by what is added to it.
constexpr MilliLines plus(MilliLines a, MilliLines b) {
    return a + b < never ? a + b : never;
}

// How much somebody would mind one entry that a rule reaches for nothing, in ten-thousandths.
using Weight = int64_t;
constexpr Weight one_entry = 10'000;

// log2(1 + weight), rounded down to a thousandth. `weight` is not negative.
MilliLines log2_of_one_more(Weight weight);

} // namespace treadline

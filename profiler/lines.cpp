#include "profiler/lines.h"

namespace treadline {

// Bit by bit: squaring a number doubles its logarithm, so whether the square reaches 2 is the next binary
// digit.
MilliLines log2_of_one_more(Weight weight) {
    constexpr int fraction_bits = 30;
    constexpr int digits = 14; // finer than a thousandth
    auto value = static_cast<uint64_t>(one_entry + weight);
    uint64_t whole = 0;
    for (; value >= uint64_t{1} << 33; value >>= 1) { // room for the fraction
        ++whole;
    }
    uint64_t unit = one_entry;
    for (; value >= 2 * unit; unit *= 2) {
        ++whole;
    }
    uint64_t mantissa = (value << fraction_bits) / unit; // in [1, 2)
    uint64_t fraction = 0;
    for (int digit = 0; digit < digits; ++digit) {
        mantissa = mantissa * mantissa >> fraction_bits;
        fraction <<= 1;
        if (mantissa >= uint64_t{2} << fraction_bits) {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    return static_cast<MilliLines>(whole) * one_line + static_cast<MilliLines>(fraction * one_line >> digits);
}

} // namespace treadline

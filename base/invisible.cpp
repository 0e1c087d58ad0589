#include "base/invisible.h"

#include <algorithm>

namespace treadline {

size_t utf8_sequence_length(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return 1;
    }
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < length) {
        return 0;
    }
    unsigned low = 0x80;
    unsigned high = 0xBF;
    switch (lead) {
    case 0xE0:
        low = 0xA0;
        break; // shorter forms exist below
    case 0xED:
        high = 0x9F;
        break; // surrogates above
    case 0xF0:
        low = 0x90;
        break;
    case 0xF4:
        high = 0x8F;
        break; // U+10FFFF is the last
    default:
        break;
    }
    if (byte(1) < low || byte(1) > high) {
        return 0;
    }
    for (size_t i = 2; i < length; ++i) {
        if ((byte(i) & 0xC0) != 0x80) {
            return 0;
        }
    }
    return length;
}

uint32_t code_point(std::string_view sequence) {
    const auto lead = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) {
        return lead;
    }
    uint32_t value = lead & (0xFFU >> (sequence.size() + 1));
    for (size_t i = 1; i < sequence.size(); ++i) {
        value = value << 6 | (static_cast<unsigned char>(sequence[i]) & 0x3FU);
    }
    return value;
}

bool is_invisible(std::string_view character) {
    if (utf8_sequence_length(character) != character.size()) {
        return true;
    }
    const uint32_t c = code_point(character);
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || // C0, DEL, C1, soft hyphen
           c == 0x061C || c == 0x180E ||                       // Arabic letter mark, Mongolian separator
           (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) || // zero width, separators, bidi
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || // word joiner, isolates, byte order mark
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF); // annotations, tags
}

bool has_invisible(std::string_view text) {
    while (!text.empty()) {
        if (text[0] >= ' ' && text[0] <= '~') {
            text.remove_prefix(1);
            continue;
        }
        const size_t length = std::max<size_t>(1, utf8_sequence_length(text));
        if (is_invisible(text.substr(0, length))) {
            return true;
        }
        text.remove_prefix(length);
    }
    return false;
}

} // namespace treadline

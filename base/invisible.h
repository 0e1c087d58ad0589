// Characters that a person reviewing a profile would not see, or that would make them see something else:
// controls, zero-width and bidirectional formatting characters, line separators, and bytes that are not
// UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace treadline {

// Length of the valid UTF-8 sequence at the start of a text that is not empty, 0 if there is none (RFC 3629:
// no overlong forms, no surrogates).
size_t utf8_sequence_length(std::string_view text);
uint32_t code_point(std::string_view sequence); // of one valid sequence

// One character (a valid UTF-8 sequence, or a single byte that starts none).
bool is_invisible(std::string_view character);
bool has_invisible(std::string_view text);

} // namespace treadline

#include "profiles/profile.h"

#include <string_view>

namespace treadline {
namespace {

constexpr struct {
    Mode mode;
    char letter;
} letters[] = {{Mode::Read, 'r'}, {Mode::Write, 'w'}, {Mode::Create, 'c'}, {Mode::Execute, 'x'}};

} // namespace

std::string to_string(Modes modes) {
    std::string text;
    for (const auto& [mode, letter] : letters) {
        if (modes.has(mode)) {
            text += letter;
        }
    }
    return text;
}

std::optional<Modes> parse_modes(std::string_view text) {
    Modes modes;
    for (const char c : text) {
        Modes added;
        for (const auto& [mode, letter] : letters) {
            if (c == letter) {
                added = mode;
            }
        }
        if (added.empty() || modes.covers(added)) {
            return std::nullopt;
        }
        modes |= added;
    }
    return modes.empty() ? std::nullopt : std::optional(modes);
}

} // namespace treadline

#include "collector/trace.h"

#include <array>
#include <string_view>

namespace treadline {
namespace {

constexpr std::array<std::string_view, access_kinds> names = {"read",    "write", "create",  "delete",
                                                              "execute", "list",  "connect", "stat"};

} // namespace

std::string_view to_string(AccessKind kind) {
    return names.at(static_cast<size_t>(kind));
}

std::optional<AccessKind> parse_access_kind(std::string_view text) {
    for (size_t i = 0; i < names.size(); ++i) {
        if (names[i] == text) {
            return static_cast<AccessKind>(i);
        }
    }
    return std::nullopt;
}

} // namespace treadline

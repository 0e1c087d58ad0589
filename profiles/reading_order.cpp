#include "profiles/reading_order.h"

#include <tuple>

namespace treadline {

bool reads_before(std::string_view a, std::string_view b) {
    const auto key = [](std::string_view text) {
        const int group = text.starts_with("${project}") ? 0 : text.starts_with("${") ? 1 : 2;
        const bool number = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
        return std::tuple(group, number ? text.size() : 0, text);
    };
    return key(a) < key(b);
}

} // namespace treadline

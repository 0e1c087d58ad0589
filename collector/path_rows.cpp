#include "collector/path_rows.h"

namespace treadline {

void PathRows::expect(size_t rows) {
    constexpr size_t usual_name = 16;
    rows_.reserve(rows_.size() + rows);
    names_.reserve(names_.size() + rows * usual_name);
}

void PathRows::add(uint32_t parent, std::string_view name) {
    names_ += name;
    rows_.push_back({names_.size(), parent});
}

std::string PathRows::text(uint32_t number) const {
    std::vector<uint32_t> way; // upwards
    size_t size = 0;
    for (uint32_t at = number; at != 0; at = parent(at)) {
        way.push_back(at);
        size += name(at).size() + 1;
    }
    std::string text;
    text.reserve(size);
    for (auto at = way.rbegin(); at != way.rend(); ++at) {
        if (at != way.rbegin() && text != "/") {
            text += '/';
        }
        text += name(*at);
    }
    return text;
}

} // namespace treadline

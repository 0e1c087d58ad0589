#include "collector/message_frames.h"

#include <algorithm>

namespace treadline {

void MessageFrames::add(std::string_view piece) {
    if (broken_) {
        return;
    }
    bytes_.erase(0, used_);
    used_ = 0;
    const size_t skipped = std::min(skip_, piece.size());
    skip_ -= skipped;
    bytes_ += piece.substr(skipped);
}

std::optional<std::string_view> MessageFrames::next() {
    constexpr size_t prefix = 2;
    while (!broken_) {
        const std::string_view left = std::string_view(bytes_).substr(used_);
        if (kind_ == Kind::Nul) {
            const size_t end = left.find('\0');
            if (end == std::string_view::npos ? left.size() > limit_ : end > limit_) {
                break;
            }
            if (end == std::string_view::npos) {
                return std::nullopt;
            }
            used_ += end + 1;
            return left.substr(0, end);
        }
        if (left.size() < prefix) {
            return std::nullopt;
        }
        const size_t size = static_cast<size_t>(static_cast<unsigned char>(left[0])) << 8 |
                            static_cast<unsigned char>(left[1]);
        if (size > limit_) {
            const size_t here = std::min(prefix + size, left.size());
            skip_ = prefix + size - here;
            used_ += here;
            continue;
        }
        if (left.size() < prefix + size) {
            return std::nullopt;
        }
        used_ += prefix + size;
        return left.substr(prefix, size);
    }
    lose();
    return std::nullopt;
}

void MessageFrames::lose() {
    broken_ = true;
    bytes_.clear();
    bytes_.shrink_to_fit();
    used_ = skip_ = 0;
}

} // namespace treadline

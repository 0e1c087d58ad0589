#include "enforcer/egress/text_search.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace treadline::egress {
namespace {

constexpr uint32_t none = 0xFFFFFFFF;

std::string url_escaped(std::string_view text, const char* digits) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (plain) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return out;
}

std::string json_escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        out += c == '/' || c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out;
}

// Of what the text adds to base64 behind `before` other bytes, that which does not depend on its neighbours.
std::string base64_within(std::string_view text, size_t before) {
    const std::string coded = base64(std::string(before, '\0') + std::string(text));
    const size_t first = (before * 8 + 5) / 6;
    const size_t last = (before + text.size()) * 8 / 6;
    return coded.substr(first, last - first);
}

} // namespace

std::string base64(std::string_view bytes) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += 3) {
        uint32_t group = 0;
        const size_t count = std::min<size_t>(3, bytes.size() - at);
        for (size_t i = 0; i < 3; ++i) {
            group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        }
        for (size_t i = 0; i < 4; ++i) {
            out += i <= count ? letters[group >> (18 - 6 * i) & 63] : '=';
        }
    }
    return out;
}

std::vector<std::string> forms_of(std::string_view text) {
    std::vector<std::string> forms = {std::string(text), url_escaped(text, "0123456789ABCDEF"), url_escaped(text, "0123456789abcdef"), json_escaped(text)};
    for (size_t before = 0; before < 3; ++before) {
        std::string coded = base64_within(text, before);
        forms.push_back(coded);
        std::replace(coded.begin(), coded.end(), '+', '-');
        std::replace(coded.begin(), coded.end(), '/', '_');
        forms.push_back(coded);
    }
    std::sort(forms.begin(), forms.end());
    forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
    return forms;
}

TextSearch::TextSearch(const std::vector<Text>& texts) {
    const auto add_row = [&](uint32_t depth) {
        next_.emplace_back().fill(none);
        depth_.push_back(depth);
        found_.push_back(-1);
        return static_cast<uint32_t>(next_.size() - 1);
    };
    add_row(0);
    for (const Text& text : texts) {
        uint32_t state = 0;
        for (const char c : text.bytes) {
            const auto byte = static_cast<unsigned char>(c);
            if (next_[state][byte] == none) {
                const uint32_t made = add_row(depth_[state] + 1);
                next_[state][byte] = made;
            }
            state = next_[state][byte];
        }
        if (state != 0) {
            found_[state] = static_cast<int>(text.number);
        }
    }
    // Breadth first: where no text goes on, on goes the longest end of what was read that begins one.
    std::vector<uint32_t> fallback(next_.size(), 0);
    std::deque<uint32_t> queue = {0};
    while (!queue.empty()) {
        const uint32_t state = queue.front();
        queue.pop_front();
        if (found_[state] < 0) {
            found_[state] = found_[fallback[state]];
        }
        for (size_t byte = 0; byte < 256; ++byte) {
            uint32_t& to = next_[state][byte];
            const uint32_t otherwise = state == 0 ? 0 : next_[fallback[state]][byte];
            if (to == none) {
                to = otherwise;
            } else {
                fallback[to] = otherwise;
                queue.push_back(to);
            }
        }
    }
}

int TextSearch::Stream::feed(std::string_view bytes) {
    for (const char c : bytes) {
        state_ = search_->next_[state_][static_cast<unsigned char>(c)];
        if (search_->found_[state_] >= 0) {
            return search_->found_[state_];
        }
    }
    return -1;
}

std::string HoldingBack::pass(std::string_view bytes) {
    if (found_ < 0) {
        found_ = stream_.feed(bytes);
    }
    if (found_ >= 0) {
        held_.clear();
        return "";
    }
    held_ += bytes;
    const size_t open = stream_.open();
    std::string now = held_.substr(0, held_.size() - open);
    held_.erase(0, now.size());
    return now;
}

std::string HoldingBack::rest() {
    return std::exchange(held_, "");
}

} // namespace treadline::egress

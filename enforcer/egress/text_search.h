// Finds any of a few texts in a stream that comes in pieces, wherever it is cut, and says how much of what came so far cannot
// be part of one any more (Aho-Corasick). Nothing is held back but what may really be a beginning.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace treadline::egress {

class TextSearch {
public:
    // A table row for each byte of all texts; more than this is refused by whoever makes them.
    static constexpr size_t max_bytes = 64 * 1024;

    // Each text stands for a number, which find() gives.
    struct Text {
        std::string bytes;
        size_t number = 0;
    };
    explicit TextSearch(const std::vector<Text>& texts);

    class Stream {
    public:
        explicit Stream(const TextSearch& search) : search_(&search) {}
        // The number of the text that has been found, or -1. After that nothing more is looked for.
        int feed(std::string_view bytes);
        // How many of the bytes so far may be the beginning of a text.
        [[nodiscard]] size_t open() const { return search_->depth_[state_]; }

    private:
        const TextSearch* search_;
        uint32_t state_ = 0;
    };

    [[nodiscard]] int find(std::string_view whole) const { return Stream(*this).feed(whole); }
    [[nodiscard]] bool empty() const { return next_.size() <= 1; }

private:
    std::vector<std::array<uint32_t, 256>> next_;
    std::vector<uint32_t> depth_;
    std::vector<int> found_; // the number of a text that ends here, or -1
};

// Passes on what a stream holds as long as no text is in it.
class HoldingBack {
public:
    explicit HoldingBack(const TextSearch& search) : stream_(search) {}
    // What may be passed on now; found() after each call.
    std::string pass(std::string_view bytes);
    std::string rest(); // at the end
    [[nodiscard]] int found() const { return found_; } // the number of a text, or -1

private:
    TextSearch::Stream stream_;
    std::string held_;
    int found_ = -1;
};

// The forms in which a text may come back: itself, in base64 and base64url at each of the three places it can start, with
// what URLs and JSON escape escaped.
std::vector<std::string> forms_of(std::string_view text);

std::string base64(std::string_view bytes);

} // namespace treadline::egress

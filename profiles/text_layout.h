// Where things stand in a YAML text, and changing it in place. Internal to the editor.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// The bytes of a text, changed from its end to its start so that earlier offsets stay good.
class TextEdits {
public:
    void insert(size_t offset, std::string text) { replace(offset, 0, std::move(text)); }
    void replace(size_t offset, size_t length, std::string text);
    [[nodiscard]] std::string apply(std::string text);

private:
    struct Edit {
        size_t offset;
        size_t length;
        std::string text;
        size_t order; // insertions at one place keep their order
    };
    std::vector<Edit> edits_;
};

// A collection in [] or {}.
struct FlowLayout {
    size_t close = 0;       // offset of the bracket that ends it
    size_t content_end = 0; // just behind its last byte that is neither space nor comment
    bool empty = true;
    bool needs_comma = false; // before another entry
};
// Of the collection whose opening bracket stands at `open`, in a text that has been parsed already.
FlowLayout flow_layout(std::string_view text, size_t open);

// `head` is "  key: [": the words behind it, separated by commas, in as many lines of at most `width` bytes
// as it takes (one word may be longer), then the bracket.
std::string wrapped_list(std::string head, const std::vector<std::string>& words, size_t width,
                         std::string_view line_end = "\n");

size_t line_start(std::string_view text, size_t offset);
size_t next_line(std::string_view text, size_t offset);      // its start, or the text's end
std::string indent_of(std::string_view text, size_t offset); // the spaces its line starts with

} // namespace treadline

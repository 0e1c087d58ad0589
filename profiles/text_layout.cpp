#include "profiles/text_layout.h"

#include <algorithm>

namespace treadline {

void TextEdits::replace(size_t offset, size_t length, std::string text) {
    edits_.push_back({offset, length, std::move(text), edits_.size()});
}

std::string TextEdits::apply(std::string text) {
    std::sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
        return a.offset != b.offset ? a.offset > b.offset : a.order > b.order;
    });
    for (const Edit& edit : edits_) {
        text.replace(edit.offset, edit.length, edit.text);
    }
    return text;
}

FlowLayout flow_layout(std::string_view text, size_t open) {
    int depth = 0;
    char before = ','; // the last byte that is no space: a quote starts a word only behind , : [ {
    bool space = false;
    FlowLayout layout;
    layout.close = text.size();
    layout.content_end = open + 1;
    for (size_t at = open; at < text.size(); ++at) {
        const char c = text[at];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            space = true;
            continue;
        }
        if (c == '#' && space) {
            at = std::min(text.find('\n', at), text.size()) - 1;
            continue;
        }
        if ((c == '"' || c == '\'') && std::string_view(",:[{").find(before) != std::string_view::npos) {
            for (++at; at < text.size() && text[at] != c; ++at) {
                at += c == '"' && text[at] == '\\' ? 1 : 0;
            }
        } else if (c == '[' || c == '{') {
            ++depth;
        } else if ((c == ']' || c == '}') && --depth == 0) {
            layout.close = at;
            layout.empty = layout.content_end == open + 1;
            layout.needs_comma = !layout.empty && before != ',';
            return layout;
        }
        before = c;
        space = false;
        layout.content_end = std::max(layout.content_end, at + 1);
    }
    return layout;
}

std::string wrapped_list(std::string head, const std::vector<std::string>& words, size_t width,
                         std::string_view line_end) {
    const std::string indent(head.size(), ' ');
    std::string text = std::move(head);
    size_t start = 0; // of the last line
    for (size_t i = 0; i < words.size(); ++i) {
        if (i > 0) {
            text += ',';
            const size_t after = 1; // a comma or the bracket
            if (text.size() - start + 1 + words[i].size() + after > width) {
                text += line_end;
                start = text.size();
                text += indent;
            } else {
                text += ' ';
            }
        }
        text += words[i];
    }
    return text + "]";
}

size_t line_start(std::string_view text, size_t offset) {
    const size_t newline = offset == 0 ? std::string_view::npos : text.rfind('\n', offset - 1);
    return newline == std::string_view::npos ? 0 : newline + 1;
}

size_t next_line(std::string_view text, size_t offset) {
    const size_t newline = text.find('\n', offset);
    return newline == std::string_view::npos ? text.size() : newline + 1;
}

std::string indent_of(std::string_view text, size_t offset) {
    const size_t start = line_start(text, offset);
    size_t end = start;
    while (end < offset && text[end] == ' ') {
        ++end;
    }
    return std::string(text.substr(start, end - start));
}

} // namespace treadline

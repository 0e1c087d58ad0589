#include "base/text.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/invisible.h"

namespace treadline {
namespace {

void append_escaped(std::string& out, unsigned char byte) {
    char buffer[5];
    std::snprintf(buffer, sizeof buffer, "\\x%02X", byte);
    out += buffer;
}

std::string printable(std::string_view text, std::string_view backslash) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        if (text[0] >= ' ' && text[0] <= '~' && text[0] != '\\') {
            out += text[0];
            text.remove_prefix(1);
            continue;
        }
        const size_t length = std::max<size_t>(1, utf8_sequence_length(text));
        const std::string_view character = text.substr(0, length);
        if (is_invisible(character)) {
            for (const char byte : character) {
                append_escaped(out, static_cast<unsigned char>(byte));
            }
        } else if (character == "\\") {
            out += backslash;
        } else {
            out += character;
        }
        text.remove_prefix(length);
    }
    return out;
}

} // namespace

std::string printable(std::string_view text) {
    return printable(text, "\\\\");
}

std::string printable_escaped(std::string_view text) {
    return printable(text, "\\");
}

std::string legible(const std::string& text) {
    return has_invisible(text) ? printable(text) : text;
}

std::string shell_quoted(const std::vector<std::string>& argv) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    std::string out;
    for (const std::string& word : argv) {
        if (!out.empty()) {
            out += ' ';
        }
        if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) {
            out += word;
            continue;
        }
        // What nobody would see is only written by $'…', where a backslash begins an escape.
        const bool escaped = has_invisible(word);
        out += escaped ? "$'" : "'";
        for (const char c : escaped ? printable(word) : word) {
            if (c == '\'') {
                out += escaped ? "\\'" : "'\\''";
            } else {
                out += c;
            }
        }
        out += '\'';
    }
    return out;
}

std::string errno_name(int code) {
    const char* name = strerrorname_np(code);
    return name != nullptr ? name : "E" + std::to_string(code);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    size_t at = 0;
    for (;;) {
        const size_t end = text.find(separator, at);
        parts.push_back(text.substr(at, end - at));
        if (end == std::string_view::npos) {
            return parts;
        }
        at = end + 1;
    }
}

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (const std::string& part : parts) {
        if (!out.empty() || &part != &parts.front()) {
            out += separator;
        }
        out += part;
    }
    return out;
}

} // namespace treadline

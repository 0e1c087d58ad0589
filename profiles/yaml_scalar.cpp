#include <algorithm>
#include <array>
#include <cstdio>

#include "base/invisible.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

bool is_plain(std::string_view text, YamlContext context) {
    if (text.empty() || text.front() == ' ' || text.back() == ' ' || text.back() == ':') {
        return false;
    }
    // YAML 1.2, section 7.3.3 (plain style), taken more strictly: indicators that may start a word only
    // before certain characters never do so here.
    if (std::string_view("-?:,[]{}#&*!|>'\"%@`=").find(text.front()) != std::string_view::npos) {
        return false;
    }
    if (text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos ||
        text.find('\t') != std::string_view::npos) {
        return false;
    }
    if (context == YamlContext::Flow && text.find_first_of(",[]{}?:#") != std::string_view::npos) {
        return false;
    }
    constexpr std::array words = {"~", "null", "Null", "NULL", "<<"};
    return std::find(words.begin(), words.end(), text) == words.end();
}

std::string double_quoted(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const auto byte = static_cast<unsigned char>(text[0]);
        const size_t length = std::max<size_t>(1, utf8_sequence_length(text));
        std::array<char, 12> escape{};
        if (byte == '"' || byte == '\\') {
            out += '\\';
            out += static_cast<char>(byte);
        } else if (byte == '\n') {
            out += "\\n";
        } else if (byte == '\t') {
            out += "\\t";
        } else if (is_invisible(text.substr(0, length))) {
            std::snprintf(escape.data(), escape.size(), "\\u%04X", code_point(text.substr(0, length)));
            out += escape.data();
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    return out + '"';
}

} // namespace

std::string yaml_scalar(std::string_view text, YamlContext context) {
    const bool invisible = has_invisible(text);
    if (!invisible && is_plain(text, context)) {
        return std::string(text);
    }
    if (!invisible && text.find('\\') != std::string_view::npos) {
        std::string out = "'";
        for (const char c : text) {
            out += c;
            if (c == '\'') {
                out += c;
            }
        }
        return out + "'";
    }
    return double_quoted(text);
}

} // namespace treadline

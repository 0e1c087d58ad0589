#include "profiles/pattern.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/path.h"
#include "base/text.h"
#include "base/invisible.h"
#include "profiles/variables.h"

namespace treadline {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

struct Escape {
    char byte = 0;
    size_t length = 0;
};

// The escape at the start of `text`, which starts with a backslash.
std::optional<Escape> read_escape(std::string_view text) {
    if (text.size() >= 2 && (text[1] == '*' || text[1] == '\\' || text[1] == '$')) {
        return Escape{text[1], 2};
    }
    if (text.size() >= 4 && text[1] == 'x' && hex_digit(text[2]) >= 0 && hex_digit(text[3]) >= 0) {
        const char byte = static_cast<char>(hex_digit(text[2]) * 16 + hex_digit(text[3]));
        if (byte != '\0' && byte != '/') {
            return Escape{byte, 4};
        }
    }
    return std::nullopt;
}

bool has_escape(std::string_view text) {
    return text.find('\\') != std::string_view::npos;
}

// The literal stretches of a name, split at each `*` that is no escape.
std::vector<std::string_view> between_wildcards(std::string_view name) {
    std::vector<std::string_view> parts;
    size_t start = 0;
    for (size_t at = 0; at < name.size(); ++at) {
        if (name[at] == '\\') {
            ++at;
        } else if (name[at] == '*') {
            parts.push_back(name.substr(start, at - start));
            start = at + 1;
        }
    }
    parts.push_back(name.substr(start));
    return parts;
}

// A path's wildcards as its parts see them.
struct Parts {
    std::vector<std::string_view> names; // between the slashes, without a last "**" or ""
    bool subtree = false;
    bool names_only = false; // a trailing '/'
    bool glob = false;
};

std::string take_apart(std::string_view absolute, Parts& parts) {
    if (absolute == "/") {
        return "";
    }
    parts.names = split(absolute.substr(1), '/');
    if (parts.names.back() == "**") {
        parts.subtree = true;
        parts.names.pop_back();
    } else if (parts.names.back().empty()) {
        parts.names_only = true;
        parts.names.pop_back();
    }
    for (const std::string_view name : parts.names) {
        if (name.empty()) {
            return "has an empty name ('//'), so it can never match; write one '/'";
        }
        const auto plain = unescape_path(name);
        if (!plain) {
            return plain.error().what;
        }
        if (*plain == "." || *plain == "..") {
            return "has a '" + *plain + "' in it, so it can never match; write the resolved path";
        }
        if (name.find("**") != std::string_view::npos && has_wildcard(name)) {
            const size_t at = name.find("**");
            if (at == 0 || name[at - 1] != '\\') {
                return "has '**' where it cannot be held; it may only be the whole last part, as in /a/**";
            }
        }
        parts.glob = parts.glob || has_wildcard(name);
    }
    if (parts.glob && (parts.subtree || parts.names_only)) {
        return std::string("has a '*' and ends in '") + (parts.subtree ? "/**" : "/") +
               "', which no kernel can hold; write the directories out";
    }
    return "";
}

} // namespace

std::string escape_path(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    for (size_t at = 0; at < bytes.size();) {
        if (bytes[at] >= ' ' && bytes[at] <= '~' && bytes[at] != '*' && bytes[at] != '\\' && bytes[at] != '$') {
            out += bytes[at++];
            continue;
        }
        const size_t length = utf8_sequence_length(bytes.substr(at));
        const std::string_view character = bytes.substr(at, std::max<size_t>(1, length));
        if (is_invisible(character)) {
            for (const char byte : character) {
                std::array<char, 5> escape{};
                std::snprintf(escape.data(), escape.size(), "\\x%02X", static_cast<unsigned char>(byte));
                out += escape.data();
            }
        } else {
            const bool variable = character == "$" && at + 1 < bytes.size() && bytes[at + 1] == '{';
            if (character == "*" || character == "\\" || variable) {
                out += '\\';
            }
            out += character;
        }
        at += character.size();
    }
    return out;
}

result<std::string> unescape_path(std::string_view written) {
    if (!has_escape(written)) {
        return std::string(written);
    }
    std::string out;
    for (size_t at = 0; at < written.size();) {
        if (written[at] != '\\') {
            out += written[at++];
            continue;
        }
        const auto escape = read_escape(written.substr(at));
        if (!escape) {
            return fail("has a backslash that starts no escape; a literal one is written \\\\ (known: \\* "
                        "\\\\ \\$ \\xNN)");
        }
        out += escape->byte;
        at += escape->length;
    }
    return out;
}

bool has_wildcard(std::string_view written) {
    for (size_t at = 0; at < written.size(); ++at) {
        if (written[at] == '\\') {
            ++at;
        } else if (written[at] == '*') {
            return true;
        }
    }
    return false;
}

bool matches_glob(std::string_view glob, std::string_view text) {
    // The usual two-pointer match: on a mismatch let the last `*` take one character more. Linear for one
    // `*`, and never worse than glob × text.
    size_t g = 0;
    size_t t = 0;
    size_t star = std::string_view::npos;
    size_t star_text = 0;
    while (t < text.size()) {
        if (g < glob.size() && glob[g] == '*') {
            star = ++g;
            star_text = t;
            continue;
        }
        size_t step = 0;
        if (g < glob.size()) {
            char expected = glob[g];
            step = 1;
            if (expected == '\\') {
                const auto escape = read_escape(glob.substr(g));
                if (!escape) {
                    return false;
                }
                expected = escape->byte;
                step = escape->length;
            }
            if (expected != text[t]) {
                step = 0;
            }
        }
        if (step != 0) {
            g += step;
            ++t;
        } else if (star != std::string_view::npos && text[star_text] != '/') {
            g = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (g < glob.size() && glob[g] == '*') {
        ++g;
    }
    return g == glob.size();
}

bool Pattern::matches(std::string_view absolute_path) const {
    switch (extent) {
    case Extent::Exact:
        return absolute_path == path;
    case Extent::Names:
        return absolute_path == path || (absolute_path != "/" && parent_path(absolute_path) == path);
    case Extent::Subtree:
        return is_within(absolute_path, path);
    case Extent::Glob:
        return matches_glob(path, absolute_path);
    }
    return false;
}

bool Pattern::covers(const Pattern& other) const {
    if (*this == other) {
        return true;
    }
    switch (other.extent) {
    case Extent::Exact:
        return matches(other.path);
    case Extent::Names:
    case Extent::Subtree:
        return extent == Extent::Subtree && is_within(other.path, path);
    case Extent::Glob:
        break;
    }
    // The directory above a glob's first wildcard holds everything it can match.
    const std::string_view glob = other.path;
    size_t star = 0;
    while (star < glob.size() && glob[star] != '*') {
        star += glob[star] == '\\' ? 2 : 1;
    }
    const std::string_view before = glob.substr(0, std::min(star, glob.size()));
    const auto fixed = unescape_path(before.substr(0, before.rfind('/')));
    if (!fixed) {
        return false;
    }
    const std::string directory = fixed->empty() ? "/" : *fixed;
    const bool one_level = glob.find('/', star) == std::string_view::npos;
    return (extent == Extent::Subtree && is_within(directory, path)) ||
           (extent == Extent::Names && one_level && directory == path);
}

result<Pattern> parse_pattern(std::string_view expanded_path) {
    const auto complain = [&](const std::string& sentence) { return fail("'" + printable(expanded_path) + "' " + sentence); };
    if (expanded_path.empty() || expanded_path.front() != '/') {
        return complain("is not absolute, so it can never match; start it with / or a variable");
    }
    Parts parts;
    if (const std::string complaint = take_apart(expanded_path, parts); !complaint.empty()) {
        return complain(complaint);
    }
    if (parts.glob) {
        return Pattern{std::string(expanded_path), Extent::Glob};
    }
    Pattern pattern;
    pattern.extent = parts.subtree ? Extent::Subtree : parts.names_only ? Extent::Names : Extent::Exact;
    for (const std::string_view name : parts.names) {
        pattern.path += '/';
        pattern.path += TRY(unescape_path(name));
    }
    if (pattern.path.empty()) {
        pattern.path = "/";
    }
    return pattern;
}

std::string path_complaint(std::string_view written) {
    if (written.empty()) {
        return "is empty; a path is absolute or starts with a variable such as ${project}";
    }
    std::string absolute;
    std::string_view rest = written;
    if (written.front() == '/') {
        if (written != "/" && written.substr(0, 2) == "//") {
            return "starts with '//'; write one '/'";
        }
    } else {
        const size_t end = written.find('}');
        if (written.substr(0, 2) != "${" || end == std::string_view::npos) {
            return "is not absolute, so it can never match; start it with / or a variable such as ${project}";
        }
        const std::string_view name = written.substr(2, end - 2);
        if (!is_path_variable(name)) {
            return "starts with '${" + printable(name) +
                   "}', which is no folder; there are ${project} ${home} ${tmp} ${cache} ${config} ${data} "
                   "${state} ${runtime}";
        }
        rest = written.substr(end + 1);
        if (!rest.empty() && rest.front() != '/') {
            return "has text right behind a variable; a variable is a whole folder: write '${" +
                   std::string(name) + "}/…'";
        }
        absolute = "/variable";
    }
    // ${user} and ${uid} may stand inside, as in /run/user/${uid}/bus.
    while (!rest.empty()) {
        if (rest[0] == '\\') {
            const auto escape = read_escape(rest);
            if (!escape) {
                return unescape_path(rest).error().what;
            }
            absolute += rest.substr(0, escape->length);
            rest.remove_prefix(escape->length);
            continue;
        }
        if (rest.substr(0, 2) == "${") {
            const size_t end = rest.find('}');
            const std::string_view name = rest.substr(2, end == std::string_view::npos ? end : end - 2);
            if (end == std::string_view::npos) {
                return "has a '${' that is never closed; a literal one is written \\${";
            }
            if (name != "user" && name != "uid") {
                return "has '${" + printable(name) +
                       "}' inside; only ${user} and ${uid} may stand there, a literal '${' is written \\${";
            }
            absolute += "0";
            rest.remove_prefix(end + 1);
            continue;
        }
        if (rest[0] >= ' ' && rest[0] <= '~' && rest[0] != '$') {
            absolute += rest[0];
            rest.remove_prefix(1);
            continue;
        }
        const size_t length = std::max<size_t>(1, utf8_sequence_length(rest));
        if (is_invisible(rest.substr(0, length))) {
            return "holds a character nobody can see; write it as '" + escape_path(rest.substr(0, length)) +
                   "'";
        }
        absolute += rest.substr(0, length);
        rest.remove_prefix(length);
    }
    if (absolute.empty()) {
        absolute = "/";
    }
    Parts parts;
    if (std::string complaint = take_apart(absolute, parts); !complaint.empty()) {
        return complaint;
    }
    for (const std::string_view name : parts.names) {
        if (!has_escape(name)) {
            continue;
        }
        std::string one_form;
        for (const std::string_view literal : between_wildcards(name)) {
            one_form += (one_form.empty() && literal.data() == name.data() ? "" : "*");
            one_form += escape_path(unescape_path(literal).value_or(""));
        }
        if (one_form != name) {
            return "has an escape it does not need; its one written form is '" + one_form + "'";
        }
    }
    return "";
}

} // namespace treadline

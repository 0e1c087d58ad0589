#include "profiler/volatile_names.h"

#include <algorithm>

namespace treadline {
namespace {

// Objects, not functions: the algorithms below are then compiled with them inside. Names come by the million.
constexpr auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
constexpr auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
constexpr auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
constexpr auto is_hex = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
};
constexpr auto is_separator = [](char c) {
    return c == '.' || c == '-' || c == '_' || c == '@' || c == '+' || c == '~' || c == '=' || c == ',' ||
           c == ' ';
};
bool all_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// yyyy-mm-dd with any separator, as in npm's and cargo's log names.
bool has_date(std::string_view name) {
    for (size_t at = 0; at + 10 <= name.size(); ++at) {
        const std::string_view text = name.substr(at, 10);
        if (all_digits(text.substr(0, 4)) && is_separator(text[4]) && all_digits(text.substr(5, 2)) &&
            is_separator(text[7]) && all_digits(text.substr(8, 2)) && (text[0] == '1' || text[0] == '2')) {
            return true;
        }
    }
    return false;
}

// RFC 9562: 8-4-4-4-12 hexadecimal digits.
bool has_uuid(std::string_view name) {
    constexpr std::string_view shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    for (size_t at = 0; at + shape.size() <= name.size(); ++at) {
        bool fits = true;
        for (size_t i = 0; i < shape.size() && fits; ++i) {
            fits = shape[i] == '-' ? name[at + i] == '-' : is_hex(name[at + i]);
        }
        if (fits) {
            return true;
        }
    }
    return false;
}

// Seven is the shortest abbreviation git prints; a word of seven such letters has no digit.
bool is_hash(std::string_view token) {
    if (token.size() < 7 || !std::all_of(token.begin(), token.end(), is_hex)) {
        return false;
    }
    const bool digit = std::any_of(token.begin(), token.end(), is_digit);
    const bool letter = !all_digits(token);
    return token.size() >= 16 || (digit && letter);
}

// mkstemp(3), nanoid and the like: letters of both cases and digits change places too often for a word.
bool is_random(std::string_view token) {
    if (token.size() < 6 || token.size() > 32) {
        return false;
    }
    int digit_borders = 0;
    int case_changes = 0; // lower to upper: CamelCase has one a word
    for (size_t i = 1; i < token.size(); ++i) {
        digit_borders += is_digit(token[i]) != is_digit(token[i - 1]);
        case_changes += is_lower(token[i - 1]) && is_upper(token[i]);
    }
    const bool lower = std::any_of(token.begin(), token.end(), is_lower);
    const bool upper = std::any_of(token.begin(), token.end(), is_upper);
    const bool digit = std::any_of(token.begin(), token.end(), is_digit);
    if (digit && lower && upper) {
        return digit_borders >= 2 || (token.size() <= 8 && case_changes >= 1);
    }
    return digit_borders >= 3 || (token.size() <= 10 && case_changes >= 3);
}

bool has_version(std::string_view name) {
    for (size_t at = 1; at + 1 < name.size(); ++at) {
        if (name[at] == '.' && is_digit(name[at - 1]) && is_digit(name[at + 1])) {
            return true;
        }
    }
    return false;
}

// `rest` is the name from the end of the token on: "" for the last one.
bool is_volatile_token(std::string_view token, std::string_view rest, bool first) {
    if (all_digits(token)) {
        // "npm-471" and "cc.4711.o" hold a process id, "1763657282.lock" a time; "x-404.html", "iso-8859-15"
        // and "2048.js" do not.
        const bool before_extension = rest.size() > 1 && rest[0] == '.' && !is_digit(rest[1]) &&
                                      std::none_of(rest.begin() + 1, rest.end(), is_separator);
        const size_t least = first ? 6 : rest.empty() ? 3 : before_extension ? 4 : 5;
        return token.size() >= least;
    }
    // "sedXk2Ld9": a template without a separator; mkstemp replaces the last six.
    return is_hash(token) || is_random(token) ||
           (token.size() > 6 && token.size() <= 16 && is_random(token.substr(token.size() - 6)));
}

// Calls `visit` with each token between separators, and the separator behind it ("" for the last one).
template <class Visit>
void for_each_token(std::string_view name, Visit visit) {
    for (size_t at = 0; at <= name.size();) {
        size_t end = at;
        while (end < name.size() && !is_separator(name[end])) {
            ++end;
        }
        visit(name.substr(at, end - at), name.substr(end), at == 0);
        at = end + 1;
    }
}

bool is_volatile_as_a_whole(std::string_view name) {
    return (name.size() >= 3 && all_digits(name)) || has_uuid(name) || has_date(name);
}

} // namespace

NameKind kind_of_name(std::string_view name) {
    // Most names: letters of one case say nothing unless they are many.
    if (name.size() < 16 &&
        std::all_of(name.begin(), name.end(), [](char c) { return !is_digit(c) && !is_upper(c); })) {
        return NameKind::Stable;
    }
    bool is_volatile = is_volatile_as_a_whole(name);
    for_each_token(name, [&](std::string_view token, std::string_view rest, bool first) {
        is_volatile = is_volatile || is_volatile_token(token, rest, first);
    });
    if (is_volatile) {
        return NameKind::Volatile;
    }
    return has_version(name) ? NameKind::Version : NameKind::Stable;
}

bool has_drawn_suffix(std::string_view name) {
    size_t start = name.size();
    while (start > 0 && !is_separator(name[start - 1])) {
        --start;
    }
    std::string_view token = name.substr(start);
    if (token.size() != 6 && token.size() != 8 && token.size() != 10) {
        return false;
    }
    while (!token.empty() && is_digit(token.back())) { // "report2024"
        token.remove_suffix(1);
    }
    bool lower = false;
    bool odd = false; // a digit inside, or a capital that starts no word
    for (size_t i = 0; i < token.size(); ++i) {
        lower = lower || is_lower(token[i]);
        odd = odd || is_digit(token[i]) ||
              (is_upper(token[i]) && (i + 1 == token.size() || !is_lower(token[i + 1])));
    }
    return lower && odd;
}

std::string with_wildcards(std::string_view name) {
    if (is_volatile_as_a_whole(name)) {
        return "*";
    }
    std::string text;
    for_each_token(name, [&](std::string_view token, std::string_view rest, bool first) {
        text += is_volatile_token(token, rest, first) ? std::string_view("*") : token;
        text += rest.substr(0, 1);
    });
    return text;
}

} // namespace treadline

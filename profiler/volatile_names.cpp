#include "profiler/volatile_names.h"

#include <algorithm>
#include <array>

namespace treadline {
namespace {

// Names come by the million: one table says what a character is. Digits are hexadecimal, too.
enum CharacterClass : uint8_t { Digit = 1, Lower = 2, Upper = 4, Hex = 8, Separator = 16 };

constexpr auto class_table = [] {
    std::array<uint8_t, 256> of{};
    for (unsigned c = '0'; c <= '9'; ++c) {
        of[c] = Digit | Hex;
    }
    for (unsigned c = 'a'; c <= 'z'; ++c) {
        of[c] = c <= 'f' ? Lower | Hex : Lower;
        of[c - 'a' + 'A'] = c <= 'f' ? Upper | Hex : Upper;
    }
    for (const char c : {'.', '-', '_', '@', '+', '~', '=', ',', ' '}) {
        of[static_cast<unsigned char>(c)] = Separator;
    }
    return of;
}();
constexpr uint8_t class_of(char c) {
    return class_table[static_cast<unsigned char>(c)];
}
constexpr bool is_digit(char c) {
    return (class_of(c) & Digit) != 0;
}
constexpr bool is_upper(char c) {
    return (class_of(c) & Upper) != 0;
}
constexpr bool is_lower(char c) {
    return (class_of(c) & Lower) != 0;
}
constexpr bool is_separator(char c) {
    return class_of(c) == Separator;
}
bool all_digits(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// A token at a glance: the classes of its characters.
struct Classes {
    size_t digits = 0;
    uint8_t any = 0;
    uint8_t all = 0xFF;

    void add(char c) {
        const uint8_t its = class_of(c);
        digits += its & Digit;
        any |= its;
        all &= its;
    }
    [[nodiscard]] bool has(uint8_t wanted) const { return (any & wanted) == wanted; }
};

Classes classes_of(std::string_view text) {
    Classes classes;
    for (const char c : text) {
        classes.add(c);
    }
    return classes;
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
            fits = shape[i] == '-' ? name[at + i] == '-' : (class_of(name[at + i]) & Hex) != 0;
        }
        if (fits) {
            return true;
        }
    }
    return false;
}

// Seven is the shortest abbreviation git prints; a word of seven such letters has no digit.
bool is_hash(std::string_view token, const Classes& classes) {
    if (token.size() < 7 || (classes.all & Hex) == 0) {
        return false;
    }
    return token.size() >= 16 || (classes.digits > 0 && classes.digits < token.size());
}

// mkstemp(3), nanoid and the like: letters of both cases and digits change places too often for a word.
bool is_random(std::string_view token, const Classes& classes) {
    if (token.size() < 6 || token.size() > 32 || !(classes.has(Digit) || classes.has(Lower | Upper))) {
        return false;
    }
    int digit_borders = 0;
    int case_changes = 0; // lower to upper: CamelCase has one a word
    uint8_t last = class_of(token[0]);
    for (const char c : token.substr(1)) {
        const uint8_t next = class_of(c);
        digit_borders += (next ^ last) & Digit;
        case_changes += (last & Lower) != 0 && (next & Upper) != 0;
        last = next;
    }
    if (classes.has(Digit | Lower | Upper)) {
        return digit_borders >= 2 || (token.size() <= 8 && case_changes >= 1);
    }
    return digit_borders >= 3 || (token.size() <= 10 && case_changes >= 3);
}

// "sedXk2Ld9": a template without a separator; mkstemp replaces the last six.
bool ends_at_random(std::string_view token, const Classes& classes) {
    if (token.size() <= 6 || token.size() > 16 || !(classes.has(Digit) || classes.has(Lower | Upper))) {
        return false;
    }
    const std::string_view end = token.substr(token.size() - 6);
    return is_random(end, classes_of(end));
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
bool is_volatile_token(std::string_view token, const Classes& classes, std::string_view rest, bool first) {
    if (!token.empty() && classes.digits == token.size()) {
        // "npm-471" and "cc.4711.o" hold a process id, "1763657282.lock" a time; "x-404.html", "iso-8859-15"
        // and "2048.js" do not.
        const bool before_extension = rest.size() > 1 && rest[0] == '.' && !is_digit(rest[1]) &&
                                      std::none_of(rest.begin() + 1, rest.end(), is_separator);
        const size_t least = first ? 6 : rest.empty() ? 3 : before_extension ? 4 : 5;
        return token.size() >= least;
    }
    return is_hash(token, classes) || is_random(token, classes) || ends_at_random(token, classes);
}

// Calls `visit` with each token between separators, its classes, and the name from its end on ("" for the
// last one).
template <class Visit>
void for_each_token(std::string_view name, Visit visit) {
    for (size_t at = 0; at <= name.size();) {
        Classes classes;
        size_t end = at;
        for (; end < name.size() && !is_separator(name[end]); ++end) {
            classes.add(name[end]);
        }
        visit(name.substr(at, end - at), classes, name.substr(end), at == 0);
        at = end + 1;
    }
}

bool is_volatile_as_a_whole(std::string_view name) {
    return (name.size() >= 3 && all_digits(name)) || has_uuid(name) || has_date(name);
}

} // namespace

NameKind kind_of_name(std::string_view name) {
    const Classes classes = classes_of(name);
    // Most names: letters of one case say nothing unless they are many.
    if (name.size() < 16 && !classes.has(Digit) && !classes.has(Upper)) {
        return NameKind::Stable;
    }
    bool is_volatile = false;
    for_each_token(name, [&](std::string_view token, const Classes& its, std::string_view rest, bool first) {
        is_volatile = is_volatile || is_volatile_token(token, its, rest, first);
    });
    // Digits alone, a date, or a UUID, which is 36 characters.
    const bool possible = classes.digits == name.size() || classes.digits >= 8 || name.size() >= 36;
    if (is_volatile || (possible && is_volatile_as_a_whole(name))) {
        return NameKind::Volatile;
    }
    return classes.digits >= 2 && has_version(name) ? NameKind::Version : NameKind::Stable;
}

DrawnShape drawn_shape(std::string_view name) {
    const auto shape_of = [](std::string_view token) {
        for (const std::string_view prefix : {"tmp", "temp"}) {
            if (token.size() >= prefix.size() + 6 && token.starts_with(prefix)) {
                token.remove_prefix(prefix.size());
            }
        }
        if (token.size() != 6 && token.size() != 8 && token.size() != 10) {
            return DrawnShape::No;
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
        return lower && odd ? DrawnShape::Likely : DrawnShape::Possible;
    };
    const auto last_token = [](std::string_view text) {
        size_t start = text.size();
        // Python draws underscores, too.
        while (start > 0 &&
               (!is_separator(text[start - 1]) || (text[start - 1] == '_' && text.starts_with("tmp")))) {
            --start;
        }
        return text.substr(start);
    };
    const DrawnShape whole = shape_of(last_token(name));
    const size_t extension = name.rfind('.');
    if (extension == std::string_view::npos || extension == 0) {
        return whole;
    }
    return std::max(whole, shape_of(last_token(name.substr(0, extension))));
}

bool is_drawn(DrawnShape shape, const DrawnSigns& signs) {
    const int votes = static_cast<int>(shape) + (signs.exclusive ? 1 : 0) + (signs.gone ? 1 : 0) +
                      (signs.differs ? 1 : 0) + (signs.temporary ? 1 : 0);
    return shape != DrawnShape::No && votes >= 4;
}

std::string with_wildcards(std::string_view name) {
    if (is_volatile_as_a_whole(name)) {
        return "*";
    }
    std::string text;
    for_each_token(name,
                   [&](std::string_view token, const Classes& classes, std::string_view rest, bool first) {
                       text += is_volatile_token(token, classes, rest, first) ? std::string_view("*") : token;
                       text += rest.substr(0, 1);
                   });
    return text;
}

} // namespace treadline

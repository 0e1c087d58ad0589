#include "enforcer/egress/http_fields.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace treadline::egress {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

template <class Names>
bool is_one_of(const Names& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view known) { return is_name(name, known); });
}

constexpr std::array overriding = {"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"};
constexpr std::array harmless_options = {"keep-alive", "close", "te"};

} // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

bool is_name(std::string_view sent, std::string_view name) {
    return std::equal(sent.begin(), sent.end(), name.begin(), name.end(), [](char a, char b) { return lower(a) == lower(b); });
}

std::string redirection_in(const HttpFields& fields, Overrides overrides, std::initializer_list<std::string_view> options) {
    for (const auto& [name, value] : fields) {
        if (overrides == Overrides::Count && is_one_of(overriding, name)) {
            return "a header '" + name + "' that names another method or path";
        }
        if (!is_name(name, "Connection")) {
            continue;
        }
        for (const std::string_view part : split(value, ',')) {
            const std::string_view option = trimmed(part);
            if (!option.empty() && !is_one_of(harmless_options, option) && !is_one_of(options, option)) {
                return "a Connection header that has '" + printable(option.substr(0, 100)) + "' taken out on the way";
            }
        }
    }
    return "";
}

} // namespace treadline::egress

#include "enforcer/egress/redaction.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/sha256.h"
#include "base/text.h"

namespace treadline::egress {
namespace {

constexpr std::string_view redacted = "redacted";
constexpr size_t shortest_secret = 8; // shorter ones are in everything
constexpr size_t longest_plain = 40;

// Parts of names, of fields and of parameters; lower case, without '-' and '_'.
constexpr std::array secret_names = {"authorization", "cookie",  "token",  "secret", "apikey",  "accesskey", "password", "passwd", "passphrase",
                                     "session",       "signature", "credential", "bearer", "privatekey", "authkey",  "assertion", "otp"};
// Whole names of parameters.
constexpr std::array secret_parameters = {"key", "sig", "auth", "code", "sid", "jwt", "pass", "pwd", "user", "state", "nonce", "ticket"};
// Names that hold one of the parts and are no secrets.
constexpr std::array public_names = {"wwwauthenticate", "proxyauthenticate", "accesscontrolallowheaders", "accesscontrolexposeheaders", "authenticationinfo"};
constexpr std::array places = {"location", "contentlocation"};
constexpr std::array of_connection = {"connection", "keepalive", "proxyconnection", "transferencoding", "upgrade", "trailer", "te", "altsvc", "http2settings"};
constexpr std::array conditional = {"range", "ifnonematch", "ifmodifiedsince", "ifmatch", "ifunmodifiedsince", "ifrange"};

std::string plain_name(std::string_view name) {
    std::string plain = lower_case(name);
    std::erase_if(plain, [](char c) { return c == '-' || c == '_' || c == '.'; });
    return plain;
}

template <class Names>
bool is_one_of(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool names_a_secret(std::string_view name) {
    const std::string plain = plain_name(name);
    return !is_one_of(public_names, plain) &&
           std::any_of(secret_names.begin(), secret_names.end(), [&](std::string_view part) { return plain.find(part) != std::string::npos; });
}

bool is_secret_parameter(std::string_view name) {
    return names_a_secret(name) || is_one_of(secret_parameters, plain_name(name));
}

// Nobody chose these letters: many digits, both cases and digits, or longer than a name.
bool looks_drawn(std::string_view text) {
    const auto count = [&](char from, char to) {
        return static_cast<size_t>(std::count_if(text.begin(), text.end(), [&](char c) { return c >= from && c <= to; }));
    };
    const size_t digits = count('0', '9');
    const bool letters = digits < text.size();
    return (text.size() >= 12 && letters && digits * 5 >= text.size()) || text.size() > longest_plain ||
           (text.size() >= 20 && digits > 0 && count('a', 'z') > 0 && count('A', 'Z') > 0);
}

bool is_redacted(std::string_view text) {
    return text == redacted || (text.size() == redacted.size() + 17 && text.starts_with(redacted) && text[redacted.size()] == '.' &&
                                text.substr(redacted.size() + 1).find_first_not_of("0123456789abcdef") == std::string_view::npos);
}

std::string told(std::string_view text) {
    return looks_drawn(text) && !is_redacted(text) ? std::string(redacted) + "." + sha256_hex(text).substr(0, 16) : std::string(text);
}

std::string redacted_path(std::string_view path) {
    std::vector<std::string> segments;
    for (const std::string_view segment : split(path, '/')) {
        segments.push_back(told(segment));
    }
    return join(segments, "/");
}

std::string redacted_query(std::string_view query) {
    std::vector<std::string> parameters;
    for (const std::string_view parameter : split(query, '&')) {
        const size_t equals = parameter.find('=');
        if (equals == std::string_view::npos) {
            parameters.push_back(told(parameter));
            continue;
        }
        const std::string_view name = parameter.substr(0, equals);
        parameters.push_back(told(name) + "=" + (is_secret_parameter(name) ? std::string(redacted) : told(parameter.substr(equals + 1))));
    }
    return join(parameters, "&");
}

// What stands behind the first of these; all of it where there is none.
std::string_view behind(char mark, std::string_view text) {
    return text.substr(text.find(mark) + 1); // npos + 1 is 0
}

std::string percent_decoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (size_t at = 0; at < text.size(); ++at) {
        const std::string pair = lower_case(text.substr(at, 3));
        const size_t high = pair.size() == 3 ? digits.find(pair[1]) : std::string_view::npos;
        const size_t low = pair.size() == 3 ? digits.find(pair[2]) : std::string_view::npos;
        if (text[at] == '%' && high != std::string_view::npos && low != std::string_view::npos) {
            out += static_cast<char>(high << 4 | low);
            at += 2;
        } else {
            out += text[at];
        }
    }
    return out;
}

// Of "scheme://user:password@host/path?query", or what stands behind the host.
std::string redacted_place(std::string_view place) {
    const size_t slashes = place.find("//"); // "//host/path" has the scheme of what refers to it
    const bool absolute = slashes == 0 || (slashes != std::string_view::npos && slashes > 0 && place[slashes - 1] == ':' && place.find_first_of("/?#") == slashes);
    if (!absolute) {
        return redacted_target(place);
    }
    const size_t host = slashes + 2;
    const size_t path = std::min(place.find_first_of("/?#", host), place.size());
    const std::string_view authority = place.substr(host, path - host);
    const size_t at = authority.rfind('@');
    return std::string(place.substr(0, host)) + std::string(authority.substr(at == std::string_view::npos ? 0 : at + 1)) + redacted_target(place.substr(path));
}

// The places in "<https://host/next>; rel=next, <…>" (RFC 8288).
std::string redacted_links(std::string_view value) {
    std::string out;
    while (!value.empty()) {
        const size_t open = std::min(value.find('<'), value.size());
        const size_t close = std::min(value.find('>', open), value.size());
        out += value.substr(0, open);
        out += open < close ? "<" + redacted_place(value.substr(open + 1, close - open - 1)) : "";
        value.remove_prefix(close);
        if (!value.empty()) {
            out += value.front(); // '>'
            value.remove_prefix(1);
        }
    }
    return out;
}

// "5; url=https://host/next"
std::string redacted_refresh(std::string_view value) {
    const size_t place = value.find('=') + 1; // npos + 1 is 0
    return std::string(value.substr(0, place)) + redacted_place(value.substr(place));
}

// "session=abc; Path=/; Secure" keeps all but the value.
std::string redacted_cookie(std::string_view cookie) {
    const size_t equals = cookie.find('=');
    const size_t end = cookie.find(';');
    if (equals == std::string_view::npos || equals > end) {
        return std::string(redacted);
    }
    return told(cookie.substr(0, equals)) + "=" + std::string(redacted) + std::string(end == std::string_view::npos ? "" : cookie.substr(end));
}

std::optional<std::string> from_base64(std::string_view text) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    unsigned bits = 0;
    int held = 0;
    for (const char c : text.substr(0, text.find('='))) {
        const size_t value = letters.find(c);
        if (value == std::string_view::npos) {
            return std::nullopt;
        }
        bits = bits << 6 | static_cast<unsigned>(value);
        held += 6;
        if (held >= 8) {
            held -= 8;
            out += static_cast<char>(bits >> held & 0xFF);
        }
    }
    return out;
}

} // namespace

std::string redacted_target(std::string_view target) {
    const size_t fragment = target.find('#');
    const size_t query = target.substr(0, fragment).find('?');
    std::string out = redacted_path(target.substr(0, std::min(query, fragment)));
    if (query != std::string_view::npos) {
        out += "?" + redacted_query(target.substr(query + 1, fragment == std::string_view::npos ? fragment : fragment - query - 1));
    }
    return out + (fragment == std::string_view::npos ? "" : "#" + redacted_query(target.substr(fragment + 1)));
}

HttpFields redacted_fields(const HttpFields& fields) {
    HttpFields kept;
    for (const auto& [name, value] : fields) {
        const std::string plain = plain_name(name);
        if (is_one_of(of_connection, plain)) {
            continue;
        }
        if (plain == "setcookie") {
            kept.emplace_back(name, redacted_cookie(value));
        } else if (names_a_secret(name)) {
            kept.emplace_back(name, redacted);
        } else if (plain == "link") {
            kept.emplace_back(name, redacted_links(value));
        } else if (plain == "refresh") {
            kept.emplace_back(name, redacted_refresh(value));
        } else if (is_one_of(places, plain)) {
            kept.emplace_back(name, redacted_place(value));
        } else {
            kept.emplace_back(name, value);
        }
    }
    return kept;
}

HttpFields conditions_of(const HttpFields& fields) {
    HttpFields kept;
    for (const auto& [name, value] : fields) {
        if (is_one_of(conditional, plain_name(name))) {
            kept.emplace_back(lower_case(name), value);
        }
    }
    std::sort(kept.begin(), kept.end());
    return kept;
}

void SentSecrets::add(const HttpFields& fields, std::string_view target) {
    for (const auto& [name, value] : fields) {
        if (lower_case(name) == "cookie") {
            for (const std::string_view cookie : split(value, ';')) {
                add_text(trimmed(behind('=', cookie)));
            }
        } else if (names_a_secret(name)) {
            const std::string_view text = trimmed(behind(' ', value)); // behind the scheme
            add_text(text);
            if (lower_case(value).starts_with("basic ")) {
                const std::string pair = from_base64(text).value_or("");
                add_text(pair);
                add_text(behind(':', pair));
            }
        }
    }
    const size_t query = target.find('?');
    if (query == std::string_view::npos) {
        return;
    }
    for (const std::string_view parameter : split(target.substr(query + 1), '&')) {
        if (parameter.find('=') != std::string_view::npos && is_secret_parameter(parameter.substr(0, parameter.find('=')))) {
            add_text(behind('=', parameter));
            add_text(percent_decoded(behind('=', parameter)));
        }
    }
}

void SentSecrets::add_text(std::string_view text) {
    if (text.size() < shortest_secret || is_redacted(text) || texts_.contains(std::string(text))) {
        return;
    }
    size_t bytes = 0;
    for (const std::string& form : forms_of(text)) {
        bytes += form.size();
    }
    too_many_ = too_many_ || bytes_ + bytes > TextSearch::max_bytes;
    if (!too_many_) {
        bytes_ += bytes;
        texts_.emplace(text);
    }
}

void SentSecrets::prepare() {
    std::vector<TextSearch::Text> texts;
    for (const std::string& text : texts_) {
        for (std::string& form : forms_of(text)) {
            texts.push_back({std::move(form), 0});
        }
    }
    search_ = std::make_unique<TextSearch>(texts);
}

bool SentSecrets::are_in(std::string_view text) const {
    return too_many_ || (search_ != nullptr && search_->find(text) >= 0);
}

} // namespace treadline::egress

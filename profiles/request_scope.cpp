#include "profiles/request_scope.h"

#include <algorithm>
#include <functional>

#include "base/text.h"

namespace treadline {
namespace {

constexpr std::string_view subtree = "/**";

int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Encodes what need not be (RFC 3986, 2.3), or what separates: a server that decodes first, or twice, would read another path.
bool encodes_oddly(std::string_view path) {
    for (size_t at = path.find('%'); at != std::string_view::npos; at = path.find('%', at + 1)) {
        const int high = at + 2 < path.size() ? hex_digit(path[at + 1]) : -1;
        const int low = at + 2 < path.size() ? hex_digit(path[at + 2]) : -1;
        if (high < 0 || low < 0) {
            return true;
        }
        const auto byte = static_cast<unsigned char>(high << 4 | low);
        const bool letter = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (letter || byte < 0x20 || std::string_view("-._~/\\%;").find(static_cast<char>(byte)) != std::string_view::npos) {
            return true;
        }
    }
    return false;
}

// Starts with '/', and no server can read another path in it.
bool is_plain_path(std::string_view path) {
    if (path.empty() || path[0] != '/' || path.find_first_of("\\#") != std::string_view::npos || encodes_oddly(path)) {
        return false;
    }
    const auto segments = split(path.substr(1), '/');
    for (size_t i = 0; i < segments.size(); ++i) {
        const std::string_view name = segments[i].substr(0, segments[i].find(';')); // ";x" is a parameter to some
        if (name == "." || name == ".." || (name.empty() && i + 1 < segments.size())) {
            return false;
        }
    }
    return true;
}

} // namespace

bool is_in(const RequestScope& scope, std::string_view method, std::string_view target) {
    const auto& methods = scope.methods;
    if (!methods.empty() && std::find(methods.begin(), methods.end(), method) == methods.end()) {
        return false;
    }
    if (scope.paths.empty()) {
        return true;
    }
    const std::string_view path = target.substr(0, target.find('?'));
    return is_plain_path(path) && std::any_of(scope.paths.begin(), scope.paths.end(), [&](std::string_view rule) {
        return rule.ends_with(subtree) ? path.starts_with(rule.substr(0, rule.size() - 2)) : path == rule;
    });
}

bool contains(const RequestScope& wide, const RequestScope& other) {
    const auto all_in = [](const std::vector<std::string>& some, const std::vector<std::string>& all, auto holds) {
        return all.empty() || (!some.empty() && std::all_of(some.begin(), some.end(), [&](const std::string& one) {
                                  return std::any_of(all.begin(), all.end(), [&](const std::string& rule) { return holds(rule, one); });
                              }));
    };
    return all_in(other.methods, wide.methods, std::equal_to<>()) &&
           all_in(other.paths, wide.paths, [](std::string_view rule, std::string_view path) {
               return rule == path || (rule.ends_with(subtree) && path.starts_with(rule.substr(0, rule.size() - 2)));
           });
}

bool is_http_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

std::string method_complaint(std::string_view entry) {
    const bool good = !entry.empty() && std::all_of(entry.begin(), entry.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '-'; });
    return good && entry != "CONNECT" ? "" : "is no method of HTTP, as GET or POST";
}

std::string request_path_complaint(std::string_view entry) {
    const std::string_view fixed = entry.ends_with(subtree) ? entry.substr(0, entry.size() - 2) : entry;
    const bool visible = std::all_of(entry.begin(), entry.end(), [](char c) { return c > 0x20 && c < 0x7F; });
    return visible && is_plain_path(fixed) && fixed.find_first_of("*?") == std::string_view::npos
               ? ""
               : "is no path of a request as it is sent; write '/v1/models', or '/v1/**' for everything below";
}

std::string upgrade_complaint(std::string_view entry) {
    const bool good = !entry.empty() && entry.size() <= 40 && std::all_of(entry.begin(), entry.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '/' || c == '.'; });
    return good && !entry.starts_with("h2") && !entry.starts_with("http") && !entry.starts_with("tls")
               ? ""
               : "is no protocol that a request may change to, as 'websocket'; more of HTTP or TLS could not be judged";
}

std::string to_string(const RequestScope& scope) {
    return (scope.methods.empty() ? "" : " " + join(scope.methods, ",")) + (scope.paths.empty() ? "" : " " + join(scope.paths, " "));
}

std::string to_string(const Inspection& inspection) {
    return inspection.endpoint + to_string(inspection.scope) + (inspection.upgrades.empty() ? "" : ", upgrades to " + join(inspection.upgrades, ", "));
}

} // namespace treadline

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/text.h"
#include "profiles/profile_reader.h"

namespace treadline {
namespace {

std::optional<std::string> canonical_address(const std::string& text) {
    in_addr v4{};
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) { // dotted decimal only: no octal, no short forms
        return ::inet_ntop(AF_INET, &v4, buffer.data(), buffer.size());
    }
    in6_addr v6{};
    if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) {
        return std::nullopt;
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        return ::inet_ntop(AF_INET, &v6.s6_addr[12], buffer.data(), buffer.size());
    }
    return ::inet_ntop(AF_INET6, &v6, buffer.data(), buffer.size());
}

// RFC 1123 host names, with '_' because real names hold it. A last label of digits (or 0x…) would be read as
// an address by some programs and as a name by others.
bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > 253) {
        return false;
    }
    const auto labels = split(name, '.');
    for (const std::string_view label : labels) {
        const bool good = !label.empty() && label.size() <= 63 && label.front() != '-' &&
                          label.back() != '-' && std::all_of(label.begin(), label.end(), [](char c) {
                              return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
                          });
        if (!good) {
            return false;
        }
    }
    const std::string_view last = labels.back();
    const bool digits = std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
    const bool hex = last.size() > 1 && last[0] == '0' && last[1] == 'x';
    return !digits && !hex;
}

} // namespace

result<HostPort> parse_host_port(std::string_view text) {
    const std::string shown = "'" + printable(text) + "' ";
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) {
        return fail(shown + "is no host:port; write for example 'packages.example.org:443'");
    }
    std::string host(text.substr(0, colon));
    constexpr std::string_view any_protocol = "/tcp";
    std::string_view digits = text.substr(colon + 1);
    const bool any = digits.ends_with(any_protocol);
    digits.remove_suffix(any ? any_protocol.size() : 0);
    unsigned port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size() || port == 0 || port > 65535 ||
        digits.front() == '0') {
        return fail(shown + "needs a port from 1 to 65535 behind the ':', and behind that nothing or '/tcp'");
    }
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (brackets) {
        host = host.substr(1, host.size() - 2);
    }
    if (host.find('\0') == std::string::npos) {
        if (const auto address = canonical_address(host)) {
            const bool v6 = host.find(':') != std::string::npos;
            if (v6 != brackets) {
                return fail(shown + (v6 ? "needs brackets around the IPv6 address: [::1]:443"
                                        : "has brackets around something that is no IPv6 address"));
            }
            return HostPort{*address, static_cast<uint16_t>(port), true, any};
        }
    }
    if (!host.empty() && host.back() == '.') {
        host.pop_back();
    }
    const std::string_view name = std::string_view(host).substr(0, 2) == "*."
                                      ? std::string_view(host).substr(2)
                                      : std::string_view(host);
    if (brackets || !is_host_name(name)) {
        return fail(shown + "has no valid host name; a `*.` may stand only in front");
    }
    if (name.size() != host.size() && name.find('.') == std::string_view::npos) {
        return fail(shown + "would allow a whole top-level domain; name at least two labels behind the `*.`");
    }
    return HostPort{host, static_cast<uint16_t>(port), false, any || host == host_loopback};
}

} // namespace treadline

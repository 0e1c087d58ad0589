// Addresses for names: what the sandbox is told when it looks up an allowed name. Each name has one IPv4 and one IPv6
// address of its own, so that a connection to one says which name was looked up; they lead nowhere but to the gateway.
//
// IPv4 ones lie in 198.18.0.0/15, which is set apart for tests within one network (RFC 2544); IPv6 ones are unique local
// (RFC 4193). Neither is anybody's public address; base/addresses.h tells them (stands_for_name).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace treadline::egress {

// Within the sandbox's network namespace.
inline constexpr const char* own_v4 = "198.18.0.1"; // the source of what the sandbox sends
inline constexpr const char* own_v6 = "fd74:7265:6164::1";
inline constexpr const char* resolver_v4 = "198.18.0.2"; // in its /etc/resolv.conf

class NameTable {
public:
    // A wildcard allows any number of names: what a hostile program can make of that is bounded.
    static constexpr size_t max_names = 4096;

    struct Addresses {
        std::string v4;
        std::string v6;
    };
    // Of a canonical name; the same each time. Nothing when the table is full.
    std::optional<Addresses> addresses_of(const std::string& name);

    // The name whose address this is, in the form inet_ntop(3) gives; nothing if it is none's.
    [[nodiscard]] std::optional<std::string> name_of(std::string_view address) const;

    [[nodiscard]] bool contains(const std::string& name) const { return numbers_.contains(name); }
    [[nodiscard]] std::map<std::string, std::string> all() const; // names by address

private:
    static Addresses addresses_of(size_t number);

    std::unordered_map<std::string, size_t> numbers_;
    std::vector<std::string> names_;
};

} // namespace treadline::egress

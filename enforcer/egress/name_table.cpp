#include "enforcer/egress/name_table.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace treadline::egress {
namespace {

constexpr uint32_t first_v4 = 0xC6120100; // 198.18.1.0
constexpr std::array<uint8_t, 12> prefix_v6 = {0xFD, 0x74, 0x72, 0x65, 0x61, 0x64, 0, 0, 0, 0, 0, 1};

} // namespace

std::optional<NameTable::Addresses> NameTable::addresses_of(const std::string& name) {
    auto found = numbers_.find(name);
    if (found == numbers_.end()) {
        if (names_.size() >= max_names) {
            return std::nullopt;
        }
        found = numbers_.emplace(name, names_.size()).first;
        names_.push_back(name);
    }
    return addresses_of(found->second);
}

NameTable::Addresses NameTable::addresses_of(size_t number) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    Addresses addresses;
    in_addr v4{};
    v4.s_addr = htonl(first_v4 + static_cast<uint32_t>(number));
    addresses.v4 = ::inet_ntop(AF_INET, &v4, text.data(), text.size());
    in6_addr v6{};
    std::memcpy(v6.s6_addr, prefix_v6.data(), prefix_v6.size());
    const uint32_t last = htonl(static_cast<uint32_t>(number) + 1);
    std::memcpy(v6.s6_addr + prefix_v6.size(), &last, sizeof last);
    addresses.v6 = ::inet_ntop(AF_INET6, &v6, text.data(), text.size());
    return addresses;
}

std::map<std::string, std::string> NameTable::all() const {
    std::map<std::string, std::string> names;
    for (size_t number = 0; number < names_.size(); ++number) {
        Addresses addresses = addresses_of(number);
        names.emplace(std::move(addresses.v4), names_[number]);
        names.emplace(std::move(addresses.v6), names_[number]);
    }
    return names;
}

std::optional<std::string> NameTable::name_of(std::string_view address) const {
    const std::string text(address);
    in_addr v4{};
    in6_addr v6{};
    size_t number = names_.size();
    if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
        number = ntohl(v4.s_addr) - static_cast<size_t>(first_v4);
    } else if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1 &&
               std::memcmp(v6.s6_addr, prefix_v6.data(), prefix_v6.size()) == 0) {
        uint32_t last = 0;
        std::memcpy(&last, v6.s6_addr + prefix_v6.size(), sizeof last);
        number = ntohl(last) - size_t{1};
    }
    return number < names_.size() ? std::optional(names_[number]) : std::nullopt;
}

} // namespace treadline::egress

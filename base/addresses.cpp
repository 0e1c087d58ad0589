#include "base/addresses.h"

#include <algorithm>

#include <arpa/inet.h>

namespace treadline {
namespace {

constexpr const char* metadata = "the cloud's metadata service, which hands out credentials";
constexpr const char* private_network = "an address of the private network";
constexpr const char* link_local = "a link-local address";
constexpr const char* odd = "not an ordinary address";

template <size_t Length>
bool starts_with(const Address& address, const std::array<uint8_t, Length>& prefix) {
    return std::equal(prefix.begin(), prefix.end(), address.bytes.begin());
}

// The IPv4 address in four bytes of this one; Teredo stores it inverted.
Address embedded(const Address& address, size_t at, uint8_t inverted = 0) {
    Address inner;
    inner.v4 = inner.valid = true;
    inner.bytes[10] = inner.bytes[11] = 0xFF;
    for (size_t i = 0; i < 4; ++i) {
        inner.bytes[12 + i] = address.bytes[at + i] ^ inverted;
    }
    return inner;
}

std::string why_not_public_v4(const Address& address) {
    const uint8_t* const b = address.bytes.data() + 12;
    if (b[0] == 169 && b[1] == 254) { // RFC 3927
        return b[2] == 169 && b[3] == 254 ? metadata : link_local;
    }
    if (b[0] == 168 && b[1] == 63 && b[2] == 129 && b[3] == 16) {
        return "the cloud's platform service (Azure), which configures this machine";
    }
    if (b[0] == 10 || (b[0] == 172 && b[1] >= 16 && b[1] < 32) || (b[0] == 192 && b[1] == 168)) {
        return private_network; // RFC 1918
    }
    if (b[0] == 100 && b[1] >= 64 && b[1] < 128) { // RFC 6598
        return "an address of the provider's network";
    }
    const bool protocols =
        b[0] == 192 && b[1] == 0 && b[2] == 0;                  // RFC 6890; a metadata service in some clouds
    const bool relay = b[0] == 192 && b[1] == 88 && b[2] == 99; // RFC 7526
    const bool benchmarks = b[0] == 198 && (b[1] == 18 || b[1] == 19); // RFC 2544
    // RFC 1122, RFC 1112
    return protocols || relay || benchmarks || b[0] == 0 || b[0] >= 224 ? odd : "";
}

bool is_documentation(const Address& address) {
    const auto& b = address.bytes;
    if (address.v4) { // RFC 5737
        return (b[12] == 192 && b[13] == 0 && b[14] == 2) || (b[12] == 198 && b[13] == 51 && b[14] == 100) ||
               (b[12] == 203 && b[13] == 0 && b[14] == 113);
    }
    return starts_with<4>(address, {0x20, 0x01, 0x0D, 0xB8}); // RFC 3849
}

std::string why_not_public(const Address& address);

// "carried" says by what: the rule shows only the IPv6 address.
std::string why_not_carried(const Address& inner, const std::string& carried) {
    const std::string why = why_not_public(inner);
    return why.empty() ? "" : carried + " " + to_text(inner) + ": " + why;
}

std::string why_not_public(const Address& address) {
    if (is_loopback(address)) {
        return "a service on this machine's loopback, which the sandbox does not share";
    }
    if (address.v4) {
        return why_not_public_v4(address);
    }
    const auto& b = address.bytes;
    if (starts_with<12>(address, {})) { // RFC 4291, deprecated
        return why_not_carried(embedded(address, 12), "carries the IPv4 address");
    }
    if (starts_with<12>(address, {0, 0x64, 0xFF, 0x9B})) { // RFC 6052
        return why_not_carried(embedded(address, 12), "NAT64 of");
    }
    if (starts_with<6>(address, {0, 0x64, 0xFF, 0x9B, 0,
                                 1})) { // RFC 8215; where it carries IPv4 is the network's choice
        return "an address of this network's own NAT64, which may lead to any IPv4 address";
    }
    if (starts_with<2>(address, {0x20, 0x02})) { // RFC 3056
        const std::string why = why_not_carried(embedded(address, 2), "6to4 tunnel to");
        return why.empty() ? "a 6to4 tunnel" : why;
    }
    if (starts_with<4>(address, {0x20, 0x01, 0, 0})) { // RFC 4380
        const std::string why = why_not_carried(embedded(address, 12, 0xFF), "Teredo tunnel to");
        return why.empty() ? "a Teredo tunnel" : why;
    }
    if (starts_with<16>(address, {0xFD, 0, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54})) {
        return metadata;
    }
    if ((b[0] & 0xFE) == 0xFC || (b[0] == 0xFE && (b[1] & 0xC0) == 0xC0)) { // RFC 4193, RFC 3879
        return private_network;
    }
    if (b[0] == 0xFE && (b[1] & 0xC0) == 0x80) { // RFC 4291
        return link_local;
    }
    return b[0] == 0xFF ? odd : "";
}

} // namespace

Address parse_address(std::string_view text) {
    Address address;
    const std::string copy(text.substr(0, text.find('%')));
    if (inet_pton(AF_INET, copy.c_str(), address.bytes.data() + 12) == 1) {
        address.bytes[10] = address.bytes[11] = 0xFF;
        address.v4 = address.valid = true;
    } else if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) {
        constexpr std::array<uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
        address.v4 = starts_with(address, mapped);
        address.valid = true;
    }
    return address;
}

std::string to_text(const Address& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    return address.v4 ? inet_ntop(AF_INET, address.bytes.data() + 12, text.data(), text.size())
                      : inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
}

bool is_loopback(const Address& address) {
    const auto is_zero = [](uint8_t byte) { return byte == 0; };
    if (address.v4) {
        return address.bytes[12] == 127 ||
               std::all_of(address.bytes.begin() + 12, address.bytes.end(), is_zero);
    }
    return std::all_of(address.bytes.begin(), address.bytes.end() - 1, is_zero) && address.bytes[15] <= 1;
}

bool stands_for_name(std::string_view text) {
    const Address address = parse_address(text);
    const auto& b = address.bytes;
    return address.v4 ? b[12] == 198 && (b[13] & 0xFE) == 18
                      : address.valid && starts_with<6>(address, {0xFD, 0x74, 0x72, 0x65, 0x61, 0x64});
}

std::string why_not_public(std::string_view text) {
    const Address address = parse_address(text);
    return address.valid ? why_not_public(address) : "";
}

std::string why_not_led_to(std::string_view text) {
    std::string why = why_not_public(text);
    return why.empty() && is_documentation(parse_address(text)) ? "an address for examples in documents" : why;
}

} // namespace treadline

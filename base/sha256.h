// SHA-256 (FIPS 180-4), of bytes that come in parts: what names something by its content, never what keeps a secret.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace treadline {

class Sha256 {
public:
    void add(std::string_view bytes);
    [[nodiscard]] std::string hex() const; // of what has been added so far, 64 digits

private:
    std::array<uint32_t, 8> hash_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::string rest_; // less than a block
    uint64_t size_ = 0;
};

std::string sha256_hex(std::string_view bytes);

} // namespace treadline

#include "base/sha256.h"

#include <bit>
#include <cstddef>
#include <cstdio>

namespace treadline {
namespace {

constexpr size_t block_size = 64;

// FIPS 180-4, section 4.2.2.
constexpr std::array<uint32_t, 64> round_constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

void add_block(std::array<uint32_t, 8>& hash, const char* block) {
    std::array<uint32_t, 64> w{};
    for (size_t i = 0; i < 16; ++i) {
        for (size_t byte = 0; byte < 4; ++byte) {
            w[i] = w[i] << 8 | static_cast<uint8_t>(block[i * 4 + byte]);
        }
    }
    for (size_t i = 16; i < 64; ++i) {
        const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = hash;
    for (size_t i = 0; i < 64; ++i) {
        const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
        const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
        const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
        const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const std::array<uint32_t, 8> added{a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < hash.size(); ++i) {
        hash[i] += added[i];
    }
}

} // namespace

void Sha256::add(std::string_view bytes) {
    size_ += bytes.size();
    if (!rest_.empty()) {
        const std::string_view part = bytes.substr(0, block_size - rest_.size());
        rest_ += part;
        bytes.remove_prefix(part.size());
        if (rest_.size() < block_size) {
            return;
        }
        add_block(hash_, rest_.data());
        rest_.clear();
    }
    for (; bytes.size() >= block_size; bytes.remove_prefix(block_size)) {
        add_block(hash_, bytes.data());
    }
    rest_ = bytes;
}

std::string Sha256::hex() const {
    auto hash = hash_;
    std::string end = rest_ + '\x80';
    end.resize((end.size() + 8 + block_size - 1) / block_size * block_size - 8, '\0');
    for (int shift = 56; shift >= 0; shift -= 8) {
        end += static_cast<char>(size_ * 8 >> shift);
    }
    for (size_t at = 0; at < end.size(); at += block_size) {
        add_block(hash, end.data() + at);
    }
    std::string text;
    for (const uint32_t word : hash) {
        char hex[9];
        std::snprintf(hex, sizeof hex, "%08x", word);
        text += hex;
    }
    return text;
}

std::string sha256_hex(std::string_view bytes) {
    Sha256 digest;
    digest.add(bytes);
    return digest.hex();
}

} // namespace treadline

#include <catch2/catch_test_macros.hpp>

#include "base/sha256.h"

using namespace treadline;

TEST_CASE("SHA-256 is what FIPS 180-4 says, whatever parts the bytes come in", "[base]") {
    CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const std::string long_text(1000, 'a');
    CHECK(sha256_hex(long_text) == "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
    for (size_t part = 1; part < 130; ++part) {
        Sha256 digest;
        for (size_t at = 0; at < long_text.size(); at += part) {
            digest.add(std::string_view(long_text).substr(at, part));
        }
        REQUIRE(digest.hex() == sha256_hex(long_text));
    }
}

#include "base/result.h"

#include <cerrno>
#include <memory>

#include <catch2/catch_test_macros.hpp>

using namespace treadline;

namespace {

result<std::unique_ptr<int>> make(bool good) {
    if (!good) {
        return fail_code(ENOENT, "cannot open '/x'");
    }
    return std::make_unique<int>(7);
}

result<int> use(bool good) {
    const std::unique_ptr<int> value = TRY(make(good));
    return *value;
}

} // namespace

TEST_CASE("TRY hands on a value, also one that can only be moved", "[result]") {
    CHECK(use(true).value() == 7);
}

TEST_CASE("TRY returns the error of what it tried", "[result]") {
    const auto got = use(false);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ENOENT);
    CHECK(got.error().message() == "cannot open '/x': No such file or directory");
}

TEST_CASE("an error from input has no errno text", "[result]") {
    const result<ok> got = fail("profile.yaml:3:1: unknown key 'fils'");
    CHECK(got.error().message() == "profile.yaml:3:1: unknown key 'fils'");
}

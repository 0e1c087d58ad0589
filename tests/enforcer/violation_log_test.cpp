#include <catch2/catch_test_macros.hpp>

#include "enforcer/violation_log.h"

using namespace treadline;

namespace {
Violation denial(const std::string& object, const std::string& exe = "/usr/bin/cat") {
    Violation violation;
    violation.layer = "landlock";
    violation.operation = "read";
    violation.object = object;
    violation.exe = exe;
    return violation;
}
} // namespace

TEST_CASE("the same denial again is counted, not listed again", "[enforcer][violations]") {
    ViolationLog log;
    CHECK(log.record(denial("/a")));
    CHECK_FALSE(log.record(denial("/a")));
    CHECK(log.record(denial("/a", "/usr/bin/sh")));
    CHECK(log.record(denial("/b")));
    REQUIRE(log.all().size() == 3);
    CHECK(log.all()[0].count == 2);
    CHECK(log.all()[1].count == 1);
}

TEST_CASE("what asked and died unnamed is counted with the first that was refused the same", "[enforcer][violations]") {
    ViolationLog log;
    CHECK(log.record(denial("/a")));
    CHECK_FALSE(log.record(denial("/a", "")));
    CHECK(log.record(denial("/b", ""))); // nobody else was
    REQUIRE(log.all().size() == 2);
    CHECK(log.all()[0].count == 2);
    CHECK(log.all()[0].exe == "/usr/bin/cat");
}

TEST_CASE("each violation is handed out as new exactly once", "[enforcer][violations]") {
    ViolationLog log;
    log.record(denial("/a"));
    CHECK(log.take_new().size() == 1);
    log.record(denial("/a"));
    CHECK(log.take_new().empty());
    log.record(denial("/b"));
    const auto fresh = log.take_new();
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].object == "/b");
}

TEST_CASE("a flood of different denials is bounded and still counted", "[enforcer][violations]") {
    ViolationLog log;
    for (size_t i = 0; i < ViolationLog::max_distinct + 500; ++i) {
        log.record(denial("/" + std::to_string(i)));
    }
    CHECK(log.all().size() == ViolationLog::max_distinct + 1);
    CHECK(log.all().back().count == 500);
}

TEST_CASE("what two layers saw of one denial is one, and counted by the one that counts", "[enforcer][violations]") {
    ViolationLog log;
    Violation once = denial("192.0.2.1:443");
    Violation uncounted = once;
    uncounted.count = 0;
    log.record(once);
    CHECK_FALSE(log.record(uncounted));
    CHECK(log.all()[0].count == 1);
    uncounted.object = "192.0.2.2:443";
    CHECK(log.record(uncounted));
    CHECK(log.all()[1].count == 1);
}

#include "enforcer/own_rights.h"

#include <catch2/catch_test_macros.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/support.h"

using namespace treadline;
using treadline::test::TemporaryDirectory;

TEST_CASE("what belongs to others and is not writable is refused by the user's own rights, and nothing else is", "[enforcer][rights]") {
    const uid_t nobody = 65534;
    const uid_t user = ::geteuid() == 0 ? nobody : ::geteuid(); // root asks on behalf of somebody, too
    CHECK(rights_refuse("/usr/lib/treadline-new", Change::Names, user));
    CHECK(rights_refuse("/usr/bin/env", Change::Names, user)); // to remove it
    CHECK(rights_refuse("/etc/passwd", Change::Write, user));
    CHECK(rights_refuse("/proc/sys/kernel/core_pattern", Change::Write, user));

    CHECK_FALSE(rights_refuse("/tmp/treadline-new", Change::Names, user));
    CHECK_FALSE(rights_refuse("/dev/null", Change::Write, user));
    CHECK_FALSE(rights_refuse("/proc/1/comm", Change::Write, user)); // another process inside
    CHECK_FALSE(rights_refuse("/no/such/directory/new", Change::Names, user));
    CHECK(::geteuid() == (user == nobody ? 0 : user));
    CHECK(::access("/usr/lib", W_OK) == (::geteuid() == 0 ? 0 : -1)); // root has its rights back
}

TEST_CASE("what is the user's own is not refused by a mode that the user could change", "[enforcer][rights]") {
    const TemporaryDirectory directory;
    const std::string file = directory.write("sealed/file", "", 0444);
    REQUIRE(::chmod((directory / "sealed").c_str(), 0555) == 0);
    CHECK_FALSE(rights_refuse(file, Change::Write, ::geteuid()));
    CHECK_FALSE(rights_refuse(file, Change::Names, ::geteuid()));
    REQUIRE(::chmod((directory / "sealed").c_str(), 0755) == 0);
}

#include <catch2/catch_test_macros.hpp>

#include "enforcer/landlock_ruleset.h"

using namespace treadline;

namespace {
const Modes r = Mode::Read;
const Modes rwc = Mode::Read | Mode::Write | Mode::Create;
} // namespace

TEST_CASE("each Landlock version handles exactly the rights its kernel knows", "[enforcer][landlock]") {
    CHECK(landlock_handled_fs(0) == 0);
    CHECK(landlock_handled_fs(1) == 0x1fff);
    CHECK(landlock_handled_fs(2) == 0x3fff);
    CHECK(landlock_handled_fs(3) == 0x7fff);
    CHECK(landlock_handled_fs(4) == 0x7fff);
    CHECK(landlock_handled_fs(5) == 0xffff);
    CHECK(landlock_handled_fs(7) == 0xffff);
    CHECK(landlock_handled_fs(8) == 0xffff);
    CHECK(landlock_handled_fs(9) == 0x1ffff);
}

TEST_CASE("a right the kernel does not know is never asked for", "[enforcer][landlock]") {
    for (int abi = 0; abi <= 10; ++abi) {
        const uint64_t rights = landlock_rights(rwc | Mode::Execute, LandlockObject::Directory, abi);
        CHECK((rights & ~landlock_handled_fs(abi)) == 0);
    }
    CHECK((landlock_rights(Mode::Write, LandlockObject::File, 2) & landlock::truncate) == 0);
    CHECK((landlock_rights(Mode::Write, LandlockObject::File, 3) & landlock::truncate) != 0);
}

TEST_CASE("`r` on a file reads it, on a subtree also lists", "[enforcer][landlock]") {
    CHECK(landlock_rights(r, LandlockObject::File, 7) == landlock::read_file);
    CHECK(landlock_rights(r, LandlockObject::Directory, 7) == (landlock::read_file | landlock::read_dir));
    CHECK(landlock_rights(r, LandlockObject::DirectoryOnly, 7) == landlock::read_dir);
}

TEST_CASE("`x` executes and does not read; `w` writes and does not create", "[enforcer][landlock]") {
    CHECK(landlock_rights(Mode::Execute, LandlockObject::File, 7) == landlock::execute);
    CHECK(landlock_rights(Mode::Write, LandlockObject::Directory, 7) ==
          (landlock::write_file | landlock::truncate));
}

TEST_CASE("`c` never makes a device node, and means nothing on a file", "[enforcer][landlock]") {
    const uint64_t rights = landlock_rights(rwc, LandlockObject::Directory, 7);
    CHECK((rights & (landlock::make_char | landlock::make_block)) == 0);
    CHECK((rights & landlock::make_reg) != 0);
    CHECK((rights & landlock::refer) != 0);
    CHECK(landlock_rights(Mode::Create, LandlockObject::File, 7) == 0);
}

TEST_CASE("ioctl on a device is granted with the device only", "[enforcer][landlock]") {
    CHECK((landlock_rights(r, LandlockObject::Device, 5) & landlock::ioctl_dev) != 0);
    CHECK((landlock_rights(r, LandlockObject::Device, 4) & landlock::ioctl_dev) == 0);
    CHECK((landlock_rights(r, LandlockObject::File, 5) & landlock::ioctl_dev) == 0);
    CHECK((landlock_rights(Mode::Execute, LandlockObject::Device, 5) & landlock::ioctl_dev) == 0);
}

TEST_CASE("the ruleset grows with the version: ports from 4, scopes from 6", "[enforcer][landlock]") {
    CHECK(landlock_attributes(3, true).handled_access_net == 0);
    CHECK(landlock_attributes(4, true).handled_access_net == landlock::bind_tcp);
    CHECK(landlock_attributes(5, true).scoped == 0);
    CHECK(landlock_attributes(6, true).scoped ==
          (landlock::scope_abstract_unix_socket | landlock::scope_signal));
    CHECK(landlock_attributes(6, false).scoped == 0);
    CHECK(landlock_attributes_size(3) == 8);
    CHECK(landlock_attributes_size(4) == 16);
    CHECK(landlock_attributes_size(6) == 24);
    CHECK(landlock_attributes_size(10) == 24);
}

TEST_CASE("datagrams are held from 10 on, where the command has the host's network and is to have nothing of it", "[enforcer][landlock]") {
    const uint64_t tcp = landlock::bind_tcp | landlock::connect_tcp;
    CHECK(landlock_attributes(9, true, true).handled_access_net == tcp);
    CHECK(landlock_attributes(10, true, true).handled_access_net == (tcp | landlock::bind_udp | landlock::connect_send_udp));
    CHECK(landlock_attributes(10, true, false).handled_access_net == landlock::bind_tcp);
}

// What Landlock rights a rule stands for, by the kernel's ABI version. Pure; child.cpp hands them to the
// kernel.
//
// Landlock rights reach everything below a directory and nothing takes them back: what must stay closed below
// is the mount view's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "enforcer/missing_defs.h"
#include "profiles/profile.h"

namespace treadline {

enum class LandlockObject : uint8_t {
    File,
    Device,        // a character device: ioctl is a right of its own from ABI 5
    Directory,     // the directory and everything below it
    DirectoryOnly, // its list of names; Landlock cannot keep that from reaching the directories below
};

// Every file system right the ABI knows: what is not granted is refused.
uint64_t landlock_handled_fs(int abi);

// Device nodes are never made: `c` grants neither make_char nor make_block.
uint64_t landlock_rights(Modes modes, LandlockObject object, int abi);

// "read_file+read_dir", for `explain`; "none" for 0.
std::string describe_landlock_rights(uint64_t rights);

// TCP connect and datagrams are left alone: without a network of the host's there is nothing to connect to, and with it
// the person has asked for all of it. `hold_connect`: where the command has the host's network and is to have nothing of it.
landlock::RulesetAttributes landlock_attributes(int abi, bool scopes, bool hold_connect = false);
// A kernel refuses a structure with non-zero bytes it does not know; this is the size it does know.
size_t landlock_attributes_size(int abi);

} // namespace treadline

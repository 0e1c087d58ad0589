#include "enforcer/landlock_ruleset.h"

#include <array>
#include <utility>

namespace treadline {

uint64_t landlock_handled_fs(int abi) {
    if (abi < 1) {
        return 0;
    }
    uint64_t rights = (landlock::make_sym << 1) - 1; // ABI 1: bits 0 to 12
    if (abi >= 2) {
        rights |= landlock::refer;
    }
    if (abi >= 3) {
        rights |= landlock::truncate;
    }
    if (abi >= 5) {
        rights |= landlock::ioctl_dev;
    }
    if (abi >= 9) {
        rights |= landlock::resolve_unix;
    }
    return rights;
}

uint64_t landlock_rights(Modes modes, LandlockObject object, int abi) {
    const bool directory = object == LandlockObject::Directory || object == LandlockObject::DirectoryOnly;
    uint64_t rights = 0;
    if (modes.has(Mode::Read)) {
        rights |= directory ? landlock::read_dir : landlock::read_file;
        rights |= object == LandlockObject::Directory ? landlock::read_file : 0;
    }
    if (modes.has(Mode::Write) && object != LandlockObject::DirectoryOnly) {
        rights |= landlock::write_file | landlock::truncate;
    }
    if (modes.has(Mode::Execute) && object != LandlockObject::DirectoryOnly) {
        rights |= landlock::execute;
    }
    if (modes.has(Mode::Create) && object == LandlockObject::Directory) {
        rights |= landlock::make_reg | landlock::make_dir | landlock::make_sym | landlock::make_fifo |
                  landlock::make_sock | landlock::remove_file | landlock::remove_dir | landlock::refer;
    }
    if (object == LandlockObject::Device && (modes.has(Mode::Read) || modes.has(Mode::Write))) {
        rights |= landlock::ioctl_dev;
    }
    return rights & landlock_handled_fs(abi);
}

std::string describe_landlock_rights(uint64_t rights) {
    static constexpr std::array<std::pair<uint64_t, const char*>, 17> names = {{
        {landlock::execute, "execute"},
        {landlock::write_file, "write_file"},
        {landlock::read_file, "read_file"},
        {landlock::read_dir, "read_dir"},
        {landlock::remove_dir, "remove_dir"},
        {landlock::remove_file, "remove_file"},
        {landlock::make_char, "make_char"},
        {landlock::make_dir, "make_dir"},
        {landlock::make_reg, "make_reg"},
        {landlock::make_sock, "make_sock"},
        {landlock::make_fifo, "make_fifo"},
        {landlock::make_block, "make_block"},
        {landlock::make_sym, "make_sym"},
        {landlock::refer, "refer"},
        {landlock::truncate, "truncate"},
        {landlock::ioctl_dev, "ioctl_dev"},
        {landlock::resolve_unix, "resolve_unix"},
    }};
    std::string text;
    for (const auto& [right, name] : names) {
        if ((rights & right) != 0) {
            text += text.empty() ? "" : "+";
            text += name;
        }
    }
    return text.empty() ? "none" : text;
}

landlock::RulesetAttributes landlock_attributes(int abi, bool scopes, bool hold_connect) {
    landlock::RulesetAttributes attributes;
    attributes.handled_access_fs = landlock_handled_fs(abi);
    if (abi >= 4) {
        attributes.handled_access_net = landlock::bind_tcp | (hold_connect ? landlock::connect_tcp : 0);
    }
    if (abi >= 10 && hold_connect) {
        attributes.handled_access_net |= landlock::bind_udp | landlock::connect_send_udp; // no rule allows any
    }
    if (abi >= 6 && scopes) {
        attributes.scoped = landlock::scope_abstract_unix_socket | landlock::scope_signal;
    }
    return attributes;
}

size_t landlock_attributes_size(int abi) {
    if (abi >= 6) {
        return sizeof(landlock::RulesetAttributes);
    }
    return abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

} // namespace treadline

// What lies where in a mount view that is being planned. For each path the nearest entry at or above it counts: what is bound
// there from the host, a private directory, or nothing, which is hidden.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include "enforcer/held_rules.h"
#include "enforcer/plan.h"

namespace treadline {

struct MountBind {
    bool writable = false;
    bool executable = true;
    std::string why;
};

class MountTable {
public:
    enum class Base : uint8_t { Hidden, Bound, Private };

    explicit MountTable(const HeldRules& held) : held_(held) {}

    // Below `path` something else may lie again. A second bind of the same path adds to the first.
    void bind(const std::string& path, bool writable, const std::string& why);
    // Anything but a directory takes the place of what was to be at its target.
    void step(MountStep step);
    // What a path lies in: the entry that counts and its path. Not `itself`: as if there were none for the path.
    [[nodiscard]] std::pair<Base, std::string> base_of(std::string_view at, bool itself) const;
    // Some rule lets what is below be written; something in it be executed; this or something below it be read or executed.
    [[nodiscard]] bool written_below(const std::string& path) const;
    [[nodiscard]] bool executed_in(const std::string& path) const;
    [[nodiscard]] bool reached(const std::string& path) const;

    // Parents before what lies in them. Leaves the table empty.
    std::vector<MountStep> take();

    std::map<std::string, MountBind, std::less<>> binds;
    std::map<std::string, std::string, std::less<>> private_directories; // and why
    std::set<std::string> executable_private;
    std::set<std::string, std::less<>> hidden_in_bound; // mounted empty in what is bound
    std::map<std::string, MountStep> steps; // by target

private:
    const HeldRules& held_;
};

bool covers(const HeldRule& rule, const std::string& path);
bool changes(const HeldRule& rule);
std::optional<struct stat> look_at(const std::string& path); // not following a link

} // namespace treadline

// Where guards and `deny` patterns lie inside what will be bound into the sandbox: existing paths to mask or
// to seal, and missing ones that need a placeholder. Looks at the disk, changes nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "enforcer/plan.h"
#include "profiles/policy.h"

namespace treadline {

struct GuardedPath {
    enum class Holding : uint8_t {
        Mask, // not to be read
        Seal, // readable, not to be changed
        Pin,  // to be used, not to be replaced: the directory itself is a mount point
        Way,  // leads to one of these: not to be renamed, else as the rules have it
    };
    std::string path;
    bool directory = false;
    Holding holding = Holding::Mask;
    std::string why;
    bool operator==(const GuardedPath&) const = default;
};

struct GuardScan {
    std::vector<GuardedPath> guarded; // sorted by path, none below a masked one
    std::vector<Placeholder> placeholders;
    std::vector<std::string> make_directories;      // what missing guarded paths would lie in
    std::map<std::string, OtherName> other_names;   // see Plan
    std::vector<std::string> links;      // symbolic links met on the way, at most 256
    std::vector<std::string> secrets;    // places of credentials at which there is something, in view or not
    std::vector<std::string> gaps;       // sentences: what cannot be held
    std::vector<std::string> unsearched; // sentences: where guarded files may lie unseen; a refusal
};

struct GuardScanInput {
    const Policy* policy = nullptr;
    std::vector<std::string> roots;                   // directories of the host that will be visible
    std::function<bool(const std::string&)> visible;  // a path of the host is inside
    std::function<bool(const std::string&)> writable; // and names can be made in this directory
    bool changes = false;                             // anything is writable at all
    std::vector<std::string> making_roots;            // directories whose names rules let be made
    size_t max_entries = 200'000;
};

GuardScan scan_guards(const GuardScanInput& input);

} // namespace treadline

// Which rules of a profile its stored runs need: `profile --minimise`.
//
// Each rule is judged as if it alone were dropped; an include counts as one. Nothing is judged that no access
// can need: `deny`, `publish`, `set`, credentials, limits. What no stored run did may still be needed by the
// next one, so this is advice to a person.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "collector/trace.h"
#include "profiler/replay.h"
#include "profiles/policy.h"

namespace treadline {

enum class Verdict : uint8_t {
    LoadBearing, // without it some stored access would be denied
    Redundant,   // each access it allows, another rule allows as well
    NeverUsed,   // no stored access is one that it allows
};
std::string_view to_string(Verdict verdict); // "load-bearing", "redundant", "never used"

struct RuleVerdict {
    Section section = Section::Files;
    std::string rule; // as written
    int line = 0;     // in the profile
    Verdict verdict = Verdict::NeverUsed;
    // All that can be dropped can be dropped together: of redundant rules that only stand in for each other
    // the widest stays.
    bool can_be_dropped = false;
    uint64_t accesses = 0;         // different stored ones that it allows
    uint64_t alone = 0;            // that nothing else in the profile allows
    int runs = 0;                  // that did any of them
    std::string example;           // of what it allows alone; redundant: of what it allows
    std::vector<std::string> also; // redundant: rules that allow the same, at most 4
    Modes unused;                  // Files: modes that no access used, of a rule that is used
    // Include: its rules, and how many of them any access used.
    uint32_t parts = 0;
    uint32_t parts_used = 0;
};

struct Minimised {
    std::vector<RuleVerdict> rules; // in the order of the profile's lines, by section
    std::vector<DeniedAccess> denied;
    uint64_t accesses = 0;
    size_t runs = 0;
    [[nodiscard]] size_t count(Verdict verdict) const;
    [[nodiscard]] bool can_shrink() const; // something can be dropped
};

struct MinimiseInput {
    const Profile& profile;
    const Policy& policy; // of that profile
    const std::vector<Trace>& traces;
    std::function<Variables(const RunInfo&)> variables;
    Policy::Loader load; // as for `policy`: what an include includes itself belongs to it
};

result<Minimised> minimise(const MinimiseInput& input);

// {runs, accesses, rules: [{section, rule, line, verdict, can_be_dropped, accesses, alone, runs, example?,
// also?, unused?, parts?, parts_used?}], denied: [{operation, object, reason}]}
std::string to_json(const Minimised& minimised);
std::string to_text(const Minimised& minimised, const std::string& file); // safe for a terminal

} // namespace treadline

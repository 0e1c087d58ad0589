#include "profiler/containment.h"

#include <algorithm>
#include <array>
#include <utility>

namespace treadline {

Modes granted_throughout(const Policy& policy, const Pattern& pattern) {
    constexpr std::array<std::pair<Operation, Mode>, 4> operations{{{Operation::Read, Mode::Read},
                                                                    {Operation::Write, Mode::Write},
                                                                    {Operation::Create, Mode::Create},
                                                                    {Operation::Execute, Mode::Execute}}};
    // `dir/` may open a guard, as a single path does, and then decides as its directory is decided.
    Modes decided;
    if (pattern.extent == Extent::Exact || pattern.extent == Extent::Names) {
        for (const auto& [operation, mode] : operations) {
            if (policy.decide(operation, pattern.path).allowed) {
                decided |= mode;
            }
        }
        if (pattern.extent == Extent::Exact) {
            return decided;
        }
    }
    Modes granted;
    for (const PolicyRule& rule : policy.files()) {
        if (rule.pattern.covers(pattern)) {
            granted |= rule.modes;
        }
    }
    for (const PolicyEntry& entry : policy.private_directories()) {
        if (entry.pattern.covers(pattern)) {
            granted |= Mode::Read | Mode::Write | Mode::Create;
        }
    }
    return pattern.extent == Extent::Names ? granted.without(granted.without(decided)) : granted;
}

bool denied_throughout(const Policy& policy, const Pattern& pattern) {
    return std::any_of(policy.deny().begin(), policy.deny().end(), [&](const PolicyEntry& entry) {
        // `deny` of a directory reaches everything below it.
        return entry.pattern.covers(pattern) ||
               (entry.pattern.extent == Extent::Exact &&
                Pattern{entry.pattern.path, Extent::Subtree}.covers(pattern));
    });
}

} // namespace treadline

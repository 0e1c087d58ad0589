// The parts of lint(), by the section they look at.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "profiler/lint.h"

namespace treadline {

class Findings {
public:
    void add(Severity severity, std::string code, const Position& at, std::string rule, std::string message) {
        found_.push_back({severity, std::move(code), at, std::move(rule), std::move(message)});
    }
    [[nodiscard]] std::vector<Finding> take() { return std::move(found_); }

private:
    std::vector<Finding> found_;
};

inline bool is_own(const Origin& origin) {
    return origin.source.rfind("include ", 0) != 0;
}

// Notes entry `i`, one of the profile's own, where another one contains it. Of two that say the same the
// first is kept, or the include's.
template <class Entry, class Contains>
void note_redundant(const std::vector<Entry>& entries, size_t i, Contains contains, Findings& findings) {
    const Entry& entry = entries[i];
    for (size_t other = 0; other < entries.size(); ++other) {
        const Entry& there = entries[other];
        const bool first_of_same = other > i && is_own(there.origin) && contains(entry, there);
        if (other != i && contains(there, entry) && !first_of_same) {
            findings.add(Severity::Note, "redundant", entry.origin.at, entry.text,
                         "is contained in " + there.text +
                             (is_own(there.origin) ? "" : " (" + there.origin.source + ")") + "; delete it");
            return;
        }
    }
}

void lint_files(const LintInput& input, Findings& findings);   // files, private, deny
void lint_network(const LintInput& input, Findings& findings); // network, unix
void lint_process(const LintInput& input, Findings& findings); // syscalls, environment

} // namespace treadline

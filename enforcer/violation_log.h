// The denials of one run: repeated ones counted, their number bounded, because a hostile program can ask for
// a different path a million times.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "enforcer/violation.h"

namespace treadline {

class ViolationLog {
public:
    static constexpr size_t max_distinct = 10'000;

    // The same program refused the same thing is one violation with a count; one that died before it could be named
    // counts with the first that was refused the same. True if it is new. Beyond
    // max_distinct everything further is counted in one last entry for its layer.
    bool record(Violation violation);

    // New ones since the last call.
    std::vector<Violation> take_new();
    [[nodiscard]] const std::vector<Violation>& all() const { return all_; }

private:
    std::vector<Violation> all_;
    std::unordered_map<std::string, size_t> index_;
    std::unordered_map<std::string, size_t> first_; // whoever was refused it first
    size_t taken_ = 0;
};

} // namespace treadline

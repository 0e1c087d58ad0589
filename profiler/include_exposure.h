// What rules of an abstraction would open that was not used: existing files, weighed by where they lie.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "profiler/costs.h"
#include "profiler/lines.h"
#include "profiler/reduce.h"
#include "profiles/policy.h"

namespace treadline {

class IncludeExposure {
public:
    // Keeps the three. Without a disk nothing is there.
    IncludeExposure(const Costs& costs, const Variables& here, const DiskView* disk)
        : costs_(costs), here_(here), disk_(disk) {}

    struct Sum {
        Weight counted = 0;
        Weight logarithmic = 0;
    };
    void add(const PolicyRule& rule, Sum& sum) const;
    [[nodiscard]] MilliLines lines(const Sum& sum) const;

private:
    [[nodiscard]] int64_t entries(const Pattern& pattern) const;
    [[nodiscard]] const std::vector<DiskView::Entry>& list(const std::string& directory) const;

    const Costs& costs_;
    const Variables& here_;
    const DiskView* disk_;
    mutable std::map<std::string, std::vector<DiskView::Entry>> listed_; // each directory once
    mutable std::map<std::string, int64_t> counted_;                     // by pattern
};

} // namespace treadline

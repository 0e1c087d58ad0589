#include "enforcer/violation_log.h"

#include <algorithm>
#include <utility>

namespace treadline {

bool ViolationLog::record(Violation violation) {
    if (all_.size() >= max_distinct) {
        violation.object = "(more than " + std::to_string(max_distinct) + " different ones)";
        violation.rule.clear();
        violation.exe.clear();
        violation.argv.clear();
    }
    std::string key =
        violation.layer + '\n' + violation.operation + '\n' + violation.exe + '\n' + violation.object;
    // A process that is being killed cannot be named any more; what it asked is no other denial for that.
    const std::string unnamed = violation.layer + '\n' + violation.operation + "\n\n" + violation.object;
    const auto [first, is_first] = first_.try_emplace(unnamed, all_.size());
    if (!is_first && violation.exe.empty()) {
        all_[first->second].count += violation.count;
        return false;
    }
    const auto [found, inserted] = index_.try_emplace(std::move(key), all_.size());
    if (!inserted) {
        all_[found->second].count += violation.count;
        return false;
    }
    violation.count = std::max<uint64_t>(violation.count, 1);
    all_.push_back(std::move(violation));
    return true;
}

std::vector<Violation> ViolationLog::take_new() {
    std::vector<Violation> fresh(all_.begin() + static_cast<std::ptrdiff_t>(taken_), all_.end());
    taken_ = all_.size();
    return fresh;
}

} // namespace treadline

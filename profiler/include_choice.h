// Which abstractions a profile includes: the first always ("runtime"), another one when it takes the place of
// several lines.
//
// An abstraction is worth what it saves (the lines that would be written without it) less its own line and
// what it opens that was not used, weighed as everywhere (costs.h). One that runs programs is about them: it
// is considered only if one of its own programs ran, so that a file which others read, too, is no reason.
// Choosing several is a set cover: greedy, the best one first, each counted beside those before it. Not
// always the cheapest set.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "profiler/access_set.h"
#include "profiles/policy.h"

namespace treadline {

struct Includes {
    std::vector<std::string> names;
    Policy policy;              // a profile of nothing but these includes
    std::vector<Modes> covered; // by node: what it grants
};

struct IncludeInput {
    const AccessSet& set;
    const std::vector<Modes>& needs;           // by node
    const std::vector<std::string>& variables; // of the environment, that the command would be given
    const std::vector<std::string>& shipped;   // names, what every profile includes first; decides ties
    const Policy::Loader& load;
    const Variables& here;
    const Costs& costs;
    const DiskView* disk = nullptr; // what is not there is not opened; null: nothing is known to be
};

result<Includes> choose_includes(const IncludeInput& input);

} // namespace treadline

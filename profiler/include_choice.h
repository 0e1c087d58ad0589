// Which abstractions a profile includes, and the rules beside them: together the cheapest that grant what is
// needed, by the same costs (costs.h).
//
// The first that is shipped ("runtime") is always one. The others are candidates as any rule is: an include costs its own line and what it
// opens that was not used, and takes away what the search (fold.h) would have had to write without it, folds
// included. Two conditions make a set of includes possible at all: an abstraction that runs programs is about
// them, so one of its own must have run (a file which others read, too, is no reason); and each one named
// must save two lines by itself, beyond what it brings along, for it opens more than files.
//
// The set is found by branch and bound, so it is the cheapest possible one, as long as that takes no more
// than `most_weighed` sets; beyond, the best one found, which no single addition, removal or exchange
// betters.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "profiler/access_set.h"
#include "profiler/cost_model.h"
#include "profiler/exposure.h"
#include "profiler/fold.h"
#include "profiles/policy.h"

namespace treadline {

// What an abstraction itself has to save, without those it includes: for a single rule, that rule is written.
constexpr MilliLines least_saved_by_include = 2 * one_line;

struct Includes {
    std::vector<std::string> names;
    Policy policy;              // a profile of nothing but these includes
    std::vector<Modes> covered; // by node: what it grants
};

struct Abstractions {
    const std::vector<std::string>& shipped; // names, what every profile includes first; decides ties
    const Policy::Loader& load;
    const Variables& here;
};

// A profile of nothing but these includes.
result<Policy> policy_of_includes(const std::vector<std::string>& names, const Abstractions& abstractions);

// The first one.
result<Includes> always_included(const AccessSet& set, const Abstractions& abstractions);

struct IncludeInput {
    const AccessSet& set;
    const std::vector<Modes>& needs;           // by node: what `always` leaves
    const std::vector<std::string>& variables; // of the environment, that the command would be given
    const Abstractions& abstractions;
    const CostModel& costs;
    const Exposure& exposure;
    const DiskView* disk = nullptr; // what is not there is not opened; null: nothing is known to be
    size_t most_weighed = 1000;
};

struct IncludeChoice {
    Includes includes;
    std::vector<FoldedRule> rules; // that are needed beside them
    MilliLines cost = 0;           // of both, what every profile includes apart
    bool proved = false;           // that nothing is cheaper
};

result<IncludeChoice> choose_includes(const IncludeInput& input, const Includes& always);

} // namespace treadline

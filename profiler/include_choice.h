// Which abstractions a profile includes: "base" always, another one when it takes the place of several rules.
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

// `needs`: by node. Greedy: the abstraction that replaces most rules first, ties in the order of `shipped`.
result<Includes> choose_includes(const AccessSet& set, const std::vector<Modes>& needs,
                                 const std::vector<std::string>& shipped, const Policy::Loader& load,
                                 const Variables& variables);

} // namespace treadline

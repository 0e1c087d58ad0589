// Landlock rules where no mount can take anything back: what lies masked below a granted directory is gone around, by
// granting what lies beside it name by name.
#pragma once

#include <string>
#include <vector>

#include "enforcer/plan.h"

namespace treadline {

struct FlatRules {
    std::vector<LandlockRule> rules;
    std::vector<std::string> gaps; // sentences: what lies in reach all the same
};

// `masked` are not to be read, `sealed` not to be changed. Looks at the disk: what comes to lie beside them later is not
// granted. A directory in which names are made cannot be split, because rights on it reach everything below.
FlatRules flatten(const std::vector<LandlockRule>& rules, const std::vector<std::string>& masked,
                  const std::vector<std::string>& sealed);

} // namespace treadline

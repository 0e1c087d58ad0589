// Learning again may add a rule that holds older ones. Nobody deletes a person's lines but that person: they are
// only named.
#pragma once

#include <string>
#include <vector>

#include "profiler/reduce.h"

namespace treadline {

struct Superseded {
    std::string rule; // as it stands in the profile: "/srv/x/a: r"
    int line = 0;
    std::string by; // the added rule, as proposed: "/srv/x/: r"
};

// Rules of the profile's own (files, private, connect) that one of `added` makes redundant, in the order of their
// lines. `policy` is of the profile before anything was added.
std::vector<Superseded> superseded(const Policy& policy, const std::vector<ProposedRule>& added);

} // namespace treadline

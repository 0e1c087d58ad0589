// Two profiles made into one that allows what either of them allows: `treadline merge`.
//
// By the decision function's own semantics: an access is allowed by the result exactly where one of the two
// allows it and no `deny` of either refuses it (`deny` wins). Where one profile cannot say that, there is no
// result but a sentence. What waits under `review:` in either waits in the result. A limit is the higher of
// the two; without one in either, there is none.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "profiles/policy.h"
#include "profiles/profile.h"

namespace treadline {

struct MergeSide {
    const Profile& profile;
    const Policy& policy; // of that profile; both for the same variables
    std::string file;     // as the person named it, for sentences
    std::string folder;   // in which its `./` includes lie
};

struct Merged {
    Profile profile;                // without `learned`: no command taught it as it is
    std::vector<std::string> notes; // what a `deny` of one takes away from the other
};

result<Merged> merge(const MergeSide& first, const MergeSide& second);

} // namespace treadline

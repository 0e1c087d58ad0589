// Which paths a policy lets be read, known from their directories: most of what programs open lies where every name is
// readable, and so that is asked once for each directory. Derived from the policy's own patterns; a test holds it to
// Policy::decide().
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "profiles/policy.h"

namespace treadline {

// Whether reading is allowed at every name directly in the directory (resolved) that Guards::may_name() says no to,
// whatever stands there. False where it would take a closer look.
bool reads_every_name_in(const Policy& policy, std::string_view directory);

class ReadableNames {
public:
    explicit ReadableNames(const Policy* policy) : policy_(policy) {} // which has to outlive it; null: holds nothing

    // Whether reading is allowed at the path (resolved). False: the policy has to be asked.
    [[nodiscard]] bool hold(std::string_view path);

private:
    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
    };
    const Policy* policy_;
    std::unordered_map<std::string, bool, Hash, std::equal_to<>> directories_; // a policy does not change its mind
};

} // namespace treadline

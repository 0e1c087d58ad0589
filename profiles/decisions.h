// The two ways a decision is put. Internal to the policy.
#pragma once

#include <string>
#include <utility>

#include "profiles/policy.h"

namespace treadline {

inline Decision allow(std::string rule, const Origin& origin) {
    Decision decision;
    decision.allowed = true;
    decision.rule = std::move(rule);
    decision.origin = origin;
    return decision;
}

inline Decision refuse(std::string reason) {
    Decision decision;
    decision.reason = std::move(reason);
    return decision;
}

} // namespace treadline

// A proposal as the text of a new profile: grouped, commented, what is withheld left as comments to accept.
#pragma once

#include <string>

#include "base/result.h"
#include "profiler/reduce.h"

namespace treadline {

// Reads back as a profile with exactly the rules that are not withheld; that is checked before it is handed
// out.
result<std::string> proposal_text(const Proposal& proposal, const std::string& name);

// The same rules as a value.
Profile profile_from(const Proposal& proposal, const std::string& name);

} // namespace treadline

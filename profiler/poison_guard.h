// What learning does not take over by itself, though it was seen: a run may have been led astray by what it
// fetched or installed, and a profile learned from it would allow the same for ever.
//
// Such a rule goes under `review:`, where it allows nothing until a person moves it up. Only what reaches out
// of the project, the temporary places, the caches and the installed system is looked at: the rest is the
// command's own business, and a profile in which everything waited would be read as little as a prompt.
#pragma once

#include <string>

#include "profiler/costs.h"
#include "profiler/reduce.h"

namespace treadline {

// The reason, a phrase for the comment behind the rule; "" for a rule that may stand.
std::string why_review_file(PathClass path_class, Modes modes, const Evidence& evidence);
// A host, a port or a socket.
std::string why_review_contact(const Evidence& evidence);

} // namespace treadline

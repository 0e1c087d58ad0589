// Keeps a proposal within what a profile may hold: max_yaml_bytes (profiles/yaml_tree.h), beyond which nobody
// could read it and nothing would.
//
// That many rules come where nothing may be folded: thousands of files right in a home, for one.
#pragma once

#include <cstddef>

#include "profiler/reduce.h"

namespace treadline {

// Of what stays a comment or waits under `review:`: nobody decides on more. They allow nothing anyhow.
constexpr size_t most_to_decide = 1000;

// Takes out rules until the rest fits into `room` bytes of a profile's text: those a person has to decide on
// first, then the ones that the fewest runs and accesses need. What is left out can only be denied later;
// `deny`, includes and system calls stay whatever their number, since without a `deny` the others allow more.
// Where something is left out, a warning says what is missing and what to do; without a rule that would stand
// the proposal is no complete one any more. `waiting`: what the profile there is has to decide on already.
// What fills a new profile leaves no room in it, so learning the same again adds nothing.
void limit_proposal(Proposal& proposal, size_t room, size_t waiting = 0);

} // namespace treadline

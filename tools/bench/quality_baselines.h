// What other tools make of the same accesses, as far as the rule language can say it: rules for files only.
// They are given what they do not all have: portable paths, and exact results. What they do not have either,
// guards over credentials and abstractions, they are not given.
#pragma once

#include <cstddef>
#include <vector>

#include "profiler/access_set.h"
#include "profiles/profile.h"

namespace treadline {

// Each path that was used, with its modes.
std::vector<FileRule> exact_rules(const AccessSet& set);

// A directory with `siblings` used files in it, or more, is one rule for its tree; the rest is exact.
std::vector<FileRule> rules_folded_at(const AccessSet& set, size_t siblings);

// The score of gradm (grsecurity's learning mode), bottom-up: a directory gets a point for each bound passed
// by its files (3, 6, 10, 15, 20), its depth (2, 4, 6), all that lies below (5, 10, 20, 40, 80) and its
// height (2, 4, 6); twice as many in places known to be full of files, and where nothing below is only
// written or nothing is only read. From 8 on its tree is one rule, from 4 on the files in it are.
std::vector<FileRule> gradm_rules(const AccessSet& set);

} // namespace treadline

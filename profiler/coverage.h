// What Policy::decide() would answer for every path of a trie, at once: the modes each node is granted.
//
// An index over the same patterns, for speed alone; a test holds it to decide(). Guarded paths are not in a
// trie, so guards play no part; `deny` patterns do.
#pragma once

#include <vector>

#include "profiler/access_set.h"
#include "profiles/policy.h"

namespace treadline {

// By node.
struct Coverage {
    std::vector<Modes> granted; // a private directory grants rwc for what the run made below it
    std::vector<bool> denied;   // by `deny`; then nothing is granted
};
Coverage coverage(const AccessSet& set, const Policy& policy);

// The nodes that a pattern's own path names: one, or for a glob all that fit; none if there is none.
std::vector<PathTrie::Node> nodes_named(const PathTrie& trie, const Variables& variables,
                                        const Pattern& pattern);

} // namespace treadline

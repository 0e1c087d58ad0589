// Stored runs against a policy: what it denies of what they did, and which rules hold the rest.
//
// Only what succeeded is asked about, and the attempts on guarded paths, which fail while learning because
// they are masked. An open that would have created its file counts as creating it, as it does for learning:
// in a fresh checkout it does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "collector/trace.h"
#include "profiler/rule_index.h"

namespace treadline {

struct DeniedAccess {
    Operation operation = Operation::Read;
    std::string object; // portable where it is a path
    std::string reason; // one sentence, as decide() gives it
    auto operator<=>(const DeniedAccess&) const = default;
};

struct RuleUse {            // of one rule, whatever else allows the same
    std::vector<bool> runs; // by run: whether it needed the rule
    Modes modes;            // Files: of the rule's, those that were used
};

// Accesses that the same rules hold, each of them alone.
struct HeldTogether {
    uint64_t accesses = 0; // different ones: an object and what is done to it
    std::string example;   // "read ${project}/a"
};

struct Replay {
    std::vector<RuleUse> rules;                       // by RuleId
    std::map<std::vector<RuleId>, HeldTogether> held; // by the rules, sorted, at least one
    std::vector<DeniedAccess> denied;                 // sorted, each once
    uint64_t accesses = 0;                            // different ones, denied ones included
    size_t runs = 0;
};

// `variables` are those of the machine each trace was made on; the policy's own may be another's.
Replay replay(const std::vector<Trace>& traces, const std::function<Variables(const RunInfo&)>& variables,
              const RuleIndex& index);

} // namespace treadline

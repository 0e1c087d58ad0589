// How far the stored runs can be trusted to have shown what a command does. Estimates from few runs: good for
// the question whether to learn once more, no promise about the next run.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "collector/trace.h"
#include "profiler/reduce.h"
#include "profiler/replay.h"

namespace treadline {

// The share of all runs that need a rule which `needed` of `runs` did, at least, with 97.5 % confidence: the
// lower end of Wilson's score interval (Wilson 1927). 0 without runs.
double wilson_lower_bound(int needed, int runs);

// The share of what a run does, counted in rules, that no run has shown yet: what Good and Turing estimate
// from the things seen once, for incidences in the form of Chao and Jost (2012, "Coverage-based
// rarefaction"). `incidences` says for each rule how many of `runs` needed it; a rule that none needed plays
// no part. Nothing can be said from one run.
std::optional<double> unseen_share(const std::vector<int>& incidences, int runs);

// Each run but the first judged by what the others alone would have taught. The first is the one that finds caches
// empty and makes directories: without it the others are no sample of what a person has learned. What learning
// withholds, and nobody has accepted, counts as denied.
struct LeftOut {
    size_t runs = 0;                    // that were left out, one after another
    size_t denied_runs = 0;             // of them, that would have been denied something
    double denied_share = 0;            // of a run's different accesses, the mean over those runs
    std::vector<DeniedAccess> examples; // at most 3
};

// None for one run, or for so many accesses that a person would have to wait. Of more than 8 runs a sample
// of 8. `input.existing` is ignored; the traces are moved out and back in. `denied` is what the profile as it is
// denies of these runs (below): of what is withheld whoever learns, a person may have accepted the rest.
result<std::optional<LeftOut>> leave_one_out(ReduceInput& input, const std::vector<DeniedAccess>& denied);

struct Confidence {
    size_t runs = 0;
    std::optional<double> unseen;
    std::optional<LeftOut> left_out;
    // What these runs did and the profile denies, and so will in the next one: withheld and not accepted, or a
    // person's `deny`. Without credentials: they were masked for these runs, too.
    std::vector<DeniedAccess> denied{};
};

// Without `left_out`. An include counts as one rule.
Confidence confidence_in(const Policy& policy, const std::vector<Trace>& traces,
                         const std::function<Variables(const RunInfo&)>& variables);

// "about 3 % of what this command does has not been seen yet; another run would help"
std::string unseen_sentence(const Confidence& confidence);
// "learned without it, 1 of 3 runs would have been denied something: read ${project}/x"; "" if not estimated
std::string left_out_sentence(const Confidence& confidence);
// "later runs will be denied 1 thing that these did, until the profile allows it: create ${project}/x"; "" for none
std::string denied_sentence(const Confidence& confidence);

} // namespace treadline

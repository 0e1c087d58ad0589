// The abstractions that may be included, and what each would grant, open and bring along.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/fold_layers.h"
#include "profiler/include_choice.h"
#include "profiler/include_exposure.h"

namespace treadline {

// One shipped abstraction, what every profile includes and what comes with that apart. Masks have a bit for each, in the order of
// their names' place in what is shipped.
struct IncludeCandidate {
    std::string name;
    FoldLayers::Mask brings = 0;   // itself and all it includes
    bool possible = false;         // to be named
    FoldLayers::Layer grants;      // by its own rules, what is needed
    IncludeExposure::Sum opened;   // by its own rules, that are used for nothing
    std::vector<size_t> variables; // places in IncludeInput::variables that it passes by itself
};

result<std::vector<IncludeCandidate>> include_candidates(const IncludeInput& input, const Includes& always);

} // namespace treadline

// Between the exchanges that the gateway keeps or serves back and the rows of the store.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/trace.h"
#include "enforcer/egress/kept_exchange.h"
#include "tools/treadline/context.h"

namespace treadline {

// What `--replay RUN` serves: that run's exchanges, each looked at again, for whoever wrote the store may be hostile.
result<std::shared_ptr<const egress::Replay>> load_replay(const Context& context, int64_t run);

// Stores what was captured as a run of its own, and says so in a line.
result<ok> store_kept(const Context& context, const RunInfo& run, const result<egress::KeptRun>& kept);

} // namespace treadline

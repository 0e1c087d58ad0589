// The messages of session.h as JSON, for both ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "collector/session.h"
#include "collector/trace.h"

namespace treadline::protocol {

std::string start(const RunInfo& run);
std::string ready(int64_t run);
std::string refused(const error& error);
std::string finish(const CommandEnd& end);
std::string done(const CollectorSummary& summary);

result<RunInfo> parse_start(const std::string& message);
result<CommandEnd> parse_finish(const std::string& message);
result<int64_t> parse_ready(const std::string& message); // an "error" message is the error
result<CollectorSummary> parse_done(const std::string& message);

} // namespace treadline::protocol

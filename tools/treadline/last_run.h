// What the last enforced run of a project was denied, kept for `explain --last` beside the trace store.
#pragma once

#include <string>

#include "base/result.h"
#include "tools/treadline/context.h"

namespace treadline {

result<ok> remember_last_run(const Context& context, const std::string& report_json);
result<std::string> last_run(const Context& context); // the report as JSON

} // namespace treadline

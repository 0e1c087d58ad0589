// What the gateway's process gives up before it reads the first byte that a hostile program sent: writing, executing,
// other processes, and every file that looking up names does not take. It keeps the network, which is its work.
#pragma once

#include "base/result.h"

namespace treadline::egress {

// Of this process, which has one thread yet. Without Landlock in the kernel only the system calls are held.
result<ok> confine_gateway();

} // namespace treadline::egress

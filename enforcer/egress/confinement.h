// What the gateway's process gives up before it reads the first byte that a hostile program sent: writing, executing,
// other processes, and every file that looking up names does not take. It keeps the network, which is its work.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace treadline::egress {

enum class MayListen : uint8_t { No, Yes }; // at further ports than it does already (learning)

// Of this process, which has one thread yet.
result<ok> confine_gateway(MayListen listen = MayListen::No);

// Of the process that only makes sockets (inside_sockets.h): a list of a few calls, and no other.
result<ok> confine_socket_maker();

} // namespace treadline::egress

// What the gateway's process gives up before it reads the first byte that a hostile program sent: writing, executing,
// other processes, and every file that looking up names does not take. It keeps the network, which is its work.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace treadline::egress {

enum class MayListen : uint8_t { No, Yes }; // at further ports than it does already (learning)

// Nothing: it makes no socket and connects none, and looks nothing up. Inside: it connects the sockets that the sandbox lends it
// (published ports), which lead nowhere else, but makes none.
enum class MayReach : uint8_t { Nothing, Inside, Outside };

// Of this process, which has one thread yet.
result<ok> confine_gateway(MayListen listen = MayListen::No, MayReach reach = MayReach::Outside);

// Of the process that only makes sockets (inside_sockets.h): a list of a few calls, and no other.
result<ok> confine_socket_maker();

} // namespace treadline::egress

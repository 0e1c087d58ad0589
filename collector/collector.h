// The collector: from the start message on its socket to the finished run.
#pragma once

#include "base/result.h"

namespace treadline {

// Serves one run on an AF_UNIX SOCK_SEQPACKET socket; reports its own refusal there too. The error, if any,
// is for stderr: the other side has gone or does not speak the protocol.
result<ok> serve(int socket);

} // namespace treadline

// Which argument of which system call names what: the table the probes are given. Numbers come from this
// machine's headers, so that the probes know none.
#pragma once

#include <array>
#include <string>

#include "bpf/events.h"

namespace treadline {

std::array<tl_call, TL_CALLS> call_table();

// "openat"; "#999" for one that is not known here.
std::string syscall_name(int number);

} // namespace treadline

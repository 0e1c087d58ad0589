// What the traces say about system calls and the environment, as rules for `syscalls` and `environment`.
#pragma once

#include <string_view>
#include <vector>

#include "profiler/reduce.h"

namespace treadline {

// `allowed`: what the includes grant already. Warnings go to `warnings`.
std::vector<ProposedRule> syscall_rules(const std::vector<Trace>& traces, const Policy& allowed,
                                        std::vector<std::string>& warnings);
std::vector<ProposedRule> environment_rules(const std::vector<Trace>& traces, const Policy& allowed,
                                            std::vector<std::string>& warnings);

// A variable of the session the person learned in, which no command should depend on.
bool is_session_variable(std::string_view name);

} // namespace treadline

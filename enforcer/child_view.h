// The mount view, applied: also code between clone and execve, under the rules of child.h.
#pragma once

#include "enforcer/child.h"

namespace treadline {

// Make the plan's view in a new mount namespace, and end the process where a step fails. begin_view() needs no plan yet:
// a new root with only /proc and /dev, which every plan for one has, or none. The host's own root stays at a path of its own until hide_host() takes it away.
void begin_view(const ChildPlan& plan);
void build_view(const ChildPlan& plan);
// Where a thread of init's can do it: true, and the caller goes on meanwhile. Either way hide_host() is what does it.
bool begin_to_hide_host(const ChildPlan& plan);
void hide_host(const ChildPlan& plan, bool begun);

// Leaves the failed step, errno and index on the shared page and ends the process.
[[noreturn]] void die(const ChildPlan& plan, ChildStep step, int index = -1);

} // namespace treadline

// The last thing before the command runs: its own process, behind every guard, tries what it must not be able to do.
// A layer that is not there, though every step of building it succeeded, is found here and not by an attacker.
//
// Not a proof: a handful of operations, one for each layer.
#pragma once

#include <string>
#include <vector>

#include "enforcer/child.h"
#include "enforcer/plan.h"

namespace treadline {

enum class SelfTestProbe : int { Secret, Sealed, Contact, Connection, Signal, Call };

// What can be tried on this disk under this plan: only what it promises to refuse. `secrets` are places of credentials at
// which there is something.
SelfTest self_test_for(const Plan& plan, const std::vector<std::string>& secrets);

// Between clone and execve, under the rules of child.h. They end the process where a probe succeeds.
void test_view(const ChildPlan& plan);   // behind mounts, Landlock and namespaces, before the filter: the kernel answers
void test_filter(const ChildPlan& plan); // behind the filter; the supervisor answers

// The sentence for a probe that succeeded.
std::string self_test_failure(SelfTestProbe probe, const SelfTest& test);

} // namespace treadline

// From what was asked to violations: the decision is the policy's, the layer is where the kernel refuses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <linux/seccomp.h>

#include "enforcer/inside_view.h"
#include "enforcer/plan.h"
#include "enforcer/violation.h"
#include "enforcer/watched_call.h"

namespace treadline {

// A path that is there neither inside nor outside is no violation when it is only looked for: programs probe
// many names. One that exists outside only is layer "mount"; one that is there but refused is "landlock", or
// "mount" where a mask lies over it.
std::vector<Violation> path_denials(const Plan& plan, const InsideView& view, const WatchedPath& asked,
                                    const InsidePath& inside);

// Of what Landlock refused at a path that is there, or of some name in a directory that was to be made or removed; nothing where
// the policy allows it.
std::optional<Violation> denial_at(const Plan& plan, Operation operation, const char* name, const std::string& path);
std::optional<Violation> denial_in(const Plan& plan, const char* name, const std::string& directory);

// A rename of, or over, what is a mount point inside: the kernel refuses it with EBUSY whatever rules say.
Violation renamed_mount_point(const std::string& path);

// Of a directory that is renamed: what comes to lie at a guarded path, or one that is denied, without having lain at
// such a one before. A name at a time could be allowed, the tree as a whole is not.
std::vector<Violation> moved_tree_denials(const Plan& plan, const InsideView& view, const std::string& from, const std::string& to);

// What a decision's refusal is told as.
Violation violation_of(const Decision& decision, std::string layer, std::string operation, std::string object);

bool exists_outside(const std::string& path);

// A call that is not listed, or was refused for its arguments.
Violation refused_call(const Plan& plan, const std::string& name, const seccomp_data& data);

// One of the plan's dropped variables. Expected: nobody saw the command ask for it.
Violation dropped_variable(const Plan& plan, const std::string& name);

void add_process(Violation& violation, InsideProcess process);

} // namespace treadline

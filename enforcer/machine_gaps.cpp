#include "enforcer/machine_gaps.h"

#include <algorithm>

namespace treadline {
namespace {

// Of files, processes and network.
std::vector<MachineGap> view_gaps(const Machine& machine) {
    std::vector<MachineGap> gaps;
    const std::string no_landlock =
        "this kernel (" + machine.kernel + ") has no Landlock, or it is refused here; boot with `lsm=landlock,…` or use Linux 5.13 or later";
    if (!machine.user_namespaces && machine.landlock_abi < 1) {
        gaps.push_back({"no rule can be held here: " + machine.user_namespaces_why + "; and " + no_landlock, true});
        return gaps;
    }
    if (machine.landlock_abi < 1) {
        gaps.push_back({"`files` cannot be held exactly: " + no_landlock, false});
    }
    if (machine.user_namespaces) {
        return gaps;
    }
    gaps.push_back({"no namespaces, so files, processes and network are held by Landlock and seccomp alone: names can be seen, "
                    "processes outside are visible, /dev/shm and new terminals are closed, and what is left behind ends "
                    "with the run only if Treadline is not killed; " +
                        machine.user_namespaces_why,
                    false});
    if (machine.landlock_abi < 3) {
        gaps.push_back({"files that may be read can be emptied: Landlock here is ABI " + std::to_string(machine.landlock_abi) +
                            ", and truncation needs 3 (Linux 6.2)",
                        false});
    }
    if (machine.landlock_abi < 6) {
        gaps.push_back({"your other processes can be signalled: Landlock here is ABI " + std::to_string(machine.landlock_abi) +
                            ", and signals need 6 (Linux 6.12)",
                        false});
    }
    return gaps;
}

} // namespace

std::vector<MachineGap> machine_gaps(const Machine& machine) {
    std::vector<MachineGap> gaps = view_gaps(machine);
    if (!machine.seccomp) {
        gaps.push_back({"`syscalls` cannot be held: system call filters are refused here; run Treadline outside of whatever refuses "
                        "them",
                        true});
    } else if (!machine.seccomp_notify) {
        gaps.push_back({"denials cannot be reported, and rules narrower than mounts and Landlock are held only as far as those go: "
                        "seccomp notifications are not to be had (Linux " +
                            machine.kernel +
                            "; they need 5.6, and that Treadline does not itself run under a supervisor that uses them, as inside "
                            "another 'treadline enforce': run Treadline outside of it)",
                        false});
    }
    return gaps;
}

Standing standing_of(const std::vector<MachineGap>& gaps) {
    if (std::any_of(gaps.begin(), gaps.end(), [](const MachineGap& gap) { return gap.fatal; })) {
        return Standing::Refused;
    }
    return gaps.empty() ? Standing::Full : Standing::Degraded;
}

} // namespace treadline

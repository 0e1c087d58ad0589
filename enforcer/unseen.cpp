#include "enforcer/unseen.h"

namespace treadline {

std::vector<std::string> unseen_denials(const Plan& plan) {
    if (!plan.notify || !plan.watch_paths) {
        return {"every denial: this kernel cannot tell Treadline of refused calls (it needs Linux 5.6); 'strace -f -Z COMMAND' "
                "shows calls that fail"};
    }
    std::vector<std::string> gaps;
    if (plan.audit) {
        gaps.emplace_back("what goes through an io_uring, abstract sockets, variables that the profile does not pass, and limits "
                          "other than `time`; 'treadline learn' records the first two");
        return gaps;
    }
    const bool firewall = plan.network == NetworkMode::Gateway && !plan.flat; // which remembers what it refused
    gaps.emplace_back(std::string("calls that are refused without naming a path or an address that is looked at: ioctl on a device") +
                      (firewall ? "" : ", sendmsg to an address") + "; 'strace -f -Z COMMAND' shows calls that fail");
    if (plan.landlock_abi >= 7) {
        gaps.emplace_back("what a program raced past the supervisor and Landlock still refused; the kernel's audit log has Landlock's "
                          "refusals ('ausearch -m LANDLOCK_ACCESS' as root, where auditing is on)");
    }
    return gaps;
}

} // namespace treadline

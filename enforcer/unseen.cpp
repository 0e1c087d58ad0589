#include "enforcer/unseen.h"

namespace treadline {

std::vector<std::string> unseen_denials(const Plan& plan, const std::string& landlock_gap) {
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
    const bool records = plan.landlock_abi >= 7 && landlock_gap.empty();
    const bool firewall = plan.network == NetworkMode::Gateway && !plan.flat; // which remembers what it refused
    if (!records || !firewall) {
        gaps.emplace_back(std::string("calls that are refused without naming a path or an address that is looked at: ") +
                          (records ? "" : "ioctl on a device") + (records || firewall ? "" : ", ") + (firewall ? "" : "sendmsg to an address") +
                          "; 'strace -f -Z COMMAND' shows calls that fail");
    }
    if (plan.landlock_abi >= 7 && !records) {
        gaps.push_back("what only Landlock refused, such as what a program raced past the supervisor: " + landlock_gap);
    }
    return gaps;
}

} // namespace treadline

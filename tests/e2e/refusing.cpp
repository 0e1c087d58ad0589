// refusing WHAT[,WHAT] COMMAND…: runs a command where the kernel refuses some calls, as containers and old kernels do.
// `namespaces`: unshare, setns, clone with namespace flags, clone3 (EPERM). `landlock`: as a kernel without it (ENOSYS).
// `filters`: no system call filter of one's own (EINVAL). `listeners`: none with a listener (EBUSY).
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace {

constexpr int landlock_calls[] = {444, 445, 446}; // create_ruleset, add_rule, restrict_self

bool add_all(void* filter, const std::string& what) {
    int failed = 0;
    if (what == "namespaces") {
        constexpr unsigned long flags =
            CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
        failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 0);
        failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setns), 0);
        failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
        for (unsigned bit = 0; bit < 32; ++bit) {
            if ((flags & (1UL << bit)) != 0) {
                failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                             SCMP_A0(SCMP_CMP_MASKED_EQ, 1UL << bit, 1UL << bit));
            }
        }
    } else if (what == "landlock") {
        for (const int number : landlock_calls) {
            failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
        }
    } else if (what == "filters") {
        failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 1,
                                     SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER));
    } else if (what == "listeners") {
        failed |= ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(EBUSY), SCMP_SYS(seccomp), 2,
                                     SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER),
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER));
    } else {
        return false;
    }
    return failed == 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        return 2;
    }
    void* filter = ::seccomp_init(SCMP_ACT_ALLOW);
    for (char* what = std::strtok(argv[1], ","); what != nullptr; what = std::strtok(nullptr, ",")) {
        if (!add_all(filter, what)) {
            std::fprintf(stderr, "refusing: cannot refuse %s\n", what);
            return 2;
        }
    }
    if (::seccomp_load(filter) != 0) {
        std::perror("refusing");
        return 2;
    }
    ::execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    return 127;
}

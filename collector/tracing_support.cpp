#include "collector/tracing_support.h"

#include <cstdio>

#include <sys/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/syscalls.h"

namespace treadline {
namespace {

constexpr const char* kernel_types_path = "/sys/kernel/btf/vmlinux";
// bpf_loop, which the path walk needs, appeared in 5.17.
constexpr int oldest_major = 5;
constexpr int oldest_minor = 17;

bool has_effective(cap_value_t value) {
    cap_t all = ::cap_get_proc();
    cap_flag_value_t set = CAP_CLEAR;
    if (all != nullptr) {
        ::cap_get_flag(all, value, CAP_EFFECTIVE, &set);
        ::cap_free(all);
    }
    return set == CAP_SET;
}

} // namespace

TracingSupport inspect_tracing() {
    TracingSupport support;
    support.privileged =
        has_effective(CAP_SYS_ADMIN) || (has_effective(CAP_BPF) && has_effective(CAP_PERFMON));
    support.kernel_types = ::access(kernel_types_path, R_OK) == 0;
    utsname names{};
    ::uname(&names);
    support.kernel = names.release;
    support.program = sys::readlink("/proc/self/exe").value_or("treadline-collector");
    return support;
}

result<ok> check_tracing(const TracingSupport& support) {
    int major = 0;
    int minor = 0;
    if (std::sscanf(support.kernel.c_str(), "%d.%d", &major, &minor) == 2 &&
        (major < oldest_major || (major == oldest_major && minor < oldest_minor))) {
        return fail("tracing needs Linux 5.17 or newer, and this is " + support.kernel +
                    "; learn on a newer kernel (`enforce` works here)");
    }
    if (!support.kernel_types) {
        return fail(std::string("tracing needs the kernel's type information, and ") + kernel_types_path +
                    " is missing; use a kernel built with CONFIG_DEBUG_INFO_BTF=y");
    }
    if (!support.privileged) {
        return fail("tracing needs privilege, and the collector has none; run "
                    "`sudo setcap cap_bpf,cap_perfmon+ep " +
                    support.program + "` once, or run under sudo");
    }
    return ok{};
}

} // namespace treadline

#include "collector/probe_set.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/unique_fd.h"
#include "collector/io_uring_probes.h"

namespace treadline {
namespace {

constexpr long nr_lsm_list_modules = 461; // Linux 6.8, the same on every architecture
constexpr uint64_t lsm_id_bpf = 109;      // include/uapi/linux/lsm.h

bool bpf_lsm_active() {
    uint64_t modules[64] = {};
    uint32_t size = sizeof modules;
    const long count = ::syscall(nr_lsm_list_modules, modules, &size, 0);
    for (long i = 0; i < count && i < 64; ++i) {
        if (modules[i] == lsm_id_bpf) {
            return true;
        }
    }
    if (count >= 0) {
        return false;
    }
    const auto list = sys::read_file("/sys/kernel/security/lsm");
    if (!list) {
        return false;
    }
    std::string_view left = *list;
    while (!left.empty()) {
        const size_t end = left.find_first_of(",\n");
        if (left.substr(0, end) == "bpf") {
            return true;
        }
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    }
    return false;
}

// 0, or the errno of the step that failed. An attached LSM program is not one that is ever run.
int try_to_attach(const btf* kernel, const char* function, bpf_prog_type type, bpf_attach_type attach) {
    const int id = btf__find_by_name_kind(kernel, function, BTF_KIND_FUNC);
    if (id < 0) {
        return -id;
    }
    const bpf_insn nothing[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0}, {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = attach;
    options.attach_btf_id = static_cast<__u32>(id);
    const unique_fd program(bpf_prog_load(type, "treadline_try", "GPL", nothing, 2, &options));
    if (!program) {
        return errno;
    }
    const unique_fd link(bpf_raw_tracepoint_open(nullptr, program.get()));
    return link ? 0 : errno;
}

// Without the kernel's type information nothing can be tried.
void try_sets(const btf* kernel, ProbeChoice& choice) {
    const bool active = bpf_lsm_active();
    if (active && try_to_attach(kernel, "bpf_lsm_path_unlink", BPF_PROG_TYPE_LSM, BPF_LSM_MAC) == 0) {
        choice.set = ProbeSet::BpfLsm;
    } else if (const int code =
                   try_to_attach(kernel, "security_path_unlink", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY);
               code == 0) {
        choice.set = ProbeSet::Fentry;
        choice.because = active ? "BPF LSM programs cannot be attached"
                                : "'bpf' is not among the active security modules (lsm= on the kernel "
                                  "command line); trampolines see the same";
    } else {
        choice.because = std::string("this kernel refuses trampolines (") + std::strerror(code) +
                         "), so objects are found from the arguments of system calls";
    }
}

} // namespace

ProbeChoice choose_probe_set() {
    const char* asked = std::getenv("TREADLINE_PROBES");
    const std::string_view wanted = asked != nullptr ? asked : "";
    const libbpf_print_fn_t talkative = libbpf_set_print(nullptr);
    const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), btf__free);
    ProbeChoice choice;
    if (wanted == "tracepoint" || wanted == "fentry") {
        choice.set = wanted == "fentry" ? ProbeSet::Fentry : ProbeSet::Tracepoint;
        choice.because = "TREADLINE_PROBES asks for no more";
    } else if (wanted == "lsm") {
        choice.set = ProbeSet::BpfLsm;
    } else if (!kernel) {
        choice.because = "the kernel's type information cannot be read";
    } else {
        try_sets(kernel.get(), choice);
    }
    if (kernel) {
        choice.casts = btf__find_by_name_kind(kernel.get(), "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
        choice.request_programs = io_uring_programs(kernel.get());
    }
    libbpf_set_print(talkative);
    return choice;
}

std::string to_string(ProbeSet set) {
    return set == ProbeSet::Tracepoint ? "tracepoint" : "lsm";
}

} // namespace treadline

// Which probes this kernel lets us use. Found out by trying, never by its version.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// `lsm` in the store and the certificate is either of the last two: they differ only in where they hang.
enum class ProbeSet : unsigned char {
    Tracepoint, // the ends of system calls: works wherever BPF does
    Fentry,     // and trampolines at the functions that call the security hooks
    BpfLsm,     // and BPF LSM programs on the hooks themselves
};

struct ProbeChoice {
    ProbeSet set = ProbeSet::Tracepoint;
    std::string because; // why not a better one; "" for the best
    // Whether the kernel has the cast that makes reading its memory cheap (Linux 6.2): see bpf/path.bpf.c.
    bool casts = false;
    std::vector<std::string_view> request_programs; // see io_uring_probes.h
};

// Needs CAP_BPF and CAP_PERFMON. Loads and attaches an empty program and takes it off again.
// The environment variable TREADLINE_PROBES (tracepoint, fentry, lsm) narrows the choice, for tests; one that
// cannot be had is then not replaced by another: the run is refused when its probes are attached.
ProbeChoice choose_probe_set();

std::string to_string(ProbeSet set); // "tracepoint" or "lsm", as stored

} // namespace treadline

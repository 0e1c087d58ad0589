// Attaching the probe on getenv(3) to the C library. Optional: where it fails, variables are known to be
// present in the environment, not to be read.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

struct bpf_link;
struct bpf_program;

namespace treadline {

class GetenvProbe {
public:
    // Before the program is loaded. False: this kernel has no uprobes, and it is not to be loaded.
    static bool prepare(bpf_program* program);
    // In the library that this program was linked with, which most programs here use, and no other.
    static result<GetenvProbe> attach(bpf_program* program);

private:
    struct FreeLink {
        void operator()(bpf_link* link) const;
    };
    unique_fd all_; // one link for all functions, Linux 6.6
    std::vector<std::unique_ptr<bpf_link, FreeLink>> each_;
};

} // namespace treadline

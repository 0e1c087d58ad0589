#include "collector/io_uring_probes.h"

#include <bpf/btf.h>

namespace treadline {
namespace {

// Whether there is such a tracepoint, and the argument by that index is a pointer to `type` (any pointer for
// "").
bool passes(const btf* kernel, const std::string& tracepoint, unsigned index, std::string_view type) {
    const int id = btf__find_by_name_kind(kernel, ("btf_trace_" + tracepoint).c_str(), BTF_KIND_TYPEDEF);
    if (id < 0) {
        return false;
    }
    const btf_type* pointer = btf__type_by_id(kernel, btf__type_by_id(kernel, static_cast<__u32>(id))->type);
    const btf_type* function = btf__type_by_id(kernel, pointer->type);
    if (!btf_is_func_proto(function) || index + 1 >= btf_vlen(function)) {
        return false;
    }
    // The first parameter is the tracepoint's own.
    const btf_type* parameter = btf__type_by_id(kernel, btf_params(function)[index + 1].type);
    if (!btf_is_ptr(parameter)) {
        return false;
    }
    return type.empty() ||
           type == btf__name_by_offset(kernel, btf__type_by_id(kernel, parameter->type)->name_off);
}

} // namespace

std::vector<std::string_view> io_uring_programs(const btf* kernel) {
    // Before Linux 6.0 the tracepoints are not passed the request, or it does not hold its result.
    if (!passes(kernel, "io_uring_complete", 1, "")) {
        return {};
    }
    std::vector<std::string_view> programs = {"on_io_uring_complete", "on_io_uring_cqe_overflow",
                                              "on_exit_with_requests"};
    if (passes(kernel, "io_uring_submit_req", 0, "io_kiocb")) {
        programs.emplace_back("on_io_uring_submit_req");
    } else if (passes(kernel, "io_uring_submit_sqe", 0, "io_kiocb")) {
        programs.emplace_back("on_io_uring_submit_sqe");
    } else {
        return {};
    }
    return programs;
}

std::string io_uring_operation(size_t number) {
    constexpr size_t uring_cmd = 46;
    return std::to_string(number) + (number == uring_cmd ? " (URING_CMD)" : "");
}

} // namespace treadline

// Which programs see the requests of io_uring on this kernel. Its tracepoints are named and shaped
// differently from kernel to kernel; the type information tells.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

struct btf;

namespace treadline {

// Empty where requests cannot be seen, or there are none.
std::vector<std::string_view> io_uring_programs(const btf* kernel);

// "46 (URING_CMD)"
std::string io_uring_operation(size_t number);

} // namespace treadline

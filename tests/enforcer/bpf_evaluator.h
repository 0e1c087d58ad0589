// Runs a system call filter on paper: the classic BPF instructions seccomp allows (seccomp(2)).
#pragma once

#include <cstdint>
#include <vector>

#include <linux/filter.h>
#include <linux/seccomp.h>

namespace treadline::test {

uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& call);

} // namespace treadline::test

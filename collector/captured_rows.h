// HTTP exchanges that an enforced run captured, as rows of the store: a run of its own, of which nothing was traced (probes
// 'none'), so that no profile is learned from it. What the fields mean is the gateway's to know (enforcer/egress/kept_exchange.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/trace.h"

namespace treadline {

struct CapturedExchange {
    std::string host;
    uint16_t port = 0;
    bool secure = false;
    std::string method;
    std::string target;
    std::string conditions;
    std::string accept;
    std::string body_digest;
    uint32_t status = 0;
    std::string reason;
    std::string fields;
    std::string body;
    std::string unusable;
    bool operator==(const CapturedExchange&) const = default;
};

inline constexpr const char* nothing_traced = "none"; // RunInfo::probes of such a run

// The run's row, which is at its end, and all of its exchanges, or nothing. Returns the run's number.
result<int64_t> store_captured(const std::string& store, const RunInfo& run, const std::vector<CapturedExchange>& exchanges);

struct CapturedRun {
    RunInfo run;
    std::vector<CapturedExchange> exchanges; // in the order in which they were asked for
};
// Of that run and no other; fails with a sentence where there is none, or nothing was captured in it.
result<CapturedRun> read_captured(const std::string& store, int64_t run);

} // namespace treadline

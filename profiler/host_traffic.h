// What the stored runs sent to the hosts of `connect` rules: budgets that would have held them with room to spare, and the
// requests that were seen. A suggestion in `review`, as limits of resources are: never written into a profile, where a budget
// that is too low ends work half-done.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "collector/trace.h"
#include "profiles/policy.h"

namespace treadline {

struct HostTraffic {
    std::string endpoint;              // of the rule, as written, without "/tcp"
    uint64_t sent_bytes = 0;           // of the run that sent most
    uint64_t requests = 0;             // of the run with most: of HTTP that could be read, else connections
    std::vector<std::string> methods;  // of requests that could be read, each once
    std::vector<std::string> paths;    // their shapes: what looks drawn is '*'
};

// For the profile's own rules, in their order; those that no run behind the gateway used are left out.
std::vector<HostTraffic> traffic_of(const std::vector<Trace>& traces, const Policy& policy);

// Four times the most, as for the time a run takes: with an empty cache one asks several times as often. Rounded up to
// amounts a person would write; never less than 64 KiB and 16 requests. Of a host that is looked into, learning has not seen
// the requests, and limits none.
Budget with_headroom(const HostTraffic& traffic, const Policy& policy);

// "GET,HEAD /debian/*"; "" where none could be read.
std::string requests_text(const HostTraffic& traffic);

} // namespace treadline

#include "profiler/host_traffic.h"

#include <algorithm>
#include <bit>
#include <set>

#include "base/addresses.h"
#include "base/text.h"
#include "profiles/profile_reader.h"

namespace treadline {
namespace {

constexpr uint64_t headroom = 4;
constexpr uint64_t least_sent = 64 * 1024;
constexpr uint64_t most_sent = 1ULL << 50; // beyond it nobody counts
constexpr uint64_t least_requests = 16;
constexpr size_t shown_paths = 3;

bool goes_to(const Exchange& exchange, const PolicyEndpoint& rule) {
    if (exchange.port != rule.port) {
        return false;
    }
    if (!exchange.host.empty()) {
        return is_host_of(rule.host, exchange.host, false);
    }
    const Address address = parse_address(exchange.address);
    return address.valid && (rule.host == host_loopback ? is_loopback(address) : is_host_of(rule.host, to_text(address), true));
}

// With one leading digit: 5, 40, 300.
uint64_t rounded_up(uint64_t number) {
    uint64_t unit = 1;
    while (number / unit >= 10) {
        unit *= 10;
    }
    return (number + unit - 1) / unit * unit;
}

} // namespace

std::vector<HostTraffic> traffic_of(const std::vector<Trace>& traces, const Policy& policy) {
    std::vector<HostTraffic> all;
    for (const PolicyEndpoint& rule : policy.connect()) {
        if (rule.origin.source.starts_with("include ")) {
            continue;
        }
        const std::string_view written = rule.endpoint;
        HostTraffic traffic;
        traffic.endpoint = written.substr(0, written.size() - (written.ends_with("/tcp") ? 4 : 0));
        std::set<std::string> methods;
        std::set<std::string> paths;
        bool used = false;
        for (const Trace& trace : traces) {
            uint64_t sent = 0;
            uint64_t requests = 0;
            for (const Exchange& exchange : trace.exchanges) {
                if (!goes_to(exchange, rule)) {
                    continue;
                }
                used = true;
                sent += exchange.bytes_up;
                const bool request = !exchange.method.empty();
                requests += request || exchange.protocol != "http" ? exchange.count : 0; // of its connections the requests are counted
                if (request) {
                    methods.insert(exchange.method);
                    paths.insert(exchange.path);
                }
            }
            traffic.sent_bytes = std::max(traffic.sent_bytes, sent);
            traffic.requests = std::max(traffic.requests, requests);
        }
        if (used) {
            traffic.methods.assign(methods.begin(), methods.end());
            traffic.paths.assign(paths.begin(), paths.end());
            all.push_back(std::move(traffic));
        }
    }
    return all;
}

Budget with_headroom(const HostTraffic& traffic, const Policy& policy) {
    Budget budget;
    budget.endpoint = traffic.endpoint;
    budget.sent_bytes = std::max(least_sent, std::bit_ceil(std::min(traffic.sent_bytes, most_sent) * headroom));
    const auto endpoint = parse_host_port(traffic.endpoint);
    if (endpoint && !policy.inspects(endpoint->host, endpoint->port)) {
        budget.requests = std::max(least_requests, rounded_up(std::min(traffic.requests, most_sent) * headroom));
    }
    return budget;
}

std::string requests_text(const HostTraffic& traffic) {
    if (traffic.methods.empty()) {
        return "";
    }
    std::vector<std::string> paths(traffic.paths.begin(), traffic.paths.begin() + static_cast<long>(std::min(traffic.paths.size(), shown_paths)));
    return join(traffic.methods, ",") + " " + join(paths, " ") +
           (traffic.paths.size() > shown_paths ? " and " + std::to_string(traffic.paths.size() - shown_paths) + " more paths" : "");
}

} // namespace treadline

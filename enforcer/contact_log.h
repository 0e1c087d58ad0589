// Who inside contacted which address last: the gateway, which judges connections, does not see processes.
#pragma once

#include <chrono>
#include <string>
#include <unordered_map>
#include <utility>

#include <sys/types.h>

#include "enforcer/inside_view.h"

namespace treadline {

class ContactLog {
public:
    static constexpr size_t max_contacts = 4096; // then it starts over; a report may lack its process, no more

    // Whether the same task contacted the same endpoint a moment ago: a program that makes many connections need not be read
    // anew for each.
    [[nodiscard]] bool knows(const std::string& endpoint, pid_t task) const {
        const auto found = by_endpoint_.find(endpoint);
        return found != by_endpoint_.end() && found->second.task == task && Clock::now() - found->second.noted < moment;
    }
    // `endpoint` as endpoint_of() and the gateway's reports say it.
    void note(const std::string& endpoint, pid_t task, InsideProcess process) {
        if (by_endpoint_.size() >= max_contacts) {
            by_endpoint_.clear();
        }
        by_endpoint_[endpoint] = {std::move(process), task, Clock::now()};
    }
    [[nodiscard]] InsideProcess last(const std::string& endpoint) const {
        const auto found = by_endpoint_.find(endpoint);
        return found != by_endpoint_.end() ? found->second.process : InsideProcess{};
    }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds moment{100};
    struct Contact {
        InsideProcess process;
        pid_t task = 0;
        Clock::time_point noted;
    };
    std::unordered_map<std::string, Contact> by_endpoint_;
};

} // namespace treadline

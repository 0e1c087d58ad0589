// Who inside contacted which address last: the gateway, which judges connections, does not see processes.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "enforcer/inside_view.h"

namespace treadline {

class ContactLog {
public:
    static constexpr size_t max_contacts = 4096; // then it starts over; a report may lack its process, no more

    // `endpoint` as endpoint_of() and the gateway's reports say it.
    void note(const std::string& endpoint, InsideProcess process) {
        if (by_endpoint_.size() >= max_contacts) {
            by_endpoint_.clear();
        }
        by_endpoint_[endpoint] = std::move(process);
    }
    [[nodiscard]] InsideProcess last(const std::string& endpoint) const {
        const auto found = by_endpoint_.find(endpoint);
        return found != by_endpoint_.end() ? found->second : InsideProcess{};
    }

private:
    std::unordered_map<std::string, InsideProcess> by_endpoint_;
};

} // namespace treadline

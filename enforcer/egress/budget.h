// What may still go to each host in this run, by the profile's `budgets`: counted over all connections, before anything is
// sent, so that nothing beyond a budget leaves. No socket in it, and for one thread.
//
// Bytes are those that go to the server: of plain HTTP the request as it is written anew, of TLS that is looked into what goes
// on the wire. Requests are those of HTTP where the gateway reads them; any other connection counts as one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "enforcer/violation.h"
#include "profiles/policy.h"

namespace treadline::egress {

// Whether so many bytes may go out; false has been reported.
using Meter = std::function<bool(uint64_t)>;

class Budgets {
public:
    // Without a policy, and for hosts that no budget is for, nothing is counted.
    explicit Budgets(std::shared_ptr<const Policy> policy);

private:
    struct Line {
        const PolicyBudget& budget;
        uint64_t sent = 0;
        uint64_t requests = 0;
    };

public:
    // Of one connection; the Budgets have to outlive it.
    class Account {
    public:
        [[nodiscard]] bool limited() const { return !lines_.empty(); }
        // Takes them off every budget that is for the host, or none off any, and says why they must not go.
        std::optional<Violation> send(uint64_t bytes);
        std::optional<Violation> request();

    private:
        friend class Budgets;
        std::vector<Line*> lines_;
    };

    // `host`: canonical, an address without brackets, or `host` for a service on the loopback outside.
    Account of(std::string_view host, uint16_t port);

private:
    std::shared_ptr<const Policy> policy_;
    std::deque<Line> lines_;
};

// What a connection's meter is asked, and the budget that it would have gone beyond, which is for whoever has the connection to tell.
struct Counted {
    Budgets::Account account;
    std::optional<Violation> over = {};
    bool send(uint64_t bytes) {
        if (auto beyond = account.send(bytes)) {
            over = std::move(beyond);
            return false;
        }
        return true;
    }
};

} // namespace treadline::egress

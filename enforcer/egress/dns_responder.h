// The sandbox's resolver: questions in, answers out, no socket. Allowed names get addresses of their own (name_table.h),
// everything else does not exist (NXDOMAIN). Nothing is ever forwarded, so a lookup carries nothing out.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "enforcer/egress/decision.h"
#include "enforcer/egress/name_table.h"

namespace treadline::egress {

class DnsResponder {
public:
    using OnViolation = std::function<void(Violation)>;
    // `search`: the domains a resolver inside appends to names; a name that only came of that is no denial of its own.
    DnsResponder(const Decision& decision, NameTable& names, std::vector<std::string> search, OnViolation on_violation)
        : decision_(decision), names_(names), search_(std::move(search)), on_violation_(std::move(on_violation)) {}

    // The answer to one message; nothing for what is no question at all.
    std::optional<std::string> answer(std::string_view message);

private:
    [[nodiscard]] bool of_search_list(const std::string& name) const;

    const Decision& decision_;
    NameTable& names_;
    std::vector<std::string> search_;
    OnViolation on_violation_;
};

} // namespace treadline::egress

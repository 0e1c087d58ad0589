#include "enforcer/egress/budget.h"

#include <limits>
#include <utility>

#include "base/addresses.h"
#include "enforcer/egress/decision.h"
#include "profiles/profile_writer.h"

namespace treadline::egress {
namespace {

std::string endpoint_of(const PolicyBudget& budget) {
    return (budget.host.find(':') != std::string::npos ? "[" + budget.host + "]" : budget.host) + ":" + std::to_string(budget.port);
}

// Twice as much: what this run would have needed is not known. The same for every denial, so that they are told as one.
std::string doubled(const PolicyBudget& budget) {
    constexpr uint64_t most = std::numeric_limits<uint64_t>::max() / 2;
    const auto twice = [](const std::optional<uint64_t>& limit) { return limit ? std::optional(*limit <= most ? *limit * 2 : *limit) : std::nullopt; };
    return budget_line({endpoint_of(budget), twice(budget.sent_bytes), twice(budget.requests), {}});
}

// Of a wildcard, by its own name: of the names below it a program can make up any number.
Violation over(const PolicyBudget& budget, const char* operation, const std::string& amount) {
    Violation violation = refusal(operation, endpoint_of(budget), "the budget " + budget.text + " is used up: no more than " + amount + " may go there in a run");
    violation.section = "network.budgets";
    violation.rule = doubled(budget);
    return violation;
}

} // namespace

Budgets::Budgets(std::shared_ptr<const Policy> policy) : policy_(std::move(policy)) {
    if (policy_ != nullptr) {
        for (const PolicyBudget& budget : policy_->budgets()) {
            lines_.push_back({budget});
        }
    }
}

Budgets::Account Budgets::of(std::string_view host, uint16_t port) {
    Account account;
    if (lines_.empty()) {
        return account;
    }
    const bool address = parse_address(std::string(host)).valid;
    for (Line& line : lines_) {
        if (line.budget.port == port && is_host_of(line.budget.host, host, address)) {
            account.lines_.push_back(&line);
        }
    }
    return account;
}

std::optional<Violation> Budgets::Account::send(uint64_t bytes) {
    for (const Line* line : lines_) {
        const auto& limit = line->budget.sent_bytes;
        if (limit && bytes > *limit - line->sent) {
            return over(line->budget, "send", memory_text(*limit));
        }
    }
    for (Line* line : lines_) {
        line->sent += line->budget.sent_bytes ? bytes : 0; // never more than the limit
    }
    return std::nullopt;
}

std::optional<Violation> Budgets::Account::request() {
    for (const Line* line : lines_) {
        const auto& limit = line->budget.requests;
        if (limit && line->requests >= *limit) {
            return over(line->budget, "request", std::to_string(*limit) + (*limit == 1 ? " request" : " requests"));
        }
    }
    for (Line* line : lines_) {
        line->requests += line->budget.requests ? 1 : 0;
    }
    return std::nullopt;
}

} // namespace treadline::egress

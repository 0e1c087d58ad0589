// What is demanded of each request and each answer where the gateway looks inside, whichever HTTP carries them; no socket in
// it. A request is judged, and what goes on is made of what was judged; an answer may hold no real value.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "enforcer/egress/budget.h"
#include "enforcer/egress/decision.h"
#include "enforcer/egress/http_fields.h"
#include "enforcer/egress/substitution.h"

namespace treadline::egress {

class ExchangeRules {
public:
    // What is referred to has to stay. `limits_requests`: a rule names methods or paths for this host. `account`: what is left of
    // its budgets, from which each request that is allowed is taken.
    ExchangeRules(const Decision& decision, const Substitution& substitution, bool limits_requests, Contact contact, Wrapping wrapping,
                  Budgets::Account account = {})
        : decision_(decision),
          substitution_(substitution),
          contact_(std::move(contact)),
          wrapping_(wrapping),
          limits_requests_(limits_requests),
          bound_(wrapping == Wrapping::Tls && substitution.is_for(contact_)),
          account_(std::move(account)) {}

    [[nodiscard]] const Contact& contact() const { return contact_; }

    // What the request is made of as it goes on is left in `head`, real values put in; or why it does not go on. `head` comes
    // with the request's own fields, those of the connection that carries it taken out. Expect is taken out: whoever
    // carries the request answers it.
    [[nodiscard]] std::optional<Violation> judge(HttpRequest facts, RequestHead& head);
    // Fields behind a request's body: where servers add them to the head, they change what was judged.
    [[nodiscard]] std::optional<Violation> judge_trailers(const HttpFields& fields) const;
    // An answer's head.
    [[nodiscard]] std::optional<Violation> judge_answer(unsigned status, std::string_view reason, const HttpFields& fields) const;
    // Fields behind an answer's body.
    [[nodiscard]] std::optional<Violation> judge_answer_trailers(const HttpFields& fields) const;

    // What is searched while bodies stream, and what is said where it is found.
    [[nodiscard]] const TextSearch& placeholders() const { return substitution_.placeholders(); }
    [[nodiscard]] const TextSearch& values() const { return substitution_.values(); }
    [[nodiscard]] Violation misplaced_in_body(int number) const;
    [[nodiscard]] Violation echoed_in_body(int number) const;

    [[nodiscard]] Violation refused(std::string reason) const { return refusal("request", to_string(contact_), std::move(reason)); }

private:
    [[nodiscard]] Overrides overrides() const { return limits_requests_ ? Overrides::Count : Overrides::Pass; }

    const Decision& decision_;
    const Substitution& substitution_;
    Contact contact_;
    Wrapping wrapping_;
    bool limits_requests_;
    bool bound_; // real values go there
    Budgets::Account account_;
};

} // namespace treadline::egress

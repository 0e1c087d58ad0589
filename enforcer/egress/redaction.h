// What is taken out of an exchange before it is kept (kept_exchange.h), by the same rules from a request that asks for it again,
// so that both still fit together. Redacting what is redacted changes nothing: an answer's redirection leads to a request that
// is recognised.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "enforcer/egress/kept_exchange.h"
#include "enforcer/egress/text_search.h"

namespace treadline::egress {

// A request's target: values of parameters whose names say that they are secrets ("token", "X-Amz-Signature"…) become
// "redacted"; what looks drawn, in the path or as a value, becomes "redacted." and 16 digits of its SHA-256.
std::string redacted_target(std::string_view target);

// An answer's fields without those of the connection. Cookies and fields whose names say that they hold secrets keep their name
// only; a place that is referred to (Location…) is redacted as a target is, and loses its user's name and password.
HttpFields redacted_fields(const HttpFields& fields);

// Of the request: those fields on which another answer depends.
HttpFields conditions_of(const HttpFields& fields);

// What a command sent as secrets in the fields and the address of its requests, and what is known to be one, to be looked for in everything that is kept.
// Bounded: when there are too many, everything counts as holding one.
class SentSecrets {
public:
    void add(const HttpFields& fields, std::string_view target);
    void add_text(std::string_view text);
    [[nodiscard]] bool empty() const { return texts_.empty(); }
    // For many calls, when all have been added. Each in any form that is known (text_search.h).
    void prepare();
    [[nodiscard]] bool are_in(std::string_view text) const;

private:
    std::set<std::string> texts_;
    size_t bytes_ = 0; // of all forms
    bool too_many_ = false;
    std::unique_ptr<TextSearch> search_;
};

} // namespace treadline::egress

// Placeholders in requests become real values where a credential says so, and nowhere else; pure, no socket in it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "enforcer/egress/decision.h"
#include "enforcer/egress/http_fields.h"
#include "enforcer/egress/secrets.h"
#include "enforcer/egress/text_search.h"

namespace treadline::egress {

struct RequestHead {
    std::string method;
    std::string target;
    HttpFields fields;
};

enum class Wrapping : uint8_t { Plain, Tls };

class Substitution {
public:
    explicit Substitution(std::shared_ptr<const Secrets> secrets);

    // Real values for placeholders, in the header, of the host, with the port, method and path that a credential names, inside
    // TLS. A placeholder anywhere else is a sentence about that, and nothing of the request may be sent.
    [[nodiscard]] std::optional<std::string> put_in(const Contact& contact, Wrapping wrapping, RequestHead& head) const;

    // Whether any real value goes to this host: its answers are then asked for as they are, whole and not compressed.
    [[nodiscard]] bool is_for(const Contact& contact) const;

    // For bodies: placeholders in what is sent, real values in what comes back.
    [[nodiscard]] const TextSearch& placeholders() const { return placeholders_; }
    [[nodiscard]] const TextSearch& values() const { return values_; }
    [[nodiscard]] std::string misplaced(int number, const std::string& where) const; // where: "in the request's body"
    [[nodiscard]] std::string echoed(int number, const std::string& where) const;

private:
    std::shared_ptr<const Secrets> secrets_;
    TextSearch placeholders_;
    TextSearch values_;
};

} // namespace treadline::egress

// Looking into what the profile says to look into: TLS is ended here and begun anew towards the server, each request is judged,
// placeholders become real values where a credential says so, and no real value comes back in.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "enforcer/egress/decision.h"
#include "enforcer/egress/substitution.h"
#include "enforcer/egress/tls.h"

namespace treadline::egress {

struct RelayContext;

class Inspector {
public:
    Inspector(std::shared_ptr<const Policy> policy, std::shared_ptr<const Secrets> secrets, std::unique_ptr<TlsEngine> tls)
        : policy_(std::move(policy)), substitution_(std::move(secrets)), tls_(std::move(tls)) {}

    // Whether connections to it are looked into. Plain HTTP is read in any case: no placeholder may leave by it.
    [[nodiscard]] bool covers(const Contact& contact) const { return !contact.name.empty() && policy_->inspects(contact.name, contact.port); }
    [[nodiscard]] bool limits_requests(const Contact& contact) const { return policy_->limits_requests(contact.name, contact.port); }
    [[nodiscard]] const Substitution& substitution() const { return substitution_; }
    [[nodiscard]] TlsEngine& tls() const { return *tls_; }

private:
    std::shared_ptr<const Policy> policy_;
    Substitution substitution_;
    std::unique_ptr<TlsEngine> tls_;
};

// `opening`: what has been read from `inside` so far, of TLS the whole hello, which has been judged.
boost::asio::awaitable<void> inspect(boost::asio::ip::tcp::socket inside, std::string opening, Contact contact, Wrapping wrapping,
                                     RelayContext& context);

} // namespace treadline::egress

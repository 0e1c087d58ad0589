#include "enforcer/egress/decision.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/addresses.h"
#include "base/text.h"
#include "profiles/profile_reader.h"

namespace treadline::egress {
namespace {

std::string bracketed(const std::string& host) {
    return host.find(':') != std::string::npos ? "[" + host + "]" : host;
}

std::string host_of(const Contact& contact) {
    return contact.name.empty() ? bracketed(contact.address) : contact.name;
}

Verdict allow(std::string rule) {
    Verdict verdict;
    verdict.allowed = true;
    verdict.rule = std::move(rule);
    return verdict;
}

Verdict refuse(Violation violation, Differs differs = Differs::No) {
    Verdict verdict;
    verdict.differs = differs;
    verdict.violation = std::move(violation);
    return verdict;
}

// Of a rule that names no public address: what a person should know before writing it.
std::string risk_of(const std::string& address) {
    const std::string why = why_not_public(address);
    return why.empty() ? "" : "opens " + why;
}

Violation from_policy(const treadline::Decision& decision, std::string operation, std::string object) {
    Violation violation = refusal(std::move(operation), std::move(object), decision.reason);
    violation.section = decision.section;
    violation.rule = decision.remedy;
    violation.review = decision.review;
    return violation;
}

struct Authority {
    std::string host;
    std::optional<uint16_t> port;
};

// host[:port] of a Host field or an absolute target. Userinfo, addresses in odd forms and the rest are nothing.
std::optional<Authority> parse_authority(std::string_view text) {
    const size_t colon = text.rfind(':');
    const bool has_port = colon != std::string_view::npos && text.find(']', colon) == std::string_view::npos;
    const auto parsed = parse_host_port(has_port ? std::string(text) : std::string(text) + ":1");
    if (!parsed || parsed->any_protocol || parsed->host[0] == '*') {
        return std::nullopt;
    }
    return Authority{parsed->host, has_port ? std::optional(parsed->port) : std::nullopt};
}

} // namespace

std::optional<std::string> canonical_host(std::string_view text) {
    const auto parsed = parse_host_port(std::string(text) + ":1");
    // A colon in the text itself would have been read as the port's.
    if (!parsed || parsed->address || parsed->host[0] == '*' || parsed->host == host_loopback || text.find_first_of(":/") != std::string_view::npos) {
        return std::nullopt;
    }
    return parsed->host;
}

std::string to_string(const Contact& contact) {
    return host_of(contact) + ":" + std::to_string(contact.port);
}

Violation refusal(std::string operation, std::string object, std::string reason) {
    Violation violation;
    violation.layer = "egress";
    violation.operation = std::move(operation);
    violation.object = std::move(object);
    violation.reason = std::move(reason);
    return violation;
}

Decision::Decision(std::shared_ptr<const Policy> policy, std::vector<std::string> own_addresses)
    : policy_(std::move(policy)),
      alone_(std::make_shared<const Policy>(policy_->grants_alone(Policy::GuardsCount::Yes))),
      own_addresses_(std::move(own_addresses)) {}

Verdict Decision::lookup(std::string_view name) const {
    const auto host = canonical_host(name);
    if (!host) {
        return refuse(refusal("lookup", std::string(name), "'" + printable(name) + "' is no host name"));
    }
    if (policy_ == nullptr) {
        return allow("");
    }
    std::set<uint16_t> ports;
    for (const PolicyEndpoint& rule : alone_->connect()) {
        ports.insert(rule.port);
    }
    for (const uint16_t port : ports) {
        if (const auto decision = alone_->decide(Operation::Connect, *host + ":" + std::to_string(port)); decision.allowed) {
            return allow(decision.rule);
        }
    }
    Violation violation = from_policy(policy_->decide(Operation::Connect, *host + ":443"), "lookup", *host);
    violation.reason = "no `connect` rule names '" + *host + "', so its name is not looked up";
    if (!violation.review.empty()) {
        violation.reason += "; under `review:` waits a rule that would: " + violation.review;
    }
    return refuse(std::move(violation));
}

Verdict Decision::contact(const Contact& contact) const {
    if (policy_ == nullptr) {
        return allow("");
    }
    const std::string object = to_string(contact);
    if (const auto decision = alone_->decide(Operation::Connect, object); decision.allowed) {
        return allow(decision.rule);
    }
    Violation violation = from_policy(policy_->decide(Operation::Connect, object), "connect", object);
    if (contact.name.empty()) {
        violation.risk = risk_of(contact.address);
    }
    return refuse(std::move(violation));
}

bool Decision::any_protocol(const Contact& contact) const {
    return policy_ != nullptr && alone_->decide(Operation::Connect, to_string(contact) + "/tcp").allowed;
}

Verdict Decision::tls(const Contact& contact, const TlsHello& hello) const {
    const std::string object = to_string(contact);
    if (hello.encrypted) {
        Violation violation = refusal("connect", object,
                                      "the TLS client encrypts the name it asks for (encrypted_client_hello), so it cannot be "
                                      "held to '" + host_of(contact) + "'; switch that off in the client");
        violation.section = "network.connect";
        violation.rule = object + "/tcp";
        violation.risk = "whoever serves '" + host_of(contact) + "' may pass it on to any of its other sites";
        return refuse(std::move(violation), Differs::HiddenServerName);
    }
    if (!hello.server_name) {
        Violation violation =
            refusal("connect", object, "the TLS client names no server, so it cannot be held to '" + host_of(contact) + "'");
        violation.section = "network.connect";
        violation.rule = object + "/tcp";
        return refuse(std::move(violation), Differs::NoServerName);
    }
    const auto asked = canonical_host(*hello.server_name);
    if (!asked || *asked != contact.name) {
        return refuse(refusal("connect", object,
                              "TLS asks for '" + printable(*hello.server_name) + "' where '" + host_of(contact) +
                                  "' was looked up"),
                      Differs::OtherServerName);
    }
    Verdict reached = this->contact(contact);
    if (policy_ == nullptr || !reached.allowed || !alone_->connects_for_requests_only(contact.name, contact.port) ||
        policy_->inspects(contact.name, contact.port)) { // a credential does that, too
        return reached;
    }
    return refuse(from_policy(unseen_request(object), "connect", object));
}

Verdict Decision::http(const Contact& contact, const HttpRequest& request) const {
    const std::string object = to_string(contact);
    const auto no = [&](const std::string& reason) { return refuse(refusal("request", object, reason), Differs::OtherHost); };
    const std::string shown = printable(request.method) + " " + printable(request.target.substr(0, 200));
    if (request.hosts.size() != 1) {
        return no("the request '" + shown + "' has " + (request.hosts.empty() ? "no" : "more than one") + " Host");
    }
    const auto same = [&](std::string_view text) {
        const auto authority = parse_authority(text);
        return authority && authority->host == contact.name && authority->port.value_or(contact.port) == contact.port;
    };
    if (!same(request.hosts[0])) {
        return no("the request's Host '" + printable(request.hosts[0]) + "' is not '" + object + "', which was looked up");
    }
    if (request.method == "CONNECT") {
        return no("the request asks the server to be a proxy (CONNECT)");
    }
    const std::string_view scheme = request.secure ? "https://" : "http://";
    if (!request.target.starts_with('/') && request.target != "*") {
        if (!request.target.starts_with(scheme)) {
            return no("the request '" + shown + "' has neither a path nor an " + std::string(scheme) + " address for its target");
        }
        const std::string_view rest = std::string_view(request.target).substr(scheme.size());
        if (!same(rest.substr(0, rest.find_first_of("/?#")))) {
            return no("the request's target '" + printable(request.target.substr(0, 200)) + "' is not of '" + object +
                      "', which was looked up");
        }
    }
    const std::string_view path = request.target.starts_with(scheme)
                                      ? std::string_view(request.target).substr(std::min(request.target.find_first_of("/?#", scheme.size()), request.target.size()))
                                      : std::string_view(request.target);
    if (request.upgrade && request.secure && policy_ != nullptr) {
        const auto upgraded = alone_->decide_upgrade(contact.name, contact.port, request.method, path, request.upgrade_to);
        if (!upgraded.allowed) {
            Violation violation = from_policy(upgraded, "request", object);
            return refuse(std::move(violation), Differs::Upgrade);
        }
    } else if (request.upgrade) {
        Violation violation = refusal("request", object, "the request asks for another protocol (Upgrade) on the connection");
        violation.section = "network.connect";
        violation.rule = object + "/tcp";
        return refuse(std::move(violation), Differs::Upgrade);
    }
    Verdict reached = this->contact(contact);
    if (policy_ == nullptr || !reached.allowed) {
        return reached;
    }
    if (policy_->limits_requests(contact.name, contact.port) && !request.redirected.empty()) {
        return no("the request has " + request.redirected + ", where rules name methods or paths");
    }
    const auto asked = alone_->decide_request(contact.name, contact.port, request.method, path);
    return asked.allowed ? reached : refuse(from_policy(asked, "request", object), Differs::OtherHost);
}

Verdict Decision::other_protocol(const Contact& contact, const std::string& what) const {
    const std::string object = to_string(contact);
    Violation violation = refusal("connect", object, what + ", and the rule for '" + object + "' allows only TLS and HTTP that name the host");
    violation.section = "network.connect";
    violation.rule = object + "/tcp";
    return refuse(std::move(violation));
}

Verdict Decision::addresses(const Contact& contact, const std::vector<std::string>& addresses) const {
    if (policy_ == nullptr) {
        return allow("");
    }
    const std::string object = to_string(contact);
    for (const std::string& text : addresses) {
        const Address address = parse_address(text);
        if (!address.valid) {
            return refuse(refusal("connect", object, "'" + printable(text) + "' is no address"));
        }
        const std::string canonical = treadline::to_text(address);
        std::string why = why_not_led_to(canonical);
        if (why.empty() && std::find(own_addresses_.begin(), own_addresses_.end(), canonical) != own_addresses_.end()) {
            why = "an address of this machine";
        }
        const std::string endpoint = bracketed(canonical) + ":" + std::to_string(contact.port);
        if (why.empty() || alone_->decide(Operation::Connect, endpoint).allowed) {
            continue;
        }
        Violation violation = refusal("connect", object, "'" + contact.name + "' leads to " + canonical + ", " + why +
                                                             ", which no rule names");
        violation.section = "network.connect";
        violation.rule = endpoint;
        violation.risk = "opens " + why;
        return refuse(std::move(violation));
    }
    if (addresses.empty()) {
        return refuse(refusal("connect", object, "'" + contact.name + "' has no address"));
    }
    return contact.name.empty() ? this->contact(contact) : allow(alone_->decide(Operation::Connect, object).rule);
}

} // namespace treadline::egress

// What a policy says of hosts, ports and requests.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/decisions.h"
#include "profiles/policy.h"
#include "profiles/profile_reader.h"
#include "profiles/request_scope.h"

namespace treadline {
namespace {

// `*.example.org`: names below it, never itself, never another name that merely ends alike.
bool is_host_of(std::string_view rule, std::string_view host, bool address) {
    if (rule.substr(0, 2) != "*.") {
        return rule == host;
    }
    const std::string_view suffix = rule.substr(1);
    return !address && host.size() > suffix.size() && host.ends_with(suffix);
}

bool is_loopback(const HostPort& endpoint) {
    return endpoint.host == "localhost" ||
           (endpoint.address && (endpoint.host.substr(0, 4) == "127." || endpoint.host == "::1"));
}

// Where a `host:PORT` rule is reached from inside.
bool is_host_loopback(const HostPort& endpoint) {
    return endpoint.host == host_loopback || endpoint.host == "localhost" || endpoint.host == "127.0.0.1" || endpoint.host == "::1";
}

std::optional<uint16_t> parse_port(std::string_view text) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && !text.empty() ? std::optional(port)
                                                                                     : std::nullopt;
}

} // namespace

Decision Policy::decide_connect(std::string_view object) const {
    const auto endpoint = parse_host_port(object);
    if (!endpoint) {
        return refuse(endpoint.error().what);
    }
    const bool of_host = is_host_loopback(*endpoint);
    for (const PolicyEndpoint& rule : connect_) {
        const bool matches = is_host_of(rule.host, endpoint->host, endpoint->address) || (of_host && rule.host == host_loopback);
        const bool speaks = rule.any_protocol || !endpoint->any_protocol;
        if (matches && speaks && endpoint->host[0] != '*' && rule.port == endpoint->port) {
            return allow(rule.text, rule.origin);
        }
    }
    if (is_loopback(*endpoint)) {
        // The sandbox's own loopback: only what listens inside can be there.
        for (const PolicyPort& rule : listen_) {
            if (rule.port == endpoint->port || rule.port == 0) {
                return allow("listen: " + std::to_string(rule.port), rule.origin);
            }
        }
    }
    const bool v6 = endpoint->address && endpoint->host.find(':') != std::string::npos;
    Decision decision;
    decision.section = "network.connect";
    const std::string port = ":" + std::to_string(endpoint->port);
    const std::string asked = (v6 ? "[" + endpoint->host + "]" : endpoint->host) + port +
                              (endpoint->any_protocol && !endpoint->address && !of_host ? "/tcp" : "");
    decision.remedy = of_host ? std::string(host_loopback) + port : asked;
    decision.reason = "no `connect` rule allows '" + asked + "'";
    return decision;
}

// The scopes of all rules that have the gateway look into TLS with that host.
std::vector<const RequestScope*> Policy::scopes_of(std::string_view host, uint16_t port) const {
    std::vector<const RequestScope*> scopes;
    for (const PolicyInspection& rule : inspect_) {
        if (rule.port == port && is_host_of(rule.host, host, false)) {
            scopes.push_back(&rule.scope);
        }
    }
    for (const Credential& credential : credentials_) {
        const auto bound = credential_endpoint(credential.host);
        if (bound && bound->host == host && bound->port == port) {
            scopes.push_back(&credential.scope);
        }
    }
    return scopes;
}

bool Policy::inspects(std::string_view host, uint16_t port) const {
    return !scopes_of(host, port).empty();
}

bool Policy::limits_requests(std::string_view host, uint16_t port) const {
    const auto scopes = scopes_of(host, port);
    return std::any_of(scopes.begin(), scopes.end(), [](const RequestScope* scope) { return !(*scope == RequestScope{}); });
}

Decision Policy::decide_request(std::string_view host, uint16_t port, std::string_view method, std::string_view target) const {
    bool held = false;
    for (const PolicyInspection& rule : inspect_) {
        if (rule.port != port || !is_host_of(rule.host, host, false)) {
            continue;
        }
        if (is_in(rule.scope, method, target)) {
            return allow(rule.text, rule.origin);
        }
        held = true;
    }
    if (!held) {
        return allow("", Origin{});
    }
    const std::string asked = printable(method) + " " + printable(target.substr(0, target.find('?')).substr(0, 200));
    return refuse("no `inspect` rule for '" + std::string(host) + ":" + std::to_string(port) + "' lets the command ask for '" + asked + "'");
}

Decision Policy::decide_listen(std::string_view object) const {
    const auto port = parse_port(object);
    if (!port) {
        return refuse("'" + printable(object) + "' is no port");
    }
    for (const PolicyPort& rule : listen_) {
        if (rule.port == *port) {
            return allow("listen: " + std::to_string(rule.port), rule.origin);
        }
    }
    Decision decision = refuse("no `listen` rule allows port " + std::to_string(*port));
    decision.section = "network.listen";
    decision.remedy = std::to_string(*port);
    return decision;
}

} // namespace treadline

#include <algorithm>

#include "base/path.h"
#include "base/addresses.h"
#include "profiler/lint_checks.h"
#include "profiles/credential_value.h"
#include "profiles/pattern.h"
#include "profiles/profile_reader.h"
#include "profiles/request_scope.h"

namespace treadline {
namespace {

constexpr uint16_t https_port = 443;

bool is_wildcard(const PolicyEndpoint& endpoint) {
    return endpoint.host.rfind("*.", 0) == 0;
}

bool is_address(const PolicyEndpoint& endpoint) {
    return endpoint.host.find(':') != std::string::npos ||
           endpoint.host.find_first_not_of("0123456789.") == std::string::npos;
}

// Everything `other` connects to, `wide` does.
bool covers(const PolicyEndpoint& wide, const PolicyEndpoint& other) {
    if ((other.any_protocol && !wide.any_protocol) || !contains(wide.scope, other.scope)) {
        return false; // what the wider one does not look at, or not let through
    }
    if (wide.port != other.port || wide.host == other.host || !is_wildcard(wide) || is_address(other)) {
        return wide.port == other.port && wide.host == other.host;
    }
    const std::string_view suffix = std::string_view(wide.host).substr(1);
    const std::string_view name = std::string_view(other.host).substr(is_wildcard(other) ? 1 : 0);
    return name.size() > suffix.size() && name.ends_with(suffix);
}

void lint_connect(const LintInput& input, Findings& findings) {
    const auto& endpoints = input.policy.connect();
    for (size_t i = 0; i < endpoints.size(); ++i) {
        const PolicyEndpoint& endpoint = endpoints[i];
        if (!is_own(endpoint.origin)) {
            continue;
        }
        note_redundant(endpoints, i, covers, findings);
        if (endpoint.host == host_loopback) {
            findings.add(Severity::Warning, "not-public", endpoint.origin.at, endpoint.text,
                         "is a service on the loopback of this machine; keep it only if the command needs that very service");
        } else if (is_wildcard(endpoint)) {
            const std::string below = endpoint.host.substr(2);
            findings.add(Severity::Warning, "wildcard", endpoint.origin.at, endpoint.text,
                         "reaches every name below " + below + ", whoever owns it; list the hosts");
        } else if (const std::string why = is_address(endpoint) ? why_not_public(endpoint.host) : "";
                   !why.empty()) {
            findings.add(Severity::Warning, "not-public", endpoint.origin.at, endpoint.text,
                         "is " + why + "; keep it only if the command needs that very service");
        }
    }
}

// What is asked for inside TLS cannot be told, and then nothing passes.
void lint_requests(const LintInput& input, Findings& findings) {
    for (const PolicyEndpoint& endpoint : input.policy.connect()) {
        if (endpoint.scope.any() || !is_own(endpoint.origin) || endpoint.port != https_port) {
            continue;
        }
        // Of a wildcard any name will do.
        const std::string name = is_wildcard(endpoint) ? "any" + endpoint.host.substr(1) : endpoint.host;
        if (!input.policy.inspects(name, endpoint.port) && input.policy.connects_for_requests_only(name, endpoint.port)) {
            findings.add(Severity::Error, "never-matches", endpoint.origin.at, endpoint.text,
                         "names methods or paths where TLS hides them, so that nothing passes; add " + endpoint.endpoint +
                             " to `inspect`, or name the host and port alone");
        }
    }
}

// At a port where the host's service stands inside nobody else can listen.
void lint_host_services(const LintInput& input, Findings& findings) {
    const auto& listen = input.policy.listen();
    for (const PolicyEndpoint& endpoint : input.policy.connect()) {
        const bool taken = endpoint.host == host_loopback && std::any_of(listen.begin(), listen.end(), [&](const PolicyPort& other) {
                               return other.port == endpoint.port;
                           });
        if (is_own(endpoint.origin) && taken) {
            findings.add(Severity::Error, "never-matches", endpoint.origin.at, endpoint.text,
                         "takes the port that `listen` gives to the command; delete one of them");
        }
    }
}

void lint_ports(const LintInput& input, Findings& findings) {
    const auto& listen = input.policy.listen();
    for (const PolicyPort& port : input.policy.publish()) {
        const bool listens = std::any_of(listen.begin(), listen.end(),
                                         [&](const PolicyPort& other) { return other.port == port.port; });
        if (is_own(port.origin) && !listens) {
            findings.add(Severity::Error, "never-matches", port.origin.at, std::to_string(port.port),
                         "is published, but nothing may listen on it; add it to `listen` or delete it");
        }
    }
}

bool contains(const PolicyEntry& wide, const PolicyEntry& entry) {
    return wide.pattern.covers(entry.pattern);
}

void lint_sockets(const LintInput& input, Findings& findings) {
    const auto& sockets = input.policy.unix_sockets();
    for (size_t i = 0; i < sockets.size(); ++i) {
        const PolicyEntry& socket = sockets[i];
        if (!is_own(socket.origin)) {
            continue;
        }
        const bool abstract = socket.text.rfind('@', 0) == 0;
        const Guard* guard = abstract || socket.pattern.extent == Extent::Glob
                                 ? nullptr
                                 : input.policy.guards().find(socket.pattern.path, true);
        if (guard != nullptr) {
            findings.add(Severity::Warning, "opens-credential", socket.origin.at, socket.text,
                         "may talk to " + guard->what + "; keep it only if the command cannot do without");
        }
        if (socket.text == "@*" ||
            (socket.pattern.extent == Extent::Glob && file_name(socket.pattern.path) == "*")) {
            findings.add(Severity::Warning, "wildcard", socket.origin.at, socket.text,
                         "reaches every service that has a socket there; name the sockets");
        }
        if (guard == nullptr) { // what opens a guard is contained in nothing wide
            note_redundant(sockets, i, contains, findings);
        }
    }
}

bool connects(const Policy& policy, const std::string& host, uint16_t port) {
    // Of a wildcard any name will do.
    const std::string name = host[0] == '*' ? "any" + host.substr(1) : host;
    return policy.grants_alone(Policy::GuardsCount::Yes).decide(Operation::Connect, name + ":" + std::to_string(port)).allowed;
}

bool speaks_anything(const Policy& policy, const std::string& host, uint16_t port) {
    const auto& rules = policy.connect();
    return std::any_of(rules.begin(), rules.end(), [&](const PolicyEndpoint& rule) { return rule.host == host && rule.port == port && rule.any_protocol; });
}

// Of the profile's own; includes were looked at when they were written.
void lint_inside_tls(const LintInput& input, Findings& findings) {
    for (const Inspection& inspection : input.profile.network.inspect) {
        const auto endpoint = parse_host_port(inspection.endpoint);
        if (endpoint && !connects(input.policy, endpoint->host, endpoint->port)) {
            findings.add(Severity::Error, "never-matches", inspection.at, inspection.endpoint,
                         "is looked into, but nothing may connect there; add it to `connect` or delete it");
        }
        if (endpoint && speaks_anything(input.policy, endpoint->host, endpoint->port)) {
            findings.add(Severity::Warning, "contradicts", inspection.at, inspection.endpoint,
                         "is looked into, so nothing but TLS with HTTP inside passes; delete '/tcp' behind its `connect` rule");
        }
        const auto& credentials = input.profile.network.credentials;
        const bool bound = endpoint && std::any_of(credentials.begin(), credentials.end(), [&](const Credential& credential) {
            const auto to = credential_endpoint(credential.host);
            return to && to->host == endpoint->host && to->port == endpoint->port;
        });
        if (bound && !inspection.upgrades.empty()) {
            findings.add(Severity::Warning, "contradicts", inspection.at, inspection.endpoint,
                         "gets a credential, so no request to it changes to another protocol; delete its `upgrades`");
        }
    }
    for (const Credential& credential : input.profile.network.credentials) {
        const std::string shown = credential.host + " " + credential.header; // not its value
        const auto value = parse_credential_value(credential.value);
        if (value && value->sources().empty()) {
            findings.add(Severity::Error, "plain-credential", credential.at, shown,
                         "has its value in the profile, where everybody who sees the project reads it; withdraw that secret, and refer to the "
                         "new one, as in ${env:NAME}");
        }
        const auto endpoint = credential_endpoint(credential.host);
        if (endpoint && !connects(input.policy, endpoint->host, endpoint->port)) {
            findings.add(Severity::Error, "never-matches", credential.at, shown,
                         "is for a host that nothing may connect to; add " + endpoint->host + ":" + std::to_string(endpoint->port) +
                             " to `connect` or delete it");
        }
        if (endpoint && speaks_anything(input.policy, endpoint->host, endpoint->port)) {
            findings.add(Severity::Warning, "contradicts", credential.at, shown,
                         "is put in inside TLS, so nothing but TLS with HTTP inside passes; delete '/tcp' behind its `connect` rule");
        }
        const std::string variable = placeholder_variable(credential);
        const auto& passed = input.profile.environment.pass;
        if (std::any_of(passed.begin(), passed.end(), [&](const Entry& entry) { return entry.text == variable; })) {
            findings.add(Severity::Note, "redundant", credential.at, shown,
                         "has a placeholder in " + variable + ", which `pass` names, too; delete it there");
        }
    }
}

void lint_budgets(const LintInput& input, Findings& findings) {
    for (const PolicyBudget& budget : input.policy.budgets()) {
        const auto& rules = input.policy.connect();
        const bool used = std::any_of(rules.begin(), rules.end(), [&](const PolicyEndpoint& rule) {
            const std::string name = is_wildcard(rule) ? "any" + rule.host.substr(1) : rule.host; // of a wildcard any name will do
            return rule.port == budget.port && is_host_of(budget.host, name, is_address(rule));
        });
        if (is_own(budget.origin) && !used && !connects(input.policy, budget.host, budget.port)) {
            findings.add(Severity::Error, "never-matches", budget.origin.at, budget.text,
                         "is a budget for what nothing may connect to; add the host to `connect` or delete it");
        }
    }
}

} // namespace

void lint_network(const LintInput& input, Findings& findings) {
    lint_connect(input, findings);
    lint_requests(input, findings);
    lint_host_services(input, findings);
    lint_ports(input, findings);
    lint_inside_tls(input, findings);
    lint_budgets(input, findings);
    lint_sockets(input, findings);
}

} // namespace treadline

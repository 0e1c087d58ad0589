#include "enforcer/plan_inspection.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/request_scope.h"

namespace treadline {
namespace {

// Where systems keep the certificates they trust as one file: Debian and Arch, Fedora (twice), SUSE, Alpine.
constexpr std::array bundles = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
constexpr const char* java_store = "/etc/ssl/certs/java/cacerts"; // Debian's, which its JDKs link to

// For programs that bring a list of their own, or look certificates up one by one in a directory.
constexpr std::array trust_variables = {
    "SSL_CERT_FILE",                     // OpenSSL (Python, Ruby, Perl), Go, rustls
    "NODE_EXTRA_CA_CERTS",               // Node
    "REQUESTS_CA_BUNDLE",                // Python's requests, with pip
    "PIP_CERT",                          // pip
    "CURL_CA_BUNDLE",                    // curl from elsewhere
    "GIT_SSL_CAINFO",                    // git from elsewhere
    "CARGO_HTTP_CAINFO",                 // cargo
    "AWS_CA_BUNDLE",                     // AWS's tools and libraries
    "DENO_CERT",                         // Deno
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",  // gRPC
};

bool in_view(const Plan& plan, const std::string& path) {
    return std::any_of(plan.mounts.begin(), plan.mounts.end(),
                       [&](const MountStep& step) { return step.kind == MountStep::Kind::Bind && is_within(path, step.target); });
}

std::string sources_of(const Credential& credential) {
    std::vector<std::string> sources;
    if (const auto value = parse_credential_value(credential.value)) {
        for (const CredentialSource& source : value->sources()) {
            sources.push_back(to_string(source));
        }
    }
    return join(sources, " ");
}

} // namespace

std::vector<std::string> hosts_looked_into(const Policy& policy) {
    std::set<std::string> hosts;
    for (const PolicyInspection& rule : policy.inspections()) {
        hosts.insert(rule.host.starts_with("*.") ? rule.host.substr(2) : rule.host);
    }
    for (const Credential& credential : policy.credentials()) {
        if (const auto endpoint = credential_endpoint(credential.host)) {
            hosts.insert(endpoint->host);
        }
    }
    return {hosts.begin(), hosts.end()};
}

std::map<std::string, std::string> placeholder_variables(const Policy& policy, const egress::Secrets* secrets) {
    if (secrets != nullptr) {
        return secrets->variables;
    }
    std::map<std::string, std::string> variables;
    for (const Credential& credential : policy.credentials()) {
        if (const std::string name = placeholder_variable(credential); !name.empty()) {
            variables[name] = "(a placeholder)";
        }
        const auto value = parse_credential_value(credential.value);
        for (const CredentialSource& source : value ? value->sources() : std::vector<CredentialSource>{}) {
            if (source.kind == CredentialSource::Kind::Environment) {
                variables[source.text] = "(a placeholder)"; // never the value, whatever else is said
            }
        }
    }
    return variables;
}

result<ok> add_inspection_files(Plan& plan, const Policy& policy) {
    if (plan.secrets != nullptr) {
        for (const auto& [path, placeholder] : plan.secrets->files) {
            if (in_view(plan, path)) {
                plan.mounts.push_back({MountStep::Kind::File, placeholder, path, false, false, "guard: a placeholder for what a credential refers to"});
            }
        }
    }
    if (plan.authority_hosts.empty()) {
        return ok{};
    }
    std::string first;
    for (const char* path : bundles) {
        const auto target = sys::realpath(path);
        const bool known = target && std::any_of(plan.mounts.begin(), plan.mounts.end(), [&](const MountStep& step) {
            return step.kind == MountStep::Kind::TrustBundle && step.target == *target;
        });
        if (!target || known || !policy.decide(Operation::Read, *target).allowed || !in_view(plan, *target)) {
            continue;
        }
        first = first.empty() ? *target : first;
        plan.mounts.push_back({MountStep::Kind::TrustBundle, *target, *target, false, false, "trusted inside: the host's, and this run's own authority"});
    }
    if (first.empty()) {
        return fail("the profile looks into TLS (" + plan.authority_hosts.front() + "), but lets the command read no file by which programs know whom to "
                    "trust; add `include: [tls-trust]`, and where " + std::string(bundles[0]) + " is missing, install ca-certificates");
    }
    if (const auto target = sys::realpath(java_store); target && policy.decide(Operation::Read, *target).allowed && in_view(plan, *target)) {
        plan.mounts.push_back({MountStep::Kind::JavaTrust, *target, *target, false, false, "trusted inside: the host's, and this run's own authority"});
    }
    for (const char* name : trust_variables) {
        if (!policy.environment().set.contains(name)) {
            plan.command.environment[name] = first;
        }
    }
    return ok{};
}

void explain_inspection(Plan& plan, const Policy& policy) {
    const std::string held = plan.network == NetworkMode::Gateway ? "egress gateway, by ending TLS" : "nothing connects";
    for (const PolicyInspection& rule : policy.inspections()) {
        plan.enforcement.push_back({"inspect: " + rule.text, held, ""});
    }
    for (const Credential& credential : policy.credentials()) {
        plan.enforcement.push_back({"credentials: " + credential.host + " " + credential.header + to_string(credential.scope) + " from " + sources_of(credential),
                                    held + "; a placeholder inside", ""});
    }
}

} // namespace treadline

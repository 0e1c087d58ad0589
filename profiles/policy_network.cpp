// What a policy says of hosts, ports and requests.
#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/decisions.h"
#include "profiles/policy.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"
#include "profiles/request_scope.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

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

constexpr size_t longest_shown = 200;

std::string shown_request(std::string_view method, std::string_view target) {
    return printable(method) + " " + printable(target.substr(0, target.find('?')).substr(0, longest_shown));
}

} // namespace

bool is_host_of(std::string_view rule, std::string_view host, bool address) {
    if (rule.substr(0, 2) != "*.") {
        return rule == host;
    }
    const std::string_view suffix = rule.substr(1);
    return !address && host.size() > suffix.size() && host.ends_with(suffix);
}

Decision unseen_request(const std::string& endpoint) {
    Decision decision = refuse("the rule for '" + endpoint + "' names methods or paths, and TLS hides what is asked for; have the gateway look into it "
                               "(`inspect`), or leave methods and paths out of the rule");
    decision.section = "network.inspect";
    decision.remedy = yaml_scalar(endpoint, YamlContext::Block);
    return decision;
}

Decision Policy::decide_connect(std::string_view object) const {
    if (const size_t space = object.find(' '); space != std::string_view::npos) {
        return decide_url(object.substr(0, space), object.substr(space + 1));
    }
    const auto endpoint = parse_host_port(object);
    if (!endpoint) {
        return refuse(endpoint.error().what);
    }
    const bool of_host = is_host_loopback(*endpoint);
    const PolicyEndpoint* best = nullptr; // one that allows any request, if there is one
    for (const PolicyEndpoint& rule : connect_) {
        const bool matches = is_host_of(rule.host, endpoint->host, endpoint->address) || (of_host && rule.host == host_loopback);
        const bool speaks = rule.any_protocol || !endpoint->any_protocol;
        if (matches && speaks && endpoint->host[0] != '*' && rule.port == endpoint->port && (best == nullptr || (!best->scope.any() && rule.scope.any()))) {
            best = &rule;
        }
    }
    if (best != nullptr) {
        return allow(best->text, best->origin);
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

// "GET", "http://mirror.example.org/debian/x"
Decision Policy::decide_url(std::string_view method, std::string_view url) const {
    const bool secure = url.starts_with("https://");
    if (!secure && !url.starts_with("http://")) {
        return refuse("'" + printable(url) + "' is no address of a request; write 'GET http://packages.example.org/path'");
    }
    url.remove_prefix(url.find("//") + 2);
    const size_t end = std::min(url.find_first_of("/?#"), url.size());
    const std::string path = url.substr(end).starts_with('/') ? std::string(url.substr(end)) : "/" + std::string(url.substr(end));
    std::string authority(url.substr(0, end));
    const bool has_port = authority.find(':', authority.rfind(']') == std::string::npos ? 0 : authority.rfind(']')) != std::string::npos;
    authority += has_port ? "" : secure ? ":443" : ":80";
    Decision reached = decide_connect(authority);
    const auto endpoint = parse_host_port(authority);
    if (!reached.allowed || !endpoint) {
        return reached;
    }
    if (secure && !inspects(endpoint->host, endpoint->port)) {
        return connects_for_requests_only(endpoint->host, endpoint->port) ? unseen_request(authority) : reached;
    }
    Decision asked = decide_request(endpoint->host, endpoint->port, method, path);
    return asked.allowed && asked.rule.empty() ? reached : asked;
}

bool Policy::connects_for_requests_only(std::string_view host, uint16_t port) const {
    bool reached = false;
    for (const PolicyEndpoint& rule : connect_) {
        if (rule.port == port && is_host_of(rule.host, host, false)) {
            if (rule.scope.any()) {
                return false;
            }
            reached = true;
        }
    }
    return reached;
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
    return connects_for_requests_only(host, port) || std::any_of(scopes.begin(), scopes.end(), [](const RequestScope* scope) { return !scope->any(); });
}

Decision Policy::decide_sending(std::string_view host, uint16_t port, std::string_view method, std::string_view target) const {
    const PolicyEndpoint* reaching = nullptr;
    for (const PolicyEndpoint& rule : connect_) {
        if (rule.port != port || !is_host_of(rule.host, host, false)) {
            continue;
        }
        if (is_in(rule.scope, method, target)) {
            return allow(rule.text, rule.origin);
        }
        reaching = &rule;
    }
    const std::string name(host);
    const std::string endpoint = (name.find(':') != std::string::npos ? "[" + name + "]" : name) + ":" + std::to_string(port);
    if (reaching == nullptr) {
        return decide_connect(endpoint);
    }
    Decision decision = refuse("no `connect` rule for '" + endpoint + "' lets the command ask for '" + shown_request(method, target) + "'");
    if (method_complaint(method).empty()) {
        const std::string path(target.substr(0, target.find('?')));
        RequestScope asked{{std::string(method)}, {}};
        if (path.size() <= longest_shown && request_path_complaint(path).empty()) {
            asked.paths.push_back(path);
        }
        decision.section = "network.connect";
        decision.remedy = connect_line(endpoint, asked);
    }
    return decision;
}

Decision Policy::decide_request(std::string_view host, uint16_t port, std::string_view method, std::string_view target) const {
    Decision sent = connects_for_requests_only(host, port) ? decide_sending(host, port, method, target) : allow("", Origin{});
    if (!sent.allowed) {
        return sent;
    }
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
        return sent;
    }
    return refuse("no `inspect` rule for '" + std::string(host) + ":" + std::to_string(port) + "' lets the command ask for '" + shown_request(method, target) + "'");
}

Decision Policy::decide_upgrade(std::string_view host, uint16_t port, std::string_view method, std::string_view target,
                                std::string_view upgrade) const {
    for (const PolicyInspection& rule : inspect_) {
        if (rule.port == port && is_host_of(rule.host, host, false) && is_in(rule.scope, method, target) &&
            std::find(rule.upgrades.begin(), rule.upgrades.end(), upgrade) != rule.upgrades.end()) {
            return allow(rule.text, rule.origin);
        }
    }
    const std::string endpoint = std::string(host) + ":" + std::to_string(port);
    Decision decision = refuse("no `inspect` rule for '" + endpoint + "' lets a request change to '" + printable(upgrade.substr(0, 40)) + "'");
    // With what is asked for, where other rules hold it back: this one is to let nothing else through.
    const std::string path(target.substr(0, target.find('?')));
    const bool limited = !decide_request(host, port, "", "").allowed;
    const bool writable = method_complaint(method).empty() && request_path_complaint(path).empty() && path.size() <= 200;
    if (upgrade_complaint(upgrade).empty() && (!limited || writable)) {
        decision.section = "network.inspect";
        decision.remedy = "{host: \"" + endpoint + "\"" + (limited ? ", methods: [" + std::string(method) + "], paths: [\"" + path + "\"]" : "") +
                          ", upgrades: [" + std::string(upgrade) + "]}";
    }
    return decision;
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

#include "profiles/network_reader.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "profiles/credential_value.h"
#include "profiles/environment_names.h"
#include "profiles/node_reader.h"
#include "profiles/pattern.h"
#include "profiles/profile_reader.h"
#include "profiles/request_scope.h"

namespace treadline {
namespace {

class NetworkReader : NodeReader {
public:
    using NodeReader::NodeReader;

    result<ok> read(const YamlNode& node, Network& out, NetworkKeys which) const {
        TRY(want_map(node, "'network'"));
        Handlers handlers = {
            {"connect", [&](const YamlNode& list) { return connections(list, out.connect); }},
            {"listen", [&](const YamlNode& list) { return ports(list, out.listen, true); }},
            {"publish", [&](const YamlNode& list) { return ports(list, out.publish, false); }},
        };
        if (which == NetworkKeys::All) {
            handlers.emplace_back("inspect", [&](const YamlNode& list) { return inspections(list, out.inspect); });
            handlers.emplace_back("credentials",
                                  [&](const YamlNode& list) { return credentials(list, out.credentials); });
            handlers.emplace_back("budgets", [&](const YamlNode& list) { return budgets(list, out.budgets); });
        }
        return keys(node, handlers);
    }

private:
    result<ok> ports(const YamlNode& node, std::vector<PortEntry>& out, bool zero) const {
        TRY(want_list(node, "a list of ports"));
        std::set<uint64_t> seen;
        for (const YamlNode& item : node.items) {
            const auto port =
                item.kind == YamlNode::Kind::Scalar && !item.quoted ? parse_number(item.text) : std::nullopt;
            if (!port || *port > 65535 || (*port == 0 && !zero)) {
                return complain(item.at,
                                zero ? "a port is a number from 1 to 65535, or 0 for one the kernel picks"
                                     : "a port is a number from 1 to 65535");
            }
            if (!seen.insert(*port).second) {
                return complain(item.at, "port " + item.text + " stands here twice; keep one");
            }
            out.push_back({static_cast<uint16_t>(*port), item.at});
        }
        return ok{};
    }
    static std::string endpoint_complaint(std::string_view entry) {
        const auto parsed = parse_host_port(entry);
        if (parsed) {
            return "";
        }
        const std::string& what = parsed.error().what; // starts with the quoted entry, as ours will
        return what.substr(printable(entry).size() + 3);
    }

    static std::string inspection_complaint(std::string_view entry) {
        if (std::string complaint = endpoint_complaint(entry); !complaint.empty()) {
            return complaint;
        }
        const auto parsed = parse_host_port(entry);
        return parsed->address || parsed->any_protocol ? "is no name and port; only what names the host can be looked into" : "";
    }

    // host:port, or {host: host:port, methods: […], paths: […]}
    result<ok> scoped(const YamlNode& item, std::string& endpoint, RequestScope& scope) const {
        if (item.kind == YamlNode::Kind::Map) {
            return keys(item, {line("host", endpoint), texts("methods", scope.methods, method_complaint),
                               texts("paths", scope.paths, request_path_complaint)});
        }
        endpoint = TRY(text(item, "an entry"));
        return ok{};
    }

    result<ok> connections(const YamlNode& node, std::vector<ConnectRule>& out) const {
        TRY(want_list(node, "'connect'"));
        std::set<std::string> seen;
        for (const YamlNode& item : node.items) {
            ConnectRule rule;
            rule.at = item.at;
            TRY(scoped(item, rule.text, rule.scope));
            const std::string shown = "'" + excerpt(rule.text) + "' ";
            if (const std::string sentence = endpoint_complaint(rule.text); !sentence.empty()) {
                return complain(item.at, shown + sentence);
            }
            const auto endpoint = parse_host_port(rule.text);
            if (!rule.scope.any() && (endpoint->address || endpoint->any_protocol)) {
                return complain(item.at, shown + "is no name and port; methods and paths can be told only of HTTP that names its host");
            }
            if (!seen.insert(rule.text + to_string(rule.scope)).second) {
                return complain(item.at, shown + "stands here twice; keep one");
            }
            out.push_back(std::move(rule));
        }
        return ok{};
    }

    // host:port, or {host: host:port, methods: […], paths: […], upgrades: […]}
    result<ok> inspections(const YamlNode& node, std::vector<Inspection>& out) const {
        TRY(want_list(node, "'inspect'"));
        for (const YamlNode& item : node.items) {
            Inspection inspection;
            inspection.at = item.at;
            if (item.kind == YamlNode::Kind::Map) {
                TRY(keys(item, {line("host", inspection.endpoint), texts("methods", inspection.scope.methods, method_complaint),
                                texts("paths", inspection.scope.paths, request_path_complaint), texts("upgrades", inspection.upgrades, upgrade_complaint)}));
            } else {
                inspection.endpoint = TRY(text(item, "an entry"));
            }
            if (const std::string sentence = inspection_complaint(inspection.endpoint); !sentence.empty()) {
                return complain(item.at, "'" + excerpt(inspection.endpoint) + "' " + sentence);
            }
            if (std::find(out.begin(), out.end(), inspection) != out.end()) {
                return complain(item.at, "'" + excerpt(inspection.endpoint) + "' stands here twice; keep one");
            }
            out.push_back(std::move(inspection));
        }
        return ok{};
    }

    // {host: host:port, sent: 2M, requests: 400}
    result<ok> budgets(const YamlNode& node, std::vector<Budget>& out) const {
        TRY(want_list(node, "'budgets'"));
        const auto limit = [this](const char* key, std::optional<uint64_t>& field, auto parse, const char* sentence) {
            return Handler{key, [this, &field, parse, sentence](const YamlNode& value) -> result<ok> {
                               field = value.kind == YamlNode::Kind::Scalar ? parse(value.text) : std::nullopt;
                               return field && *field > 0 ? result<ok>(ok{}) : complain(value.at, sentence);
                           }};
        };
        for (const YamlNode& item : node.items) {
            TRY(want_map(item, "a budget"));
            Budget budget;
            budget.at = item.at;
            TRY(keys(item, {line("host", budget.endpoint),
                            limit("sent", budget.sent_bytes, parse_memory, "sent is a number and K, M, G or T, as in 512K"),
                            limit("requests", budget.requests, parse_number, "requests is a number of at least 1")}));
            if (const std::string sentence = endpoint_complaint(budget.endpoint); !sentence.empty()) {
                return complain(item.at, "'" + excerpt(budget.endpoint) + "' " + sentence);
            }
            if (budget.endpoint.ends_with("/tcp")) {
                return complain(item.at, "'" + excerpt(budget.endpoint) + "' has '/tcp' behind it; a budget counts whatever is spoken, so leave it out");
            }
            if (!budget.sent_bytes && !budget.requests) {
                return complain(item.at, "a budget needs 'sent', 'requests' or both");
            }
            const auto endpoint = parse_host_port(budget.endpoint);
            const bool twice = std::any_of(out.begin(), out.end(), [&](const Budget& other) {
                const auto there = parse_host_port(other.endpoint);
                return there->host == endpoint->host && there->port == endpoint->port;
            });
            if (twice) {
                return complain(item.at, "a second budget for '" + excerpt(budget.endpoint) + "'; keep one");
            }
            out.push_back(std::move(budget));
        }
        return ok{};
    }

    result<ok> credentials(const YamlNode& node, std::vector<Credential>& out) const {
        TRY(want_list(node, "'credentials'"));
        for (const YamlNode& item : node.items) {
            TRY(want_map(item, "a credential"));
            Credential credential;
            credential.at = item.at;
            TRY(keys(item, {line("host", credential.host), line("header", credential.header), line("value", credential.value),
                            line("variable", credential.variable), texts("methods", credential.scope.methods, method_complaint),
                            texts("paths", credential.scope.paths, request_path_complaint)}));
            TRY(check(credential));
            const auto same = [&](const Credential& other) {
                return other.host == credential.host && other.header == credential.header;
            };
            if (std::any_of(out.begin(), out.end(), same)) {
                return complain(item.at, "a second credential for the same host and header; keep one");
            }
            out.push_back(std::move(credential));
        }
        return ok{};
    }

    result<ok> check(const Credential& credential) const {
        if (credential.host.empty() || credential.header.empty() || credential.value.empty()) {
            return complain(credential.at, "a credential needs 'host', 'header' and 'value'");
        }
        if (const auto endpoint = credential_endpoint(credential.host); !endpoint) {
            return complain(credential.at, endpoint.error().what);
        }
        if (!is_http_token(credential.header)) {
            return complain(credential.at, "'" + excerpt(credential.header) + "' is no name of an HTTP header");
        }
        const auto value = parse_credential_value(credential.value);
        if (!value) {
            return complain(credential.at, "the value " + value.error().what);
        }
        const auto sources = value->sources();
        if (credential.variable.empty()) {
            const auto unnamed = std::find_if(sources.begin(), sources.end(), [](const CredentialSource& source) {
                return source.kind == CredentialSource::Kind::Command || source.kind == CredentialSource::Kind::Systemd;
            });
            if (unnamed != sources.end()) {
                return complain(credential.at, "'variable' has to name the environment variable that holds the placeholder for " +
                                                   excerpt(to_string(*unnamed)) + " inside");
            }
        } else if (const std::string sentence = variable_complaint(credential.variable); !sentence.empty() || has_wildcard(credential.variable)) {
            return complain(credential.at, "'" + excerpt(credential.variable) + "' is no name of an environment variable");
        } else if (sources.size() != 1) {
            return complain(credential.at, "'variable' goes with a value that refers to one place");
        }
        return ok{};
    }
};

} // namespace

result<ok> read_network(const YamlNode& node, Network& out, NetworkKeys which, const std::string& file) {
    return NetworkReader(file).read(node, out, which);
}

} // namespace treadline

#include <algorithm>
#include <set>

#include "base/text.h"
#include "profiler/review.h"
#include "profiles/credential_value.h"
#include "profiles/environment_names.h"
#include "profiles/profile_reader.h"
#include "profiles/syscall_groups.h"

namespace treadline {
namespace {

bool starts_with(std::string_view text, std::string_view start) {
    return text.substr(0, start.size()) == start;
}

// The abstractions were looked at when they were written; what a profile adds to them is new.
bool own(const Origin& origin) {
    return !starts_with(origin.source, "include ");
}

bool outside_project(std::string_view text) {
    return !starts_with(text, "${project}") && !starts_with(text, "\"${project}") &&
           !starts_with(text, "'${project}");
}

// A person's files; settings of git are read by everything and say a name and an address.
bool holds_private_data(std::string_view text) {
    for (const char* start : {"${home}/.gitconfig:", "${config}/git/"}) {
        if (starts_with(text, start)) {
            return false;
        }
    }
    for (const char* start : {"${home}", "${config}", "${data}", "/home/"}) {
        if (starts_with(text, start)) {
            return true;
        }
    }
    return false;
}

std::string first_of(const std::vector<std::string>& names) {
    constexpr size_t shown = 3;
    std::vector<std::string> some(names.begin(),
                                  names.begin() + static_cast<long>(std::min(names.size(), shown)));
    return join(some, ", ") +
           (names.size() > shown ? " and " + std::to_string(names.size() - shown) + " more" : "");
}

const Guard* opened_credential(const Policy& policy, const PolicyRule& rule) {
    const bool single = rule.pattern.extent == Extent::Exact || rule.pattern.extent == Extent::Names;
    return single ? policy.guards().find(rule.pattern.path, false) : nullptr;
}

std::vector<std::string> private_data_in(const Policy& policy) {
    std::vector<std::string> found;
    for (const PolicyRule& rule : policy.files()) {
        if (const Guard* guard = opened_credential(policy, rule)) {
            found.push_back(guard->what);
        }
        if (own(rule.origin) && rule.modes.has(Mode::Read) && holds_private_data(rule.text)) {
            found.push_back(rule.text);
        }
    }
    for (const Entry& variable : policy.environment().pass) {
        if (secret_variable(variable.text)) {
            found.push_back(variable.text);
        }
    }
    return found;
}

// Such requests have no body: what they carry out is in their path, query and headers.
bool only_fetches(const RequestScope& scope) {
    return !scope.methods.empty() &&
           std::all_of(scope.methods.begin(), scope.methods.end(), [](std::string_view method) { return method == "GET" || method == "HEAD"; });
}

} // namespace

// The three that make a leak together (design, section 6).
std::string leak_in(const Policy& policy) {
    const std::vector<std::string> private_data = private_data_in(policy);
    std::vector<std::string> hosts;
    std::vector<std::string> narrow;
    for (const PolicyEndpoint& endpoint : policy.connect()) {
        (only_fetches(endpoint.scope) ? narrow : hosts).push_back(endpoint.text);
    }
    if (private_data.empty() || (hosts.empty() && narrow.empty())) {
        return "";
    }
    const std::string way = hosts.empty() ? "a narrow way out, in what it asks for (" + first_of(narrow) + ")" : "a way out (" + first_of(hosts) + ")";
    const std::string sentence = "holds private data (" + first_of(private_data) +
                                 "), takes input from the network and has " + way +
                                 ": whoever controls that input can send that data away";
    return legible(sentence);
}

std::vector<std::string> risks_of(const Policy& policy) {
    std::vector<std::string> risks;
    std::vector<std::string> changes_outside;
    std::vector<std::string> runs_own_writing;
    for (const PolicyRule& rule : policy.files()) {
        const bool writes = rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create);
        const bool single = rule.pattern.extent == Extent::Exact || rule.pattern.extent == Extent::Names;
        if (const Guard* guard = opened_credential(policy, rule)) {
            risks.push_back("opens a credential (" + guard->what + "): " + rule.text);
        } else if (const Guard* kept =
                       single && writes ? policy.guards().find(rule.pattern.path, true) : nullptr) {
            risks.push_back("may change what runs later outside the sandbox (" + kept->what +
                            "): " + rule.text);
        }
        if (!own(rule.origin)) {
            continue;
        }
        if (writes && outside_project(rule.text) && !starts_with(rule.text, "/dev/") &&
            !starts_with(rule.text, "${tmp}") && !starts_with(rule.text, "/tmp")) {
            changes_outside.push_back(rule.text);
        }
        if (writes && rule.modes.has(Mode::Execute)) {
            runs_own_writing.push_back(rule.text);
        }
    }
    if (!changes_outside.empty()) {
        risks.push_back("may change files outside the project: " + first_of(changes_outside));
    }
    if (!runs_own_writing.empty()) {
        risks.push_back("may execute what it has written itself: " + first_of(runs_own_writing));
    }
    for (const std::string& name : policy.syscalls()) {
        if (const auto why = syscalls::danger_of(name)) {
            risks.push_back("may call " + name + ": " + *why);
        }
    }
    std::vector<std::string> code;
    for (const Entry& variable : policy.environment().pass) {
        if (const auto secret = secret_variable(variable.text)) {
            risks.push_back("sees the variable " + variable.text + ": " + *secret);
        } else if (code_variable(variable.text)) {
            code.push_back(variable.text);
        }
    }
    if (!code.empty()) {
        risks.push_back("variables name code that its programs will run: " + first_of(code));
    }
    for (const PolicyEntry& socket : policy.unix_sockets()) {
        const Guard* guard =
            socket.pattern.path.empty() ? nullptr : policy.guards().find(socket.pattern.path, false);
        if (guard != nullptr) {
            risks.push_back("may talk to " + guard->what + ": " + socket.text);
        }
    }
    for (const PolicyEndpoint& endpoint : policy.connect()) {
        if (starts_with(endpoint.host, "*.")) {
            risks.push_back("may reach every name below " + endpoint.host.substr(2) + ", whoever owns it");
        } else if (endpoint.host == host_loopback) {
            risks.push_back("may use what listens on this machine's loopback at port " + std::to_string(endpoint.port));
        }
    }
    for (const Credential& credential : policy.credentials()) {
        const auto value = parse_credential_value(credential.value);
        for (const CredentialSource& source : value ? value->sources() : std::vector<CredentialSource>{}) {
            if (source.kind == CredentialSource::Kind::Command) {
                risks.push_back("runs a command outside the sandbox before the run, for a credential: " + source.text);
            }
        }
        if (credential.scope == RequestScope{}) {
            risks.push_back("may ask " + credential.host + " for anything in your name (credentials: " + credential.header + ")");
        }
    }
    for (const PolicyPort& port : policy.publish()) {
        risks.push_back("port " + std::to_string(port.port) + " is reachable from this machine");
    }
    if (std::string leak = leak_in(policy); !leak.empty()) {
        risks.insert(risks.begin(), std::move(leak));
    }
    for (std::string& risk : risks) {
        risk = legible(risk);
    }
    return risks;
}

} // namespace treadline

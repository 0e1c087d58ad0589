#include "profiles/profile_writer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "base/text.h"
#include "profiles/text_layout.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

constexpr size_t line_width = 110;
constexpr size_t wrapped_width = 100;

std::string flow_list(const std::vector<std::string>& texts) {
    std::vector<std::string> words;
    for (const std::string& text : texts) {
        words.push_back(yaml_scalar(text, YamlContext::Flow));
    }
    return "[" + join(words, ", ") + "]";
}

std::vector<std::string> texts_of(const std::vector<Entry>& entries) {
    std::vector<std::string> texts;
    for (const Entry& entry : entries) {
        texts.push_back(entry.text);
    }
    return texts;
}

std::vector<std::string> texts_of(const std::vector<PortEntry>& entries) {
    std::vector<std::string> texts;
    for (const PortEntry& entry : entries) {
        texts.push_back(std::to_string(entry.port));
    }
    return texts;
}

// A list on one line where it fits, else one entry a line.
void write_list(std::string& out, const std::string& indent, std::string_view key,
                const std::vector<std::string>& texts) {
    if (texts.empty()) {
        return;
    }
    const std::string line = indent + std::string(key) + ": " + flow_list(texts);
    if (line.size() <= line_width) {
        out += line + "\n";
        return;
    }
    out += indent + std::string(key) + ":\n";
    for (const std::string& text : texts) {
        out += indent + "  - " + yaml_scalar(text, YamlContext::Block) + "\n";
    }
}

// yaml-cpp takes a key on one line only up to 1024 characters (YAML 1.2, 7.4.3); longer ones get a `? ` in
// front.
constexpr size_t longest_simple_key = 1000;

void write_pair(std::string& out, const std::string& indent, std::string_view key, std::string_view value) {
    const std::string name = yaml_scalar(key, YamlContext::Block);
    if (name.size() <= longest_simple_key) {
        out += indent + name + ": " + std::string(value) + "\n";
    } else {
        out += indent + "? " + name + "\n" + indent + ": " + std::string(value) + "\n";
    }
}

void write_scope(std::string& out, const std::string& indent, const RequestScope& scope) {
    write_list(out, indent, "methods", scope.methods);
    write_list(out, indent, "paths", scope.paths);
}

void write_connect(std::string& out, const std::string& indent, const std::vector<ConnectRule>& rules) {
    std::vector<Entry> plain;
    for (const ConnectRule& rule : rules) {
        plain.push_back({rule.text, rule.at});
    }
    if (std::all_of(rules.begin(), rules.end(), [](const ConnectRule& rule) { return rule.scope.any(); })) {
        write_list(out, indent, "connect", texts_of(plain));
        return;
    }
    out += indent + "connect:\n";
    for (const ConnectRule& rule : rules) {
        out += indent + "  - " + connect_line(rule.text, rule.scope) + "\n";
    }
}

void write_network(std::string& out, const std::string& indent, const Network& network) {
    if (network == Network{}) {
        return;
    }
    out += (indent.empty() ? "\n" : "") + indent + "network:\n";
    write_connect(out, indent + "  ", network.connect);
    write_list(out, indent + "  ", "listen", texts_of(network.listen));
    write_list(out, indent + "  ", "publish", texts_of(network.publish));
    if (!network.inspect.empty()) {
        out += indent + "  inspect:\n";
        for (const Inspection& inspection : network.inspect) {
            const std::string endpoint = yaml_scalar(inspection.endpoint, YamlContext::Block);
            if (inspection.scope == RequestScope{} && inspection.upgrades.empty()) {
                out += indent + "    - " + endpoint + "\n";
                continue;
            }
            out += indent + "    - host: " + endpoint + "\n";
            write_scope(out, indent + "      ", inspection.scope);
            write_list(out, indent + "      ", "upgrades", inspection.upgrades);
        }
    }
    if (!network.credentials.empty()) {
        out += indent + "  credentials:\n";
        for (const Credential& credential : network.credentials) {
            out += indent + "    - host: " + yaml_scalar(credential.host, YamlContext::Block) + "\n";
            out += indent + "      header: " + yaml_scalar(credential.header, YamlContext::Block) + "\n";
            out += indent + "      value: " + yaml_scalar(credential.value, YamlContext::Block) + "\n";
            if (!credential.variable.empty()) {
                out += indent + "      variable: " + yaml_scalar(credential.variable, YamlContext::Block) + "\n";
            }
            write_scope(out, indent + "      ", credential.scope);
        }
    }
    if (!network.budgets.empty()) {
        out += indent + "  budgets:\n";
        for (const Budget& budget : network.budgets) {
            out += indent + "    - " + budget_line(budget) + "\n";
        }
    }
}

// Names of variables say little each; more of them on lines of their own would bury the rest of the profile.
constexpr size_t names_a_line_each = 3;

void write_environment(std::string& out, const std::string& indent, const Environment& environment) {
    if (environment == Environment{}) {
        return;
    }
    out += indent + "environment:\n";
    if (environment.pass.size() > names_a_line_each) {
        std::vector<std::string> words;
        for (const Entry& entry : environment.pass) {
            words.push_back(yaml_scalar(entry.text, YamlContext::Flow));
        }
        out += wrapped_list(indent + "  pass: [", words, wrapped_width) + "\n";
    } else {
        write_list(out, indent + "  ", "pass", texts_of(environment.pass));
    }
    if (!environment.set.empty()) {
        out += indent + "  set:\n";
        for (const auto& [name, value] : environment.set) {
            write_pair(out, indent + "    ", name, yaml_scalar(value, YamlContext::Block));
        }
    }
}

void write_resources(std::string& out, const std::string& indent, const Resources& resources) {
    if (const std::string limits = resources_text(resources); !limits.empty()) {
        out += indent + "resources: " + limits + "\n";
    }
}

void write_rules(std::string& out, const std::string& indent, const ProfileRules& rules) {
    write_list(out, indent, "include", texts_of(rules.include));
    if (!rules.files.empty()) {
        out += (indent.empty() ? "\n" : "") + indent + "files:\n";
        for (const FileRule& rule : rules.files) {
            write_pair(out, indent + "  ", rule.path, to_string(rule.modes));
        }
    }
    write_list(out, indent, "private", texts_of(rules.private_directories));
    write_list(out, indent, "deny", texts_of(rules.deny));
    write_network(out, indent, rules.network);
    write_list(out, indent, "unix", texts_of(rules.unix_sockets));
    write_list(out, indent, "syscalls", texts_of(rules.syscalls));
    write_environment(out, indent, rules.environment);
    write_resources(out, indent, rules.resources);
}

} // namespace

std::string rule_line(std::string_view written_path, Modes modes) {
    return yaml_scalar(written_path, YamlContext::Block) + ": " + to_string(modes);
}

std::string connect_line(std::string_view endpoint, const RequestScope& scope) {
    if (scope.any()) {
        return yaml_scalar(endpoint, YamlContext::Block);
    }
    return "{host: " + yaml_scalar(endpoint, YamlContext::Flow) + (scope.methods.empty() ? "" : ", methods: " + flow_list(scope.methods)) +
           (scope.paths.empty() ? "" : ", paths: " + flow_list(scope.paths)) + "}";
}

std::string budget_line(const Budget& budget) {
    return "{host: " + yaml_scalar(budget.endpoint, YamlContext::Flow) + (budget.sent_bytes ? ", sent: " + memory_text(*budget.sent_bytes) : "") +
           (budget.requests ? ", requests: " + std::to_string(*budget.requests) : "") + "}";
}

std::string memory_text(uint64_t bytes) {
    constexpr std::array<std::pair<uint64_t, char>, 3> units = {
        {{1ULL << 40, 'T'}, {1ULL << 30, 'G'}, {1ULL << 20, 'M'}}};
    for (const auto& [size, letter] : units) {
        if (bytes != 0 && bytes % size == 0) {
            return std::to_string(bytes / size) + letter;
        }
    }
    return std::to_string(bytes / 1024 + (bytes % 1024 != 0 ? 1 : 0)) + "K";
}

std::string duration_text(uint64_t seconds) {
    if (seconds != 0 && seconds % 3600 == 0) {
        return std::to_string(seconds / 3600) + "h";
    }
    if (seconds != 0 && seconds % 60 == 0) {
        return std::to_string(seconds / 60) + "m";
    }
    return std::to_string(seconds) + "s";
}

std::string resources_text(const Resources& resources) {
    std::vector<std::string> limits;
    if (resources.memory_bytes) {
        limits.push_back("memory: " + memory_text(*resources.memory_bytes));
    }
    if (resources.processes) {
        limits.push_back("processes: " + std::to_string(*resources.processes));
    }
    if (resources.cpu_percent) {
        limits.push_back("cpu: " + std::to_string(*resources.cpu_percent) + "%");
    }
    if (resources.time_seconds) {
        limits.push_back("time: " + duration_text(*resources.time_seconds));
    }
    if (resources.file_size_bytes) {
        limits.push_back("file_size: " + memory_text(*resources.file_size_bytes));
    }
    return limits.empty() ? "" : "{" + join(limits, ", ") + "}";
}

std::string learned_text(const Learned& learned) {
    std::string out = "{";
    if (!learned.command.empty()) {
        out += "command: " + flow_list(learned.command) + ", ";
    }
    out += "runs: " + std::to_string(learned.runs) + ", complete: " + (learned.complete ? "true" : "false");
    if (!learned.certificate.empty()) {
        out += ", certificate: " + yaml_scalar(learned.certificate, YamlContext::Flow);
    }
    return out + "}";
}

std::string write_profile(const Profile& profile) {
    std::string out = "treadline: 1\n";
    if (!profile.name.empty()) {
        out += "name: " + yaml_scalar(profile.name, YamlContext::Block) + "\n";
    }
    if (profile.learned) {
        out += "learned: " + learned_text(*profile.learned) + "\n";
    }
    write_rules(out, "", profile);
    if (!(profile.review == ProfileRules{})) {
        out += "\nreview:\n";
        write_rules(out, "  ", profile.review);
    }
    return out;
}

} // namespace treadline

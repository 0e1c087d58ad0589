#include "profiles/syscall_groups.h"

#include <algorithm>
#include <map>

#include <seccomp.h>

#include "profiles/catalogue.h"
#include "profiles/yaml_pack.h"

namespace treadline::syscalls {
namespace {

struct Group {
    std::string name;
    std::string what;
    std::vector<std::string> calls; // sorted
};

struct Calls { // what is said of single ones
    std::map<std::string, std::string, std::less<>> group_of;
    std::map<std::string, std::string, std::less<>> dangerous; // name -> reason
};

const YamlNode& catalogue() {
    static const YamlNode root = unpack_yaml(embedded_catalogue("syscalls").packed);
    return root;
}

std::vector<Group> read_groups() {
    std::vector<Group> groups;
    for (const auto& [name, node] : catalogue().find("groups")->entries) {
        Group group{name.text, node.find("what")->text, {}};
        for (const YamlNode& call : node.find("calls")->items) {
            group.calls.push_back(call.text);
        }
        std::sort(group.calls.begin(), group.calls.end());
        groups.push_back(std::move(group));
    }
    return groups;
}

const std::vector<Group>& all_groups() {
    static const std::vector<Group> groups = read_groups();
    return groups;
}

Calls read_calls() {
    Calls calls;
    for (const Group& group : all_groups()) {
        for (const std::string& call : group.calls) {
            calls.group_of.emplace(call, group.name);
        }
    }
    for (const YamlNode& node : catalogue().find("dangerous")->items) {
        for (const YamlNode& call : node.find("calls")->items) {
            calls.dangerous.emplace(call.text, node.find("why")->text);
        }
    }
    return calls;
}

const Calls& all_calls() {
    static const Calls calls = read_calls();
    return calls;
}

const Group* find_group(std::string_view name) {
    for (const Group& group : all_groups()) {
        if (group.name == name) {
            return &group;
        }
    }
    return nullptr;
}

} // namespace

std::optional<std::vector<std::string>> expand(std::string_view entry) {
    if (!entry.empty() && entry[0] == '@') {
        const Group* group = find_group(entry);
        return group != nullptr ? std::optional(group->calls) : std::nullopt;
    }
    const bool listed = !group_of(entry).empty() || danger_of(entry).has_value();
    if (!listed && !known_to_libseccomp(entry)) {
        return std::nullopt;
    }
    return std::vector<std::string>{std::string(entry)};
}

std::vector<std::string> groups() {
    std::vector<std::string> names;
    for (const Group& group : all_groups()) {
        names.push_back(group.name);
    }
    return names;
}

std::string group_of(std::string_view name) {
    const auto found = all_calls().group_of.find(name);
    return found == all_calls().group_of.end() ? "" : found->second;
}

std::string describe_group(std::string_view group) {
    const Group* found = find_group(group);
    return found != nullptr ? found->what : "";
}

std::optional<std::string> danger_of(std::string_view name) {
    const auto found = all_calls().dangerous.find(name);
    return found == all_calls().dangerous.end() ? std::nullopt : std::optional(found->second);
}

bool known_to_libseccomp(std::string_view name) {
    return ::seccomp_syscall_resolve_name(std::string(name).c_str()) != __NR_SCMP_ERROR;
}

} // namespace treadline::syscalls

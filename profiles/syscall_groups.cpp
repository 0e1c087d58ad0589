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

struct Catalogue {
    std::vector<Group> groups;
    std::map<std::string, std::string, std::less<>> group_of;
    std::map<std::string, std::string, std::less<>> dangerous; // name -> reason
};

Catalogue read_catalogue() {
    Catalogue catalogue;
    const YamlNode root = unpack_yaml(embedded_catalogue("syscalls").packed);
    for (const auto& [name, node] : root.find("groups")->entries) {
        Group group{name.text, node.find("what")->text, {}};
        for (const YamlNode& call : node.find("calls")->items) {
            group.calls.push_back(call.text);
            catalogue.group_of.emplace(call.text, group.name);
        }
        std::sort(group.calls.begin(), group.calls.end());
        catalogue.groups.push_back(std::move(group));
    }
    for (const YamlNode& node : root.find("dangerous")->items) {
        for (const YamlNode& call : node.find("calls")->items) {
            catalogue.dangerous.emplace(call.text, node.find("why")->text);
        }
    }
    return catalogue;
}

const Catalogue& catalogue() {
    static const Catalogue read = read_catalogue();
    return read;
}

const Group* find_group(std::string_view name) {
    for (const Group& group : catalogue().groups) {
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
    for (const Group& group : catalogue().groups) {
        names.push_back(group.name);
    }
    return names;
}

std::string group_of(std::string_view name) {
    const auto found = catalogue().group_of.find(name);
    return found == catalogue().group_of.end() ? "" : found->second;
}

std::string describe_group(std::string_view group) {
    const Group* found = find_group(group);
    return found != nullptr ? found->what : "";
}

std::optional<std::string> danger_of(std::string_view name) {
    const auto found = catalogue().dangerous.find(name);
    return found == catalogue().dangerous.end() ? std::nullopt : std::optional(found->second);
}

bool known_to_libseccomp(std::string_view name) {
    return ::seccomp_syscall_resolve_name(std::string(name).c_str()) != __NR_SCMP_ERROR;
}

} // namespace treadline::syscalls

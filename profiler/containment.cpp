#include "profiler/containment.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/path.h"
#include "base/text.h"

namespace treadline {
namespace {

constexpr std::array<std::pair<Operation, Mode>, 4> operations{{{Operation::Read, Mode::Read},
                                                                {Operation::Write, Mode::Write},
                                                                {Operation::Create, Mode::Create},
                                                                {Operation::Execute, Mode::Execute}}};

template <class Use>
void for_each_pattern(const Policy& policy, Use use) {
    for (const PolicyRule& rule : policy.files()) {
        use(rule.pattern);
    }
    for (const auto* entries : {&policy.private_directories(), &policy.deny(), &policy.unix_sockets()}) {
        for (const PolicyEntry& entry : *entries) {
            use(entry.pattern);
        }
    }
}

// A byte that is in no rule, neither itself nor as an escape.
std::optional<char> unused_byte(const std::vector<const Policy*>& policies) {
    std::array<bool, 256> used{};
    for (const char special : {'\0', '/', '.', '*', '\\'}) {
        used[static_cast<unsigned char>(special)] = true;
    }
    const auto use_up = [&](std::string_view text) {
        for (const char byte : text) {
            used[static_cast<unsigned char>(byte)] = true;
        }
    };
    for (const Policy* policy : policies) {
        for_each_pattern(*policy, [&](const Pattern& pattern) {
            use_up(pattern.path);
            use_up(unescape_path(pattern.path).value_or(""));
        });
        use_up(policy->variables().get("project"));
    }
    for (size_t byte = 1; byte < used.size(); ++byte) {
        if (!used[byte]) {
            return static_cast<char>(byte);
        }
    }
    return std::nullopt;
}

std::string with_every_star(std::string_view glob, const std::string& fresh) {
    std::string path;
    for (size_t at = 0; at < glob.size(); ++at) {
        if (glob[at] == '\\') {
            path += glob.substr(at, 2);
            ++at;
        } else if (glob[at] == '*') {
            path += fresh;
        } else {
            path += glob[at];
        }
    }
    return unescape_path(path).value_or(path);
}

std::string below(const std::string& directory, std::string_view name) {
    return (directory == "/" ? "" : directory) + "/" + std::string(name);
}

} // namespace

Representatives::Representatives(const std::vector<const Policy*>& policies) {
    const auto byte = unused_byte(policies);
    fresh_ = byte ? std::string(1, *byte) : "";
    size_t deepest = 0;
    for (const Policy* policy : policies) {
        for_each_pattern(*policy, [&](const Pattern& pattern) {
            deepest = std::max(deepest, path_components(pattern.path).size());
        });
        for (const PolicyEntry& directory : policy->private_directories()) {
            places_.push_back(directory.pattern.path);
        }
        const std::string& project = policy->variables().get("project");
        if (!project.empty()) {
            places_.push_back(project);
        }
    }
    std::sort(places_.begin(), places_.end());
    places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
    for (size_t level = 0; level <= deepest; ++level) {
        deep_ += "/" + fresh_;
    }
}

void Representatives::subtree(const std::string& directory, std::vector<Path>& paths) const {
    paths.push_back({directory, false});
    paths.push_back({below(directory, fresh_), true});
    paths.push_back({below(directory, deep_.substr(1)), true});
}

// The part of the pattern's reach that lies in `place`.
void Representatives::within(const Pattern& pattern, const std::string& place,
                             std::vector<Path>& paths) const {
    switch (pattern.extent) {
    case Extent::Exact:
        return;
    case Extent::Names:
        if (pattern.matches(place)) {
            paths.push_back({place, false});
        }
        return;
    case Extent::Subtree:
        if (is_within(place, pattern.path)) {
            subtree(place, paths);
        }
        return;
    case Extent::Glob:
        break;
    }
    const std::vector<std::string_view> names = path_components(pattern.path);
    const std::vector<std::string_view> fixed = path_components(place);
    if (fixed.size() > names.size()) {
        return;
    }
    for (size_t i = 0; i < fixed.size(); ++i) {
        if (!matches_glob(names[i], fixed[i])) {
            return;
        }
    }
    std::string path = place;
    for (size_t i = fixed.size(); i < names.size(); ++i) {
        path = below(path, with_every_star(names[i], fresh_));
    }
    paths.push_back({std::move(path), fixed.size() < names.size()});
}

std::optional<std::vector<Representatives::Path>> Representatives::of(const Pattern& pattern) const {
    if (fresh_.empty() && pattern.extent != Extent::Exact) {
        return std::nullopt;
    }
    std::vector<Path> paths;
    switch (pattern.extent) {
    case Extent::Exact:
        paths.push_back({pattern.path, false});
        break;
    case Extent::Names:
        paths.push_back({pattern.path, false});
        paths.push_back({below(pattern.path, fresh_), true});
        break;
    case Extent::Subtree:
        subtree(pattern.path, paths);
        break;
    case Extent::Glob:
        paths.push_back({with_every_star(pattern.path, fresh_), true});
        break;
    }
    if (pattern.path.front() != '@') { // an abstract socket is no path
        for (const std::string& place : places_) {
            within(pattern, place, paths);
        }
    }
    return paths;
}

Containment::Containment(const Policy& policy)
    : policy_(policy), guarded_(policy.grants_alone(Policy::GuardsCount::Yes)),
      unguarded_(policy.grants_alone(Policy::GuardsCount::No)), representatives_({&policy}) {}

Grants Containment::grants_at(const Policy& policy, const std::string& path) {
    Modes modes;
    for (const auto& [operation, mode] : operations) {
        if (policy.decide(operation, path).allowed) {
            modes |= mode;
        }
    }
    return policy.in_private(path) ? Grants{{}, modes} : Grants{modes, {}};
}

Modes Containment::throughout(const Pattern& pattern, bool host_only) const {
    const auto paths = representatives_.of(pattern);
    if (!paths) {
        return Modes::none();
    }
    Modes granted = Mode::Read | Mode::Write | Mode::Create | Mode::Execute;
    for (const Representatives::Path& path : *paths) {
        // `dir/` may open a guard, as a single path does, and then decides as its directory is decided.
        const bool opens = pattern.extent == Extent::Exact || pattern.extent == Extent::Names;
        const Grants here = opens ? this->granted(path.path) : reach(path.path);
        granted = granted.without(granted.without(host_only ? here.host : here.any()));
    }
    return granted;
}

Modes Containment::granted_throughout(const Pattern& pattern) const {
    return throughout(pattern, true);
}

Modes Containment::usable_throughout(const Pattern& pattern) const {
    return throughout(pattern, false);
}

bool Containment::denied_throughout(const Pattern& pattern) const {
    const auto paths = representatives_.of(pattern);
    return paths && std::all_of(paths->begin(), paths->end(), [&](const Representatives::Path& path) {
               return policy_.denying(path.path) != nullptr;
           });
}

} // namespace treadline

#include "enforcer/mount_table.h"

#include <algorithm>

#include "base/path.h"

namespace treadline {

bool covers(const HeldRule& rule, const std::string& path) {
    switch (rule.extent) {
    case Extent::Subtree:
        return is_within(path, rule.path);
    case Extent::Names:
        return path == rule.path || parent_path(path) == rule.path;
    default:
        return path == rule.path;
    }
}

bool changes(const HeldRule& rule) {
    return rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create);
}

std::optional<struct stat> look_at(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 ? std::optional(status) : std::nullopt;
}

bool MountTable::written_below(const std::string& path) const {
    return std::any_of(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
        return changes(rule) && rule.extent == Extent::Subtree && is_within(path, rule.path);
    });
}

bool MountTable::executed_in(const std::string& path) const {
    return std::any_of(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
        return rule.modes.has(Mode::Execute) && (is_within(rule.path, path) || covers(rule, path));
    });
}

bool MountTable::reached(const std::string& path) const {
    return std::any_of(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
        return is_within(rule.path, path) || covers(rule, path);
    });
}

void MountTable::bind(const std::string& path, bool writable, const std::string& why) {
    MountBind& bind = binds[path];
    bind.writable = bind.writable || writable || written_below(path);
    // A writable place without an `x` rule is mounted noexec: nothing made in it runs, not even through
    // the dynamic loader.
    bind.executable = !bind.writable || executed_in(path);
    if (bind.why.empty()) {
        bind.why = why;
    }
}

std::pair<MountTable::Base, std::string> MountTable::base_of(std::string_view at, bool itself) const {
    for (bool first = true;; first = false) {
        if (!first || itself) {
            if (binds.contains(at)) {
                return {Base::Bound, std::string(at)};
            }
            if (private_directories.contains(at)) {
                return {Base::Private, std::string(at)};
            }
        }
        if (at == "/" || hidden_in_bound.contains(at)) {
            return {Base::Hidden, std::string(at)};
        }
        at = parent_path(at);
    }
}

void MountTable::step(MountStep step) {
    if (step.kind == MountStep::Kind::Directory) {
        steps.try_emplace(step.target, step);
    } else {
        steps.insert_or_assign(step.target, step);
    }
}

std::vector<MountStep> MountTable::take() {
    for (const auto& [path, why] : private_directories) {
        step({MountStep::Kind::Tmpfs, "", path, true, executable_private.contains(path) || executed_in(path), why});
    }
    for (const auto& [path, bind] : binds) {
        step({MountStep::Kind::Bind, path, path, bind.writable, bind.executable, bind.why});
    }
    std::vector<MountStep> all;
    all.reserve(steps.size());
    for (auto& [path, step] : steps) {
        all.push_back(std::move(step));
    }
    steps.clear();
    return all;
}

} // namespace treadline

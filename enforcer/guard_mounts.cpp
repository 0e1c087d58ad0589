#include "enforcer/guard_mounts.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"

namespace treadline {
namespace {

class GuardMounts {
public:
    GuardMounts(MountTable& table, const HeldRules& held, const Policy& policy)
        : table_(table), held_(held), policy_(policy), home_(policy.variables().get("home")),
          project_(policy.variables().get("project")) {}

    GuardScan mount() {
        GuardScanInput input;
        input.policy = &policy_;
        input.visible = [this](const std::string& path) { return table_.base_of(path, true).first == MountTable::Base::Bound; };
        input.writable = [this](const std::string& path) {
            const auto [base, at] = table_.base_of(path, true);
            return base == MountTable::Base::Bound && table_.binds.at(at).writable;
        };
        input.changes = std::any_of(table_.binds.begin(), table_.binds.end(), [](const auto& bound) { return bound.second.writable; });
        // Guards that float lie in the project and the home; what else there is above them is nobody's to search.
        const auto search = [&](const std::string& path) {
            if (std::none_of(input.roots.begin(), input.roots.end(),
                             [&](const std::string& root) { return is_within(path, root); })) {
                input.roots.push_back(path);
            }
        };
        for (const auto& bound : table_.binds) {
            const std::string& path = bound.first; // clang 14 cannot capture a structured binding
            if (!starts_hidden(path, policy_)) {
                continue;
            }
            if (is_within(path, project_) || is_within(path, home_)) {
                search(path);
                continue;
            }
            for (const std::string& root : {home_, project_}) {
                if (!root.empty() && is_within(root, path)) {
                    search(root);
                }
            }
        }
        for (const std::string& root : {project_, home_}) {
            if (!root.empty() && std::find(input.making_roots.begin(), input.making_roots.end(), root) ==
                                     input.making_roots.end()) {
                input.making_roots.push_back(root);
            }
        }
        GuardScan scan = scan_guards(input);
        for (const GuardedPath& guarded : scan.guarded) {
            guard(guarded);
        }
        decoys(scan.links);
        return scan;
    }

private:
    // A link in the project that leads to a hidden file would dangle, and programs that look at every name stumble over
    // that before they get to what they were asked for. So something is there, and opening it is a denial with a name.
    void decoys(const std::vector<std::string>& links) {
        for (const std::string& link : links) {
            if (!is_within(link, project_)) {
                continue;
            }
            const auto target = sys::realpath(link);
            if (!target || is_within(*target, "/proc") || is_within(*target, "/dev") || is_within(*target, "/sys")) {
                continue;
            }
            const auto status = look_at(*target);
            if (status && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)) && !table_.steps.contains(*target) &&
                table_.base_of(*target, true).first == MountTable::Base::Hidden) {
                const auto kind = S_ISDIR(status->st_mode) ? MountStep::Kind::Directory : MountStep::Kind::Decoy;
                table_.step({kind, "", *target, false, false, "'" + link + "' leads here"});
            }
        }
    }

    void guard(const GuardedPath& guarded) {
        if (guarded.holding == GuardedPath::Holding::Way) {
            const auto [base, at] = table_.base_of(guarded.path, true);
            if (base == MountTable::Base::Bound) {
                table_.binds.try_emplace(guarded.path, MountBind{table_.binds.at(at).writable, table_.binds.at(at).executable, guarded.why});
            }
            return;
        }
        if (guarded.holding != GuardedPath::Holding::Mask) {
            const auto [base, at] = table_.base_of(guarded.path, true);
            const bool pin = guarded.holding == GuardedPath::Holding::Pin;
            const bool writable = pin && base == MountTable::Base::Bound && table_.binds.at(at).writable;
            table_.binds[guarded.path] = MountBind{writable, !writable || table_.binds.at(at).executable, guarded.why};
            reopened_below(guarded);
            return;
        }
        table_.binds.erase(guarded.path);
        if (!guarded.directory) {
            table_.step({MountStep::Kind::MaskFile, "", guarded.path, false, false, guarded.why});
            return;
        }
        if (reopened_below(guarded)) {
            // The mask has names in it: those that rules open.
            table_.step({MountStep::Kind::Tmpfs, "", guarded.path, false, false, guarded.why});
            table_.hidden_in_bound.insert(guarded.path);
            return;
        }
        table_.step({MountStep::Kind::MaskDirectory, "", guarded.path, false, false, guarded.why});
    }

    // A rule that names a file to be made in a sealed directory opens the directory, and what is there stays sealed.
    bool opened_for_making(const HeldRule& rule, const GuardedPath& guarded) {
        const std::string directory(parent_path(rule.path));
        if (rule.directory || !rule.modes.has(Mode::Create) || !is_within(directory, guarded.path) || look_at(rule.path) ||
            !look_at(directory) || !policy_.decide(Operation::Create, rule.path).allowed) {
            return false;
        }
        table_.bind(directory, true, rule.why);
        for (const DirectoryEntry& entry : list_directory(directory)) {
            const std::string path = directory + "/" + entry.name;
            if (!entry.symlink && !policy_.decide(Operation::Write, path).allowed) {
                table_.binds.try_emplace(path, MountBind{false, true, guarded.why});
            }
        }
        return true;
    }

    // Rules that name something below a guard open just that. Below a pinned directory that is writable everything is
    // open already, and a file that may be replaced must be no mount point: nothing can be renamed over one.
    bool reopened_below(const GuardedPath& guarded) {
        bool any = false;
        const auto pinned = table_.binds.find(guarded.path);
        const bool open = guarded.holding == GuardedPath::Holding::Pin && pinned != table_.binds.end() && pinned->second.writable;
        for (const HeldRule& rule : held_.rules) {
            if (rule.path == guarded.path || !is_within(rule.path, guarded.path) ||
                !policy_.decide(Operation::Read, rule.path).allowed || (!rule.directory && !look_at(rule.path))) {
                continue;
            }
            if (open && !rule.directory && rule.modes.has(Mode::Create)) {
                any = true;
                continue;
            }
            if (guarded.holding == GuardedPath::Holding::Mask || changes(rule)) {
                table_.bind(rule.path, changes(rule), rule.why);
                any = true;
            }
        }
        if (guarded.holding == GuardedPath::Holding::Seal && guarded.directory) {
            for (const HeldRule& rule : held_.rules) {
                any = opened_for_making(rule, guarded) || any;
            }
        }
        if (!any) { // nothing below it may stay bound
            for (auto bind = table_.binds.begin(); bind != table_.binds.end();) {
                const bool below = bind->first != guarded.path && is_within(bind->first, guarded.path);
                bind = below ? table_.binds.erase(bind) : std::next(bind);
            }
        }
        return any;
    }

    MountTable& table_;
    const HeldRules& held_;
    const Policy& policy_;
    const std::string home_;
    const std::string project_;
};

} // namespace

GuardScan mount_guards(MountTable& table, const HeldRules& held, const Policy& policy) {
    return GuardMounts(table, held, policy).mount();
}

} // namespace treadline

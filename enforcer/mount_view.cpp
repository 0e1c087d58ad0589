#include "enforcer/mount_view.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/guard_mounts.h"
#include "enforcer/mount_table.h"

namespace treadline {
namespace {

// Beyond this many entries beside a file that may be made or replaced, the rest stay writable and `explain`
// says so.
constexpr size_t max_kept_siblings = 512;
constexpr std::array skeleton = {"/home", "/media", "/mnt", "/root", "/run", "/srv", "/tmp"};

class View {
public:
    View(const HeldRules& held, const Policy& policy, const Command& command)
        : held_(held), policy_(policy), command_(command), home_(policy.variables().get("home")),
          project_(policy.variables().get("project")), table_(held) {}

    MountView build() {
        private_directories();
        rules();
        project();
        siblings();
        drop_what_is_covered();
        top_level();
        guards();
        sockets();
        links();
        ways();
        return finish();
    }

private:
    void private_directories() {
        for (const PolicyEntry& entry : policy_.private_directories()) {
            // Empty at the start wherever it lies, so a link planted by an earlier run would only hide something.
            const std::string path = makeable_link(entry.pattern.path, policy_).empty()
                                         ? sys::realpath(entry.pattern.path).value_or(entry.pattern.path)
                                         : entry.pattern.path;
            table_.private_directories[path] = "private: " + entry.text;
            if (held_.executable_private.contains(entry.pattern.path)) {
                table_.executable_private.insert(path);
            }
        }
    }

    void rules() {
        for (const HeldRule& rule : held_.rules) {
            if (is_within(rule.path, "/proc") || is_within(rule.path, "/dev")) {
                device(rule);
                continue;
            }
            const bool beside =
                rule.extent == Extent::Exact && rule.modes.has(Mode::Create) && creates_beside(rule, policy_);
            const std::string path =
                beside && !rule.directory ? std::string(parent_path(rule.path)) : rule.path;
            if (path == "/") {
                if (rule.extent == Extent::Subtree) {
                    everything(rule);
                }
                continue;
            }
            if (changes(rule) && (beside || rule.extent == Extent::Names)) {
                opened_[path].push_back(&rule);
            }
            if (changes(rule) || starts_hidden(path, policy_)) {
                table_.bind(path, changes(rule), rule.why);
            }
        }
    }

    // A rule for the whole disk: what starts hidden is bound after all.
    void everything(const HeldRule& rule) {
        for (const DirectoryEntry& entry : list_directory("/")) {
            const std::string path = "/" + entry.name;
            if (entry.directory && path != "/proc" && path != "/dev" &&
                (changes(rule) || starts_hidden(path, policy_))) {
                table_.bind(path, changes(rule), rule.why);
            }
        }
    }

    void device(const HeldRule& rule) {
        static const std::set<std::string> own = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                                  "/dev/urandom", "/dev/tty",  "/dev/ptmx"};
        if (rule.device && !rule.directory && !own.contains(rule.path)) {
            table_.step({MountStep::Kind::Device, rule.path, rule.path, true, false, rule.why});
        }
    }

    void project() {
        if (!project_.empty() && project_ != "/" && look_at(project_)) {
            table_.bind(project_, false, "the project's names are visible");
        }
    }

    void siblings() {
        for (const auto& [directory, rules] : opened_) {
            if (table_.written_below(directory)) {
                continue;
            }
            size_t kept = 0;
            for (const DirectoryEntry& entry : list_directory(directory)) {
                const std::string path = directory + "/" + entry.name;
                const bool written = std::any_of(rules.begin(), rules.end(), [&](const HeldRule* rule) {
                    return covers(*rule, path) && !(rule->extent == Extent::Names && entry.directory);
                });
                if (entry.symlink || written || table_.written_below(path) || table_.binds.contains(path)) {
                    continue;
                }
                if (++kept > max_kept_siblings) {
                    view_.gaps.push_back("in '" + printable(directory) + "' only the first " +
                                         std::to_string(max_kept_siblings) +
                                         " other entries are kept from being changed (" + rules.front()->why +
                                         ")");
                    break;
                }
                if (table_.reached(path)) {
                    table_.bind(path, false, "kept as it is beside " + rules.front()->why);
                } else {
                    const auto kind =
                        entry.directory ? MountStep::Kind::MaskDirectory : MountStep::Kind::MaskFile;
                    table_.step({kind, "", path, false, false, "no rule reaches it beside " + rules.front()->why});
                }
            }
        }
    }

    void drop_what_is_covered() {
        for (auto bind = table_.binds.begin(); bind != table_.binds.end();) {
            const auto [base, at] = table_.base_of(bind->first, false);
            const bool same = base == MountTable::Base::Bound && table_.binds.at(at).writable == bind->second.writable &&
                              table_.binds.at(at).executable == bind->second.executable;
            bind = same ? table_.binds.erase(bind) : std::next(bind);
        }
    }

    void top_level() {
        for (const DirectoryEntry& entry : list_directory("/")) {
            const std::string path = "/" + entry.name;
            if (entry.symlink) {
                if (auto text = sys::readlink(path)) {
                    table_.step({MountStep::Kind::Symlink, *text, path, false, false, "as on the host"});
                }
                continue;
            }
            if (!entry.directory || path == "/proc" || path == "/dev" || starts_hidden(path, policy_)) {
                continue;
            }
            const auto reaching =
                std::find_if(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
                    return is_within(rule.path, path) || covers(rule, path);
                });
            if (reaching != held_.rules.end() || is_within(project_, path)) {
                table_.binds.try_emplace(path, MountBind{false, true, "the system's files; Landlock narrows them"});
            }
        }
        table_.step({MountStep::Kind::Proc, "", "/proc", true, false, "the sandbox's own processes"});
        table_.step({MountStep::Kind::Devices, "", "/dev", true, false, "the devices every program expects"});
        for (const char* path : skeleton) {
            if (look_at(path)) {
                table_.step({MountStep::Kind::Directory, "", path, false, false, "starts empty"});
            }
        }
        for (const std::string& path :
             {std::string("/var/tmp"), home_, policy_.variables().get("login_home")}) {
            if (path.empty() || table_.private_directories.contains(path) || table_.binds.contains(path)) {
                continue;
            }
            if (const auto [base, at] = table_.base_of(path, true);
                base == MountTable::Base::Bound && !is_within(at, path) && look_at(path) && !starts_hidden(at, policy_)) {
                table_.hidden_in_bound.insert(path);
                table_.step({MountStep::Kind::Tmpfs, "", path, false, false, "starts empty"});
            }
        }
    }

    void guards() {
        GuardScan scan = mount_guards(table_, held_, policy_);
        view_.placeholders = std::move(scan.placeholders);
        view_.make_directories = std::move(scan.make_directories);
        view_.other_names = std::move(scan.other_names);
        view_.gaps.insert(view_.gaps.end(), scan.gaps.begin(), scan.gaps.end());
        view_.unsearched = std::move(scan.unsearched);
        view_.secrets = std::move(scan.secrets);
    }

    void sockets() {
        for (const PolicyEntry& entry : policy_.unix_sockets()) {
            std::vector<std::string> paths = {entry.pattern.path};
            if (entry.pattern.extent == Extent::Glob) {
                paths = expand_glob(entry.pattern.path).value_or(std::vector<std::string>{});
            }
            for (const std::string& path : paths) {
                const std::string real =
                    makeable_link(path, policy_).empty() ? sys::realpath(path).value_or("") : "";
                const auto status = look_at(real);
                if (status && S_ISSOCK(status->st_mode) && table_.base_of(real, true).first == MountTable::Base::Hidden) {
                    table_.binds[real] = MountBind{false, false, "unix: " + entry.text};
                }
            }
        }
    }

    void links() {
        for (const auto& [path, text] : held_.links) {
            if (table_.base_of(path, true).first != MountTable::Base::Bound && parent_path(path) != "/") {
                table_.step({MountStep::Kind::Symlink, text, path, false, false, "on the way to a rule's path"});
            }
        }
    }

    // The directories that lead to mount points in what is hidden.
    void ways() {
        std::set<std::string> targets;
        for (const auto& [path, bind] : table_.binds) {
            targets.insert(path);
        }
        for (const auto& [path, why] : table_.private_directories) {
            targets.insert(path);
            const auto [base, at] = table_.base_of(path, false);
            if (base == MountTable::Base::Bound && !look_at(path)) {
                view_.make_directories.push_back(path);
            }
        }
        for (const auto& [path, step] : table_.steps) {
            targets.insert(path);
        }
        const bool stay = table_.base_of(command_.directory, true).first == MountTable::Base::Bound;
        if (!stay) {
            targets.insert(command_.directory + "/.");
        }
        for (const std::string& target : targets) {
            for (std::string at(parent_path(target)); at != "/"; at = std::string(parent_path(at))) {
                if (table_.base_of(at, true).first != MountTable::Base::Bound && !table_.steps.contains(at) &&
                    !table_.private_directories.contains(at)) {
                    table_.step({MountStep::Kind::Directory, "", at, false, false, "leads to what rules name"});
                }
            }
        }
    }

    MountView finish() {
        view_.steps = table_.take();
        return std::move(view_);
    }

    const HeldRules& held_;
    const Policy& policy_;
    const Command& command_;
    const std::string home_;
    const std::string project_;
    MountTable table_;
    MountView view_;
    std::map<std::string, std::vector<const HeldRule*>> opened_; // directories in which names are made
};

} // namespace

result<MountView> plan_mounts(const HeldRules& held, const Policy& policy, const Command& command) {
    return View(held, policy, command).build();
}

} // namespace treadline

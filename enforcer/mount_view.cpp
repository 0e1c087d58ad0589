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
#include "enforcer/guard_scan.h"

namespace treadline {
namespace {

// Beyond this many entries beside a file that may be made or replaced, the rest stay writable and `explain`
// says so.
constexpr size_t max_kept_siblings = 512;
constexpr std::array skeleton = {"/home", "/media", "/mnt", "/root", "/run", "/srv", "/tmp"};

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

std::optional<struct stat> look(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 ? std::optional(status) : std::nullopt;
}

class View {
public:
    View(const HeldRules& held, const Policy& policy, const Command& command)
        : held_(held), policy_(policy), command_(command), home_(policy.variables().get("home")),
          project_(policy.variables().get("project")) {}

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
    struct Bind {
        bool writable = false;
        bool executable = true;
        std::string why;
    };
    enum class Base : uint8_t { Hidden, Bound, Private };

    [[nodiscard]] bool written_below(const std::string& path) const {
        return std::any_of(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
            return changes(rule) && rule.extent == Extent::Subtree && is_within(path, rule.path);
        });
    }
    [[nodiscard]] bool executed_in(const std::string& path) const {
        return std::any_of(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
            return rule.modes.has(Mode::Execute) && (is_within(rule.path, path) || covers(rule, path));
        });
    }
    // Some rule lets this or something below it be read or executed.
    [[nodiscard]] bool reached(const std::string& path) const {
        return std::any_of(held_.rules.begin(), held_.rules.end(), [&](const HeldRule& rule) {
            return is_within(rule.path, path) || covers(rule, path);
        });
    }

    void bind(const std::string& path, bool writable, const std::string& why) {
        Bind& bind = binds_[path];
        bind.writable = bind.writable || writable || written_below(path);
        // A writable place without an `x` rule is mounted noexec: nothing made in it runs, not even through
        // the dynamic loader.
        bind.executable = !bind.writable || executed_in(path);
        if (bind.why.empty()) {
            bind.why = why;
        }
    }

    void private_directories() {
        for (const PolicyEntry& entry : policy_.private_directories()) {
            // Empty at the start wherever it lies, so a link planted by an earlier run would only hide something.
            const std::string path = makeable_link(entry.pattern.path, policy_).empty()
                                         ? sys::realpath(entry.pattern.path).value_or(entry.pattern.path)
                                         : entry.pattern.path;
            private_[path] = "private: " + entry.text;
            if (held_.executable_private.contains(entry.pattern.path)) {
                executable_private_.insert(path);
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
                bind(path, changes(rule), rule.why);
            }
        }
    }

    // A rule for the whole disk: what starts hidden is bound after all.
    void everything(const HeldRule& rule) {
        for (const DirectoryEntry& entry : list_directory("/")) {
            const std::string path = "/" + entry.name;
            if (entry.directory && path != "/proc" && path != "/dev" &&
                (changes(rule) || starts_hidden(path, policy_))) {
                bind(path, changes(rule), rule.why);
            }
        }
    }

    void device(const HeldRule& rule) {
        static const std::set<std::string> own = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                                  "/dev/urandom", "/dev/tty",  "/dev/ptmx"};
        if (rule.device && !rule.directory && !own.contains(rule.path)) {
            step({MountStep::Kind::Device, rule.path, rule.path, true, false, rule.why});
        }
    }

    void project() {
        if (!project_.empty() && project_ != "/" && look(project_)) {
            bind(project_, false, "the project's names are visible");
        }
    }

    void siblings() {
        for (const auto& [directory, rules] : opened_) {
            if (written_below(directory)) {
                continue;
            }
            size_t kept = 0;
            for (const DirectoryEntry& entry : list_directory(directory)) {
                const std::string path = directory + "/" + entry.name;
                const bool written = std::any_of(rules.begin(), rules.end(), [&](const HeldRule* rule) {
                    return covers(*rule, path) && !(rule->extent == Extent::Names && entry.directory);
                });
                if (entry.symlink || written || written_below(path) || binds_.contains(path)) {
                    continue;
                }
                if (++kept > max_kept_siblings) {
                    view_.gaps.push_back("in '" + printable(directory) + "' only the first " +
                                         std::to_string(max_kept_siblings) +
                                         " other entries are kept from being changed (" + rules.front()->why +
                                         ")");
                    break;
                }
                if (reached(path)) {
                    kept_.insert(path);
                    bind(path, false, "kept as it is beside " + rules.front()->why);
                } else {
                    const auto kind =
                        entry.directory ? MountStep::Kind::MaskDirectory : MountStep::Kind::MaskFile;
                    step({kind, "", path, false, false, "no rule reaches it beside " + rules.front()->why});
                }
            }
        }
    }

    // What a path lies in when only the binds and private directories at or above it count.
    [[nodiscard]] std::pair<Base, std::string> base_of(std::string_view at, bool itself) const {
        for (bool first = true;; first = false) {
            if (!first || itself) {
                if (binds_.contains(at)) {
                    return {Base::Bound, std::string(at)};
                }
                if (private_.contains(at)) {
                    return {Base::Private, std::string(at)};
                }
            }
            if (at == "/" || hidden_in_bound_.contains(at)) {
                return {Base::Hidden, std::string(at)};
            }
            at = parent_path(at);
        }
    }

    void drop_what_is_covered() {
        for (auto bind = binds_.begin(); bind != binds_.end();) {
            const auto [base, at] = base_of(bind->first, false);
            const bool same = base == Base::Bound && binds_.at(at).writable == bind->second.writable &&
                              binds_.at(at).executable == bind->second.executable;
            bind = same ? binds_.erase(bind) : std::next(bind);
        }
    }

    void top_level() {
        for (const DirectoryEntry& entry : list_directory("/")) {
            const std::string path = "/" + entry.name;
            if (entry.symlink) {
                if (auto text = sys::readlink(path)) {
                    step({MountStep::Kind::Symlink, *text, path, false, false, "as on the host"});
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
                binds_.try_emplace(path, Bind{false, true, "the system's files; Landlock narrows them"});
            }
        }
        step({MountStep::Kind::Proc, "", "/proc", true, false, "the sandbox's own processes"});
        step({MountStep::Kind::Devices, "", "/dev", true, false, "the devices every program expects"});
        for (const char* path : skeleton) {
            if (look(path)) {
                step({MountStep::Kind::Directory, "", path, false, false, "starts empty"});
            }
        }
        for (const std::string& path :
             {std::string("/var/tmp"), home_, policy_.variables().get("login_home")}) {
            if (path.empty() || private_.contains(path) || binds_.contains(path)) {
                continue;
            }
            if (const auto [base, at] = base_of(path, true);
                base == Base::Bound && !is_within(at, path) && look(path) && !starts_hidden(at, policy_)) {
                hidden_in_bound_.insert(path);
                step({MountStep::Kind::Tmpfs, "", path, false, false, "starts empty"});
            }
        }
    }

    void guards() {
        GuardScanInput input;
        input.policy = &policy_;
        input.visible = [this](const std::string& path) { return base_of(path, true).first == Base::Bound; };
        input.writable = [this](const std::string& path) {
            const auto [base, at] = base_of(path, true);
            return base == Base::Bound && binds_.at(at).writable;
        };
        input.changes = std::any_of(binds_.begin(), binds_.end(), [](const auto& bound) { return bound.second.writable; });
        // Guards that float lie in the project and the home; what else there is above them is nobody's to search.
        const auto search = [&](const std::string& path) {
            if (std::none_of(input.roots.begin(), input.roots.end(),
                             [&](const std::string& root) { return is_within(path, root); })) {
                input.roots.push_back(path);
            }
        };
        for (const auto& bound : binds_) {
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
        view_.placeholders = std::move(scan.placeholders);
        view_.make_directories = std::move(scan.make_directories);
        view_.other_names = std::move(scan.other_names);
        view_.gaps.insert(view_.gaps.end(), scan.gaps.begin(), scan.gaps.end());
        view_.unsearched = std::move(scan.unsearched);
        view_.secrets = std::move(scan.secrets);
        decoys(scan.links);
    }

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
            const auto status = look(*target);
            if (status && (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode)) && !steps_.contains(*target) &&
                base_of(*target, true).first == Base::Hidden) {
                const auto kind = S_ISDIR(status->st_mode) ? MountStep::Kind::Directory : MountStep::Kind::Decoy;
                step({kind, "", *target, false, false, "'" + link + "' leads here"});
            }
        }
    }

    void guard(const GuardedPath& guarded) {
        if (guarded.holding == GuardedPath::Holding::Way) {
            const auto [base, at] = base_of(guarded.path, true);
            if (base == Base::Bound) {
                binds_.try_emplace(guarded.path, Bind{binds_.at(at).writable, binds_.at(at).executable, guarded.why});
            }
            return;
        }
        if (guarded.holding != GuardedPath::Holding::Mask) {
            const auto [base, at] = base_of(guarded.path, true);
            const bool pin = guarded.holding == GuardedPath::Holding::Pin;
            const bool writable = pin && base == Base::Bound && binds_.at(at).writable;
            binds_[guarded.path] = Bind{writable, !writable || binds_.at(at).executable, guarded.why};
            reopened_below(guarded);
            return;
        }
        binds_.erase(guarded.path);
        if (!guarded.directory) {
            step({MountStep::Kind::MaskFile, "", guarded.path, false, false, guarded.why});
            return;
        }
        if (reopened_below(guarded)) {
            // The mask has names in it: those that rules open.
            step({MountStep::Kind::Tmpfs, "", guarded.path, false, false, guarded.why});
            hidden_in_bound_.insert(guarded.path);
            return;
        }
        step({MountStep::Kind::MaskDirectory, "", guarded.path, false, false, guarded.why});
    }

    // A rule that names a file to be made in a sealed directory opens the directory, and what is there stays sealed.
    bool opened_for_making(const HeldRule& rule, const GuardedPath& guarded) {
        const std::string directory(parent_path(rule.path));
        if (rule.directory || !rule.modes.has(Mode::Create) || !is_within(directory, guarded.path) || look(rule.path) ||
            !look(directory) || !policy_.decide(Operation::Create, rule.path).allowed) {
            return false;
        }
        bind(directory, true, rule.why);
        for (const DirectoryEntry& entry : list_directory(directory)) {
            const std::string path = directory + "/" + entry.name;
            if (!entry.symlink && !policy_.decide(Operation::Write, path).allowed) {
                binds_.try_emplace(path, Bind{false, true, guarded.why});
            }
        }
        return true;
    }

    // Rules that name something below a guard open just that. Below a pinned directory that is writable everything is
    // open already, and a file that may be replaced must be no mount point: nothing can be renamed over one.
    bool reopened_below(const GuardedPath& guarded) {
        bool any = false;
        const auto pinned = binds_.find(guarded.path);
        const bool open = guarded.holding == GuardedPath::Holding::Pin && pinned != binds_.end() && pinned->second.writable;
        for (const HeldRule& rule : held_.rules) {
            if (rule.path == guarded.path || !is_within(rule.path, guarded.path) ||
                !policy_.decide(Operation::Read, rule.path).allowed || (!rule.directory && !look(rule.path))) {
                continue;
            }
            if (open && !rule.directory && rule.modes.has(Mode::Create)) {
                any = true;
                continue;
            }
            if (guarded.holding == GuardedPath::Holding::Mask || changes(rule)) {
                bind(rule.path, changes(rule), rule.why);
                any = true;
            }
        }
        if (guarded.holding == GuardedPath::Holding::Seal && guarded.directory) {
            for (const HeldRule& rule : held_.rules) {
                any = opened_for_making(rule, guarded) || any;
            }
        }
        if (!any) { // nothing below it may stay bound
            for (auto bind = binds_.begin(); bind != binds_.end();) {
                const bool below = bind->first != guarded.path && is_within(bind->first, guarded.path);
                bind = below ? binds_.erase(bind) : std::next(bind);
            }
        }
        return any;
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
                const auto status = look(real);
                if (status && S_ISSOCK(status->st_mode) && base_of(real, true).first == Base::Hidden) {
                    binds_[real] = Bind{false, false, "unix: " + entry.text};
                }
            }
        }
    }

    void links() {
        for (const auto& [path, text] : held_.links) {
            if (base_of(path, true).first != Base::Bound && parent_path(path) != "/") {
                step({MountStep::Kind::Symlink, text, path, false, false, "on the way to a rule's path"});
            }
        }
    }

    // The directories that lead to mount points in what is hidden.
    void ways() {
        std::set<std::string> targets;
        for (const auto& [path, bind] : binds_) {
            targets.insert(path);
        }
        for (const auto& [path, why] : private_) {
            targets.insert(path);
            const auto [base, at] = base_of(path, false);
            if (base == Base::Bound && !look(path)) {
                view_.make_directories.push_back(path);
            }
        }
        for (const auto& [path, steps] : steps_) {
            targets.insert(path);
        }
        const bool stay = base_of(command_.directory, true).first == Base::Bound;
        if (!stay) {
            targets.insert(command_.directory + "/.");
        }
        for (const std::string& target : targets) {
            for (std::string at(parent_path(target)); at != "/"; at = std::string(parent_path(at))) {
                if (base_of(at, true).first != Base::Bound && !steps_.contains(at) &&
                    !private_.contains(at)) {
                    step({MountStep::Kind::Directory, "", at, false, false, "leads to what rules name"});
                }
            }
        }
    }

    void step(MountStep step) {
        std::vector<MountStep>& at = steps_[step.target];
        if (at.empty() || step.kind != MountStep::Kind::Directory) {
            at.assign(1, std::move(step));
        }
    }

    MountView finish() {
        for (const auto& [path, why] : private_) {
            step({MountStep::Kind::Tmpfs, "", path, true, executable_private_.contains(path) || executed_in(path), why});
        }
        for (const auto& [path, bind] : binds_) {
            step({MountStep::Kind::Bind, path, path, bind.writable, bind.executable, bind.why});
        }
        for (auto& [path, steps] : steps_) {
            for (MountStep& step : steps) {
                view_.steps.push_back(std::move(step));
            }
        }
        return std::move(view_);
    }

    const HeldRules& held_;
    const Policy& policy_;
    const Command& command_;
    const std::string home_;
    const std::string project_;
    MountView view_;
    std::map<std::string, Bind, std::less<>> binds_;
    std::map<std::string, std::string, std::less<>> private_;
    std::set<std::string> executable_private_;
    std::map<std::string, std::vector<const HeldRule*>> opened_; // directories in which names are made
    std::set<std::string> kept_;
    std::set<std::string, std::less<>> hidden_in_bound_;
    std::map<std::string, std::vector<MountStep>> steps_; // by target: parents come before what lies in them
};

} // namespace

result<MountView> plan_mounts(const HeldRules& held, const Policy& policy, const Command& command) {
    return View(held, policy, command).build();
}

} // namespace treadline

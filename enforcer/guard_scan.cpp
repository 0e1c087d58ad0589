#include "enforcer/guard_scan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "enforcer/held_rules.h"
#include "enforcer/outside.h"
#include "enforcer/parent_directories.h"

namespace treadline {
namespace {

constexpr size_t max_placeholders = 512;

std::optional<struct stat> look(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 ? std::optional(status) : std::nullopt;
}

// Inside a repository git reads these names itself: empty files change nothing, but a `commondir` has to name
// a directory, and "." is the one it would be without (gitrepository-layout(5)).
// Cargo, too, fails on settings it cannot read. It reads `config` in the place of `config.toml` where both
// are there, so that one says the same.
std::optional<std::string> content_in(const std::string& path) {
    if (file_name(parent_path(path)) == ".cargo") {
        return file_name(path) == "config" ? sys::read_file(path + ".toml").value_or("") : "";
    }
    if (path.find("/.git/") == std::string::npos) {
        return std::nullopt;
    }
    return file_name(path) == "commondir" ? ".\n" : "";
}

std::string beside(const std::string& directory, const std::string& name) {
    return (directory == "/" ? "" : directory) + "/" + name;
}

constexpr size_t max_links = 256;

class Scan {
public:
    explicit Scan(const GuardScanInput& input) : in_(input), policy_(*input.policy) {
        for (const Guards::Place& place : policy_.guards().places()) {
            const std::string& text = place.floating.empty() ? place.path : place.floating;
            const std::string_view last = file_name(text);
            if (has_wildcard(last)) {
                wild_names_.emplace_back(last);
            } else {
                names_.insert(last);
            }
        }
    }

    GuardScan run() {
        fixed_places();
        deny_patterns();
        for (const std::string& root : in_.roots) {
            walk(root, [&](const std::string& path, const DirectoryEntry& entry) {
                if (may_be_guarded(entry.name)) {
                    consider(path);
                }
                if (entry.symlink && scan_.links.size() < max_links) {
                    scan_.links.push_back(path);
                }
            });
        }
        other_links();
        placeholders();
        return finish();
    }

private:
    [[nodiscard]] bool may_be_guarded(const std::string& name) const {
        return names_.contains(name) ||
               std::any_of(wild_names_.begin(), wild_names_.end(),
                           [&](const auto& glob) { return matches_glob(glob, name); });
    }

    // Why a directory cannot be listed, where the command could: it may have been made so by an earlier run, to hide
    // what is in it from this search. One that belongs to somebody else is as closed to the command.
    static int unreadable(const std::string& directory) {
        const auto opened = sys::open(directory, O_RDONLY | O_DIRECTORY);
        if (opened) {
            return 0;
        }
        const int code = opened.error().code;
        const auto status = look(directory);
        const bool foreign = code == EACCES && status && status->st_uid != ::geteuid();
        return foreign || code == ENOENT || code == ENOTDIR ? 0 : code;
    }

    // Stores of other people's files are large and hold no credentials of their own.
    enum class Stores : uint8_t { Skip, Enter };

    template <class Visit>
    void walk(const std::string& directory, const Visit& visit, Stores stores = Stores::Skip) {
        if (const int code = unreadable(directory); code != 0) {
            scan_.unsearched.push_back("'" + printable(directory) + "' cannot be searched for guarded files (" +
                                 errno_name(code) + "); make it readable, or move it out of the project");
            return;
        }
        for (const DirectoryEntry& entry : list_directory(directory)) {
            if (++entries_ > in_.max_entries) {
                if (entries_ == in_.max_entries + 1) {
                    scan_.unsearched.push_back("'" + printable(directory) +
                                         "' and what follows was not searched for credentials: more than " +
                                         std::to_string(in_.max_entries) + " files");
                }
                return;
            }
            const std::string path = beside(directory, entry.name);
            visit(path, entry);
            const bool store =
                entry.name == "node_modules" || (entry.name == "objects" && file_name(directory) == ".git");
            if (entry.directory && (!store || stores == Stores::Enter) && !masked_.contains(path)) {
                walk(path, visit, stores);
            }
        }
    }

    void add(const std::string& path, GuardedPath::Holding holding, bool directory, const std::string& why) {
        if (holding == GuardedPath::Holding::Mask) {
            masked_.insert(path);
        }
        const auto [found, inserted] = found_.try_emplace(path, GuardedPath{path, directory, holding, why});
        if (!inserted && holding < found->second.holding) {
            found->second = GuardedPath{path, directory, holding, why};
        }
    }

    // An existing path that may be a guard's own.
    void consider(const std::string& path) {
        if (!in_.visible(path)) {
            return;
        }
        const auto status = look(path);
        if (!status) {
            return;
        }
        const bool directory = S_ISDIR(status->st_mode);
        const Guard* secret = policy_.guards().find(path, false);
        if (secret != nullptr && policy_.guards().root(*secret, path) == path &&
            !policy_.decide(Operation::Read, path).allowed) {
            if (S_ISLNK(status->st_mode)) {
                return; // what it leads to is masked where that is guarded; the link gives nothing away
            }
            add(path, GuardedPath::Holding::Mask, directory, "guard: " + secret->what);
            return;
        }
        const Guard* guard = policy_.guards().find(path, true);
        if (guard == nullptr) {
            seal_worktree(path, *status);
            return;
        }
        if (guard->kind != GuardKind::Protected ||
            policy_.guards().root(*guard, path) != path || !in_.writable(std::string(parent_path(path)))) {
            return;
        }
        // What may be replaced may have any content, and must be no mount point, over which nothing can be renamed.
        if (policy_.decide(Operation::Create, path).allowed) {
            return;
        }
        if (S_ISLNK(status->st_mode)) {
            scan_.gaps.push_back("'" + printable(path) + "' (" + guard->what +
                                 ") is a symbolic link, which cannot be kept from being replaced");
            return;
        }
        const bool below_too = guard->pattern.ends_with("/**");
        const bool used = directory ? !below_too : policy_.decide(Operation::Write, path).allowed;
        add(path, used ? GuardedPath::Holding::Pin : GuardedPath::Holding::Seal, directory, "guard: " + guard->what);
    }

    // The file by which a worktree that is there finds its repository, and with it the configuration: as guarded as that.
    // New ones are git's own to make.
    void seal_worktree(const std::string& path, const struct stat& status) {
        const std::string worktrees(parent_path(parent_path(path)));
        const std::string repository(parent_path(worktrees));
        const std::string config = repository + "/config";
        if (file_name(path) != "commondir" || file_name(worktrees) != "worktrees" || file_name(repository) != ".git" ||
            !S_ISREG(status.st_mode) || !in_.writable(std::string(parent_path(path))) ||
            policy_.decide(Operation::Write, config).allowed) {
            return;
        }
        const std::string why = "guard: a worktree's repository";
        add(path, GuardedPath::Holding::Seal, false, why);
        pin_way_to(path, why);
        scan_.other_names[path] = {config, false};
    }

    // Whether anything below a glob's fixed part can be visible.
    [[nodiscard]] bool may_lie_inside(const std::string& prefix) const {
        const std::string directory = prefix.substr(0, std::max<size_t>(prefix.rfind('/'), 1));
        return in_.visible(directory) ||
               std::any_of(in_.roots.begin(), in_.roots.end(),
                           [&](const auto& root) { return is_within(root, directory); });
    }

    void fixed_places() {
        for (const Guards::Place& place : policy_.guards().places()) {
            if (!place.floating.empty()) {
                continue;
            }
            if (!place.glob) {
                consider(place.path);
                continue;
            }
            if (!may_lie_inside(place.path.substr(0, place.path.find('*')))) {
                continue;
            }
            for (const std::string& path : expand_glob(place.path).value_or(std::vector<std::string>{})) {
                consider(path);
            }
        }
    }

    void deny_patterns() {
        for (const PolicyEntry& entry : policy_.deny()) {
            std::vector<std::string> paths = {entry.pattern.path};
            if (entry.pattern.extent == Extent::Glob) {
                paths = expand_glob(entry.pattern.path).value_or(std::vector<std::string>{});
            }
            for (const std::string& path : paths) {
                const auto status = look(path);
                if (!status || !in_.visible(path)) {
                    continue;
                }
                if (S_ISLNK(status->st_mode)) {
                    scan_.gaps.push_back("'" + printable(path) + "' (deny: " + entry.text +
                                         ") is a symbolic link; deny what it leads to");
                    continue;
                }
                add(path, GuardedPath::Holding::Mask, S_ISDIR(status->st_mode), "deny: " + entry.text);
            }
        }
    }

    // Of the directories that are only kept from being written the first few thousand names are enough: editors keep
    // whole installations in theirs.
    template <class Visit>
    void look_through(const std::string& directory, const Visit& visit) {
        constexpr size_t most = 5'000;
        for (const DirectoryEntry& entry : list_directory(directory)) {
            if (++sealed_entries_ > most) {
                if (sealed_entries_ == most + 1) {
                    scan_.gaps.push_back("second names of the files from '" + printable(directory) + "' on were not looked for");
                }
                return;
            }
            const std::string path = beside(directory, entry.name);
            visit(path);
            if (entry.directory) {
                look_through(path, visit);
            }
        }
    }

    // A second name of a guarded inode is guarded. Looked for only where some guarded file has one.
    void other_links() {
        std::map<std::pair<dev_t, ino_t>, OtherName> inodes;
        const auto note = [&](const std::string& path, const std::optional<struct stat>& status, bool masked) {
            if (status && S_ISREG(status->st_mode) && status->st_nlink > 1 &&
                !policy_.decide(masked ? Operation::Read : Operation::Write, path).allowed) {
                inodes.try_emplace({status->st_dev, status->st_ino}, OtherName{path, masked});
            }
        };
        ParentDirectories parents(policy_);
        const auto note_all = [&](const std::string& path, bool masked) {
            const auto status = parents.look(path);
            if (!status || !S_ISDIR(status->st_mode)) {
                note(path, status, masked);
            } else if (masked) {
                walk(path, [&](const std::string& below, const DirectoryEntry&) { note(below, look(below), masked); });
            } else {
                look_through(path, [&](const std::string& below) { note(below, look(below), masked); });
            }
            return status.has_value();
        };
        const std::vector<std::string> secrets(masked_.begin(), masked_.end());
        for (const std::string& path : secrets) {
            note_all(path, true);
        }
        for (const Guards::Place& place : policy_.guards().places()) {
            const bool secret = policy_.guards().all()[place.guard].kind == GuardKind::Credential;
            if (place.floating.empty() && !place.glob && (secret || in_.changes) && note_all(place.path, secret) && secret) {
                scan_.secrets.push_back(place.path);
            }
        }
        for (const auto& [path, guarded] : found_) {
            if (guarded.holding == GuardedPath::Holding::Seal && in_.changes) {
                note_all(path, false);
            }
        }
        if (inodes.empty()) {
            return;
        }
        entries_ = 0; // a search of its own
        const auto hold = [&](const std::string& path, const DirectoryEntry& entry) {
            const auto status = entry.directory || entry.symlink ? std::nullopt : look(path);
            const auto guarded = status && status->st_nlink > 1 ? inodes.find({status->st_dev, status->st_ino}) : inodes.end();
            if (guarded == inodes.end() || found_.contains(path) || guarded->second.path == path) {
                return;
            }
            if (guarded->second.masked || in_.writable(std::string(parent_path(path)))) {
                add(path, guarded->second.masked ? GuardedPath::Holding::Mask : GuardedPath::Holding::Seal, false,
                    "guard: another name of " + guarded->second.path);
                scan_.other_names[path] = guarded->second;
            }
        };
        for (const std::string& root : in_.roots) {
            walk(root, hold, Stores::Enter);
        }
    }

    // Whether a name could be made in this directory; one that is missing is made, so that the command does not move one
    // of its own there with everything guarded in it. A repository's own mark is never made: its presence has a meaning.
    bool prepare_parent(const std::string& directory) {
        const auto status = look(directory);
        if (status || made_.contains(directory)) {
            return made_.contains(directory) || S_ISDIR(status->st_mode);
        }
        const std::string_view name = file_name(directory);
        const std::string above(parent_path(directory));
        if (name == ".git" || name == ".hg" || !in_.writable(above) || !prepare_parent(above)) {
            return false;
        }
        made_.insert(directory);
        scan_.make_directories.push_back(directory);
        return true;
    }

    // What leads to a guarded path must not be renamed away, lest another tree takes its place.
    void pin_way_to(const std::string& path, const std::string& why) {
        for (std::string at(parent_path(path)); at != "/" && in_.writable(std::string(parent_path(at))); at = std::string(parent_path(at))) {
            if (policy_.guards().find(at, true) == nullptr && !found_.contains(at)) {
                add(at, GuardedPath::Holding::Way, true, why);
            }
        }
    }

    [[nodiscard]] bool may_be_placed(const std::string& path) const {
        const std::string parent(parent_path(path));
        return !placed_.contains(path) && in_.visible(parent) && in_.writable(parent);
    }

    // Names that do not exist yet where a rule lets names be made.
    void place(const std::string& path, bool directory, const std::string& why) {
        if (!may_be_placed(path)) {
            return;
        }
        const Placeholder placeholder{path, directory, why, directory ? std::nullopt : content_in(path)};
        // One that is there may be another run's, or may have been left by one that was killed.
        if ((look(path) && !is_untouched_placeholder(placeholder)) || !prepare_parent(std::string(parent_path(path)))) {
            return;
        }
        if (scan_.placeholders.size() >= max_placeholders) {
            if (scan_.gaps.empty() || scan_.gaps.back().find("placeholder") == std::string::npos) {
                scan_.gaps.push_back("more than " + std::to_string(max_placeholders) +
                                     " protected names would need a placeholder");
            }
            return;
        }
        placed_.insert(path);
        scan_.placeholders.push_back(placeholder);
        add(path, GuardedPath::Holding::Seal, directory, why);
    }

    void placeholders() {
        for (const Guards::Place& place_of : policy_.guards().places()) {
            const Guard& guard = policy_.guards().all()[place_of.guard];
            const std::string& text = place_of.floating.empty() ? place_of.path : place_of.floating;
            if (guard.kind != GuardKind::Protected || place_of.glob || has_wildcard(text)) {
                continue;
            }
            std::vector<std::string> paths;
            if (place_of.floating.empty()) {
                paths.push_back(place_of.path);
            } else {
                for (const std::string& root : in_.making_roots) {
                    paths.push_back(beside(root, unescape_path(text).value_or(text)));
                }
            }
            for (const std::string& path : paths) {
                if (!may_be_placed(path)) {
                    continue;
                }
                const Guard* found = policy_.guards().find(path, true);
                if (found == nullptr || file_name(path) == ".git" ||
                    policy_.decide(Operation::Create, path).allowed) {
                    continue;
                }
                place(path, place_of.subtree, "guard: " + guard.what);
                if (found_.contains(path)) {
                    pin_way_to(path, "guard: the way to " + guard.what);
                }
            }
        }
        for (const PolicyEntry& entry : policy_.deny()) {
            if (entry.pattern.extent != Extent::Glob) {
                place(entry.pattern.path, entry.pattern.extent != Extent::Exact, "deny: " + entry.text);
            } else {
                scan_.gaps.push_back("deny: " + entry.text + " covers what exists when the run starts");
            }
        }
    }

    [[nodiscard]] bool below_mask(std::string_view path) const {
        while (path != "/") {
            path = parent_path(path);
            if (masked_.contains(path)) {
                return true;
            }
        }
        return false;
    }

    GuardScan finish() {
        for (auto& [path, guarded] : found_) {
            if (!below_mask(path)) {
                scan_.guarded.push_back(std::move(guarded));
            }
        }
        return std::move(scan_);
    }

    const GuardScanInput& in_;
    const Policy& policy_;
    GuardScan scan_;
    std::unordered_set<std::string_view> names_; // of the policy's places
    std::vector<std::string> wild_names_;
    std::map<std::string, GuardedPath> found_;
    std::set<std::string, std::less<>> masked_;
    std::set<std::string> placed_;
    std::set<std::string> made_;
    size_t entries_ = 0;
    size_t sealed_entries_ = 0;
};

} // namespace

GuardScan scan_guards(const GuardScanInput& input) {
    return Scan(input).run();
}

} // namespace treadline

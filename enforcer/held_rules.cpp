#include "enforcer/held_rules.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <dirent.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/outside.h"

namespace treadline {
namespace {

constexpr std::array own_devices = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                    "/dev/urandom", "/dev/tty",  "/dev/ptmx"};

std::optional<struct stat> look(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 ? std::optional(status) : std::nullopt;
}

// Whether a link's text has a ".." behind a name, which may itself be a link and lead back from somewhere else.
bool comes_back(const std::string& text) {
    bool named = false;
    for (const std::string_view name : split(text, '/')) {
        if (name == ".." && named) {
            return true;
        }
        named = named || (!name.empty() && name != "." && name != "..");
    }
    return false;
}

bool may_be_made(const std::string& path, const Policy& policy) {
    const Variables& variables = policy.variables();
    for (const char* name : {"project", "home", "tmp"}) {
        const std::string& root = variables.get(name);
        if (!root.empty() && root != "/" && path != root && is_within(path, root)) {
            return true;
        }
    }
    return false;
}

// Of a missing path: the deepest ancestor that exists, resolved, and the rest behind it.
std::string resolve_missing(const std::string& path) {
    std::string at = path;
    std::string rest;
    while (at != "/") {
        if (auto real = sys::realpath(at)) {
            return *real == "/" ? rest : *real + rest;
        }
        rest = "/" + std::string(file_name(at)) + rest;
        at = std::string(parent_path(at));
    }
    return rest.empty() ? "/" : rest;
}

class Holder {
public:
    explicit Holder(const Policy& policy) : policy_(policy) {
        for (const PolicyRule& rule : policy.files()) {
            if (rule.pattern.extent == Extent::Subtree && rule.modes.has(Mode::Create)) {
                filled_.push_back(rule.pattern.path);
            }
        }
    }

    result<ok> hold(const PolicyRule& rule) {
        const Pattern& pattern = rule.pattern;
        if (rule.modes == Modes(Mode::Execute) && pattern.extent == Extent::Subtree &&
            std::any_of(policy_.private_directories().begin(), policy_.private_directories().end(),
                        [&](const PolicyEntry& entry) { return entry.pattern.path == pattern.path; })) {
            held_.executable_private.insert(pattern.path);
            return ok{};
        }
        if (is_within(pattern.path, "/proc")) {
            hold_proc(rule);
            return ok{};
        }
        if (is_within(pattern.path, "/dev")) {
            hold_device(rule);
            return ok{};
        }
        if (pattern.extent == Extent::Glob) {
            if (within_tree(rule)) {
                return ok{};
            }
            const std::vector<std::string> paths = TRY(expand_glob(pattern.path));
            if (paths.empty()) {
                note(rule, "names nothing that exists now; `*` is expanded when a run starts");
            }
            for (const std::string& path : paths) {
                hold_path(rule, path, Extent::Exact);
            }
            return ok{};
        }
        hold_path(rule, pattern.path, pattern.extent);
        return ok{};
    }

    HeldRules take() {
        std::sort(held_.rules.begin(), held_.rules.end(), [](const HeldRule& a, const HeldRule& b) {
            return std::tie(a.path, a.extent) < std::tie(b.path, b.extent);
        });
        return std::move(held_);
    }

private:
    // A glob opens no guard (policy.h), so it adds nothing to a rule for the whole tree it lies in.
    [[nodiscard]] bool within_tree(const PolicyRule& glob) const {
        return std::any_of(policy_.files().begin(), policy_.files().end(), [&](const PolicyRule& tree) {
            return tree.pattern.extent == Extent::Subtree && tree.modes.covers(glob.modes) && tree.pattern.covers(glob.pattern);
        });
    }

    void note(const PolicyRule& rule, std::string text) { held_.notes[rule.text] = std::move(text); }

    // A program that the command makes or replaces itself, where a wider rule lets it: Landlock can let it run only with
    // its directory. Nothing is gained there by running another: the command decides what is in this one.
    bool hold_made_program(const PolicyRule& rule, const std::string& path, Extent extent) {
        const bool fills = std::any_of(filled_.begin(), filled_.end(),
                                       [&](const std::string& tree) { return path != tree && is_within(path, tree); });
        if (!fills || extent != Extent::Exact || !rule.modes.has(Mode::Execute)) {
            return false;
        }
        HeldRule program{path, extent, rule.modes | Mode::Create, false, false, rule.text};
        const auto directory = look(std::string(parent_path(path)));
        if (!directory || !S_ISDIR(directory->st_mode) || !creates_beside(program, policy_) ||
            !policy_.decide(Operation::Create, path).allowed) {
            return false;
        }
        note(rule, "a program that races the supervisor can run others in the same directory, too");
        held_.rules.push_back(std::move(program));
        return true;
    }

    void add(const PolicyRule& rule, std::string path, Extent extent, bool directory, bool device = false) {
        held_.rules.push_back({std::move(path), extent, rule.modes, directory, device, rule.text});
    }

    // The sandbox's /proc is not the host's: only what does not depend on processes can be named in advance.
    void hold_proc(const PolicyRule& rule) {
        if (rule.pattern.path == "/proc") {
            add(rule, "/proc", rule.pattern.extent, true);
            return;
        }
        const std::string_view first = path_components(rule.pattern.path)[1];
        const bool of_process = first.find_first_not_of("0123456789") == std::string_view::npos ||
                                first == "self" || first == "thread-self" ||
                                rule.pattern.extent == Extent::Glob;
        // Not for root, who could write the kernel's settings in it.
        const bool own = first == "self" && rule.pattern.extent != Extent::Glob && policy_.variables().get("uid") != "0";
        if (own && rule.modes.has(Mode::Write)) {
            held_.rules.push_back({"/proc", Extent::Subtree, Modes(Mode::Write), true, false, rule.text});
            note(rule, "a program that races the supervisor can write other files of the command's processes, too");
            return;
        }
        const auto status = look(rule.pattern.path);
        if (of_process || !status || S_ISLNK(status->st_mode)) {
            note(rule, "not held: files of processes cannot be named before the processes exist");
            return;
        }
        add(rule, rule.pattern.path, rule.pattern.extent, S_ISDIR(status->st_mode));
    }

    void hold_device(const PolicyRule& rule) {
        const std::string& path = rule.pattern.path;
        if (path == "/dev/pts" || path == "/dev/shm" || path == "/dev") {
            add(rule, path, rule.pattern.extent, true, path != "/dev/shm");
            return;
        }
        const bool own = std::find(own_devices.begin(), own_devices.end(), path) != own_devices.end();
        const auto status = look(path);
        if (own || (status && S_ISCHR(status->st_mode))) {
            add(rule, path, Extent::Exact, false, true);
            return;
        }
        if (!is_within(path, "/dev/shm") && !is_within(path, "/dev/pts")) {
            note(rule, "not held: the sandbox's /dev has no such device");
        }
    }

    // Where a path leads, and what is there.
    struct Resolved {
        std::string path;
        struct stat status {};
    };

    // realpath, with the directories that many rules share looked at once.
    std::optional<Resolved> resolve(const std::string& path, int links = 0) {
        constexpr int most_links = 40; // as the kernel's own limit
        const auto status = look(path);
        if (!status || path == "/") {
            return status ? std::optional(Resolved{path, *status}) : std::nullopt;
        }
        const std::string parent(parent_path(path));
        const auto [known, fresh] = resolved_parents_.try_emplace(parent);
        if (fresh) {
            known->second = sys::realpath(parent).value_or("");
        }
        if (known->second.empty()) {
            return std::nullopt;
        }
        if (!S_ISLNK(status->st_mode)) {
            return Resolved{(known->second == "/" ? "" : known->second) + "/" + std::string(file_name(path)), *status};
        }
        const auto text = sys::readlink(path);
        if (text && links < most_links && !comes_back(*text)) {
            return resolve(join_path(known->second, *text), links + 1);
        }
        const auto real = sys::realpath(path);
        const auto there = real ? look(*real) : std::nullopt;
        return there ? std::optional(Resolved{*real, *there}) : std::nullopt;
    }

    // Every symbolic link met on the way, so that the path as written also leads there inside.
    void collect_links(const std::string& path, int depth = 0) {
        const auto parent = resolved_parents_.find(std::string(parent_path(path)));
        const bool straight = parent != resolved_parents_.end() && parent->first != "/" && parent->second == parent->first;
        std::string at = straight ? parent->first : "";
        for (const std::string_view name : path_components(std::string_view(path).substr(at.size()))) {
            at += "/" + std::string(name);
            const auto status = look(at);
            if (!status || !S_ISLNK(status->st_mode)) {
                continue;
            }
            const auto text = sys::readlink(at);
            if (!text || depth > 8) {
                return;
            }
            held_.links[at] = *text;
            const std::string rest = path.substr(at.size());
            collect_links(join_path(parent_path(at), *text) + rest, depth + 1);
            return;
        }
    }

    void hold_path(const PolicyRule& rule, const std::string& written, Extent extent) {
        auto resolved = resolve(written);
        if (!resolved) {
            hold_missing(rule, written, extent);
            return;
        }
        auto& [real, status] = *resolved;
        if (real != written) {
            if (const std::string link = makeable_link(written, policy_); !link.empty()) {
                note(rule, "not held: '" + link + "' is a symbolic link that the command may have made");
                return;
            }
            held_.aliases[real] = written;
            collect_links(written);
        }
        const bool directory = S_ISDIR(status.st_mode);
        if (directory && extent != Extent::Exact && rule.modes.has(Mode::Create) && is_made_directory(status)) {
            held_.make_directories.push_back(real); // another run's, which may be gone when this one starts
        }
        if (!directory && extent != Extent::Exact) {
            note(rule, "is no directory; held as the file itself");
            extent = Extent::Exact;
        }
        if (S_ISREG(status.st_mode) && !rule.modes.has(Mode::Create) && hold_made_program(rule, real, extent)) {
            return;
        }
        add(rule, std::move(real), extent, directory, S_ISCHR(status.st_mode));
    }

    // Whether the command may make all that is missing on the way to a directory, and the directory, beginning right in `top`.
    [[nodiscard]] bool way_may_be_made(const std::string& top, const std::string& directory) const {
        std::string at = directory;
        while (!look(at) && policy_.decide(Operation::Create, at).allowed) {
            at = std::string(parent_path(at));
        }
        return at == top;
    }

    // The rule around a missing directory that grants all that `rule` does: the command makes the directory itself, and a
    // clone, a worktree or a submodule finds its place empty. For `dir/`, too, Landlock can only grant what lies below.
    [[nodiscard]] const PolicyRule* made_inside(const PolicyRule& rule, const std::string& directory) const {
        for (const PolicyRule& other : policy_.files()) {
            const Pattern& tree = other.pattern;
            const bool around = tree.extent == Extent::Subtree || (tree.extent == Extent::Names && way_may_be_made(tree.path, directory));
            if (around && tree.path != directory && is_within(directory, tree.path) &&
                other.modes.has(Mode::Create) && other.modes.covers(rule.modes)) {
                return &other;
            }
        }
        return nullptr;
    }

    void hold_missing(const PolicyRule& rule, const std::string& written, Extent extent) {
        const std::string path = resolve_missing(written);
        if (!rule.modes.has(Mode::Create) && !rule.modes.has(Mode::Execute)) {
            note(rule, "does not exist");
            return;
        }
        if (const std::string link = makeable_link(written, policy_); !link.empty()) {
            note(rule, "not held: '" + link + "' is a symbolic link that the command may have made");
            return;
        }
        if (!rule.modes.has(Mode::Create)) {
            if (!hold_made_program(rule, path, extent)) {
                note(rule, "does not exist");
            }
            return;
        }
        const std::string& project = policy_.variables().get("project"); // the host's, wherever it lies
        for (const PolicyEntry& entry : policy_.private_directories()) {
            if ((project.empty() || !is_within(path, project)) && is_within(path, entry.pattern.path) && entry.pattern.path == policy_.variables().get("tmp")) {
                return; // the private directory grants it already
            }
        }
        const std::string directory = extent == Extent::Exact ? std::string(parent_path(path)) : path;
        const auto status = look(directory);
        if (!status) {
            if (!may_be_made(directory, policy_)) {
                note(rule, "does not exist, and is made only below ${project}, ${home} and ${tmp}");
                return;
            }
            // A guard's own folder (a new repository's hooks) is made by the command, below a rule that lets it.
            if (policy_.guards().find(directory, true) != nullptr) {
                note(rule, "does not exist; held by the rule for the directory the command makes it in");
                return;
            }
            if (const PolicyRule* above = made_inside(rule, directory); above != nullptr) {
                note(rule, "does not exist; held by " + above->text + " when the command makes it");
                return;
            }
            held_.make_directories.push_back(directory);
        } else if (!S_ISDIR(status->st_mode)) {
            note(rule, "'" + directory + "' is no directory");
            return;
        }
        const HeldRule file{path, extent, rule.modes, extent != Extent::Exact, false, rule.text};
        if (extent == Extent::Exact && !creates_beside(file, policy_)) {
            note(rule, "does not exist, and its directory is not opened for making it");
            return;
        }
        held_.rules.push_back(file);
    }

    const Policy& policy_;
    HeldRules held_;
    std::vector<std::string> filled_; // trees in which the command makes what it likes
    std::map<std::string, std::string> resolved_parents_;
};

} // namespace

std::vector<DirectoryEntry> list_directory(const std::string& path) {
    std::vector<DirectoryEntry> entries;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    while (directory != nullptr) {
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr) {
            break;
        }
        const std::string name = static_cast<const char*>(entry->d_name);
        if (name == "." || name == "..") {
            continue;
        }
        bool is_directory = entry->d_type == DT_DIR;
        bool is_link = entry->d_type == DT_LNK;
        if (entry->d_type == DT_UNKNOWN) {
            const auto status = look(path + "/" + name);
            is_directory = status && S_ISDIR(status->st_mode);
            is_link = status && S_ISLNK(status->st_mode);
        }
        entries.push_back({name, is_directory, is_link});
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return entries;
}

std::string makeable_link(const std::string& path, const Policy& policy) {
    constexpr int most_links = 40; // as the kernel's own limit
    std::string rest = path;
    for (int followed = 0; followed <= most_links; ++followed) {
        std::string at;
        bool met = false;
        for (const std::string_view name : path_components(rest)) {
            at += "/" + std::string(name);
            const auto status = look(at);
            if (!status || !S_ISLNK(status->st_mode)) {
                continue;
            }
            const auto text = sys::readlink(at);
            if (!text || policy.decide(Operation::Create, at).allowed) {
                return at;
            }
            rest = join_path(join_path(parent_path(at), *text), "." + rest.substr(at.size()));
            met = true;
            break;
        }
        if (!met) {
            return "";
        }
    }
    return path; // a loop: nobody's honest path
}

result<std::vector<std::string>> expand_glob(const std::string& pattern, size_t limit) {
    struct Found {
        std::string path;
        bool may_hold_more = true; // no plain file
    };
    std::vector<Found> found = {{}};
    for (const std::string_view part : path_components(pattern)) {
        std::vector<Found> next;
        for (const auto& [path, may_hold_more] : found) {
            if (!may_hold_more) {
                continue;
            }
            if (!has_wildcard(part)) {
                std::string candidate = path + "/" + unescape_path(part).value_or(std::string(part));
                if (look(candidate)) {
                    next.push_back({std::move(candidate)});
                }
                continue;
            }
            for (const DirectoryEntry& entry : list_directory(path.empty() ? "/" : path)) {
                if (matches_glob(part, entry.name)) {
                    next.push_back({path + "/" + entry.name, entry.directory || entry.symlink});
                }
            }
        }
        if (next.size() > limit) {
            return fail("'" + pattern + "' matches more than " + std::to_string(limit) +
                        " names; name the directory instead");
        }
        found = std::move(next);
    }
    std::vector<std::string> paths;
    paths.reserve(found.size());
    for (Found& one : found) {
        paths.push_back(std::move(one.path));
    }
    return paths;
}

bool starts_hidden(const std::string& path, const Policy& policy) {
    constexpr std::array system = {"usr",  "etc", "opt",  "var", "sys",   "nix",    "gnu",  "snap",
                                   "boot", "bin", "sbin", "lib", "lib32", "libx32", "lib64"};
    if (is_within(path, "/var/tmp") || is_within(path, policy.variables().get("home"))) {
        return true;
    }
    const auto names = path_components(path);
    return names.empty() || std::find(system.begin(), system.end(), names[0]) == system.end();
}

bool creates_beside(const HeldRule& rule, const Policy& policy) {
    const std::string parent(parent_path(rule.path));
    const std::string& project = policy.variables().get("project");
    if (parent != policy.variables().get("home") && !project.empty() && is_within(parent, project)) {
        return true;
    }
    return parent != "/" && parent_path(parent) != "/" && parent != "/var/tmp" &&
           parent != policy.variables().get("home");
}

result<HeldRules> hold_rules(const Policy& policy) {
    Holder holder(policy);
    for (const PolicyRule& rule : policy.files()) {
        TRY(holder.hold(rule));
    }
    return holder.take();
}

} // namespace treadline

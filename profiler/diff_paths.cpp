// The part of diff() about paths: files, private directories, `deny` and sockets.
#include <algorithm>
#include <map>

#include "profiler/containment.h"
#include "profiler/diff.h"
#include "profiler/rule_text.h"

namespace treadline {
namespace {

constexpr const char* only_own_there = "the host's own files; private in the other profile";
constexpr const char* host_there = "private where the other profile has the host's own files";

class PathComparison {
public:
    PathComparison(const Policy& here, const Policy& there)
        : here_(here), there_(there), granted_here_(here), granted_there_(there),
          there_alone_(there.grants_alone(Policy::GuardsCount::Yes)), representatives_({&here, &there}),
          lost_(here.files().size()) {}

    std::vector<DiffEntry> run() {
        collect();
        for (const auto& [path, asked] : asked_) {
            judge(path, asked);
        }
        for (const auto& [path, modes] : unowned_) {
            attribute(path, modes);
        }
        return entries();
    }

private:
    struct Asked {
        bool any = false;
        std::vector<size_t> owners; // rules of `here` it stands for, by index
    };
    struct Lost {
        Modes modes;
        bool private_there = false;
    };

    void collect() {
        for (size_t i = 0; i < here_.files().size(); ++i) {
            const PolicyRule& rule = here_.files()[i];
            if (const auto paths = representatives_.of(rule.pattern)) {
                for (const auto& path : *paths) {
                    ask(path).owners.push_back(i);
                }
            } else if (!granted_there_.granted_throughout(rule.pattern).covers(rule.modes)) {
                lost_[i].modes = rule.modes;
            }
        }
        for (const Policy* policy : {&here_, &there_}) {
            for (const PolicyEntry& directory : policy->private_directories()) {
                const auto paths = representatives_.of(directory.pattern);
                if (!paths && policy == &here_) {
                    lost_private_[directory.text] = &directory;
                }
                for (const auto& path : paths.value_or(std::vector<Representatives::Path>{})) {
                    ask(path);
                }
            }
        }
        // What `there` names inside a directory that is private here is the host's there.
        for (const PolicyRule& rule : there_.files()) {
            for (const auto& path :
                 representatives_.of(rule.pattern).value_or(std::vector<Representatives::Path>{})) {
                ask(path);
            }
        }
    }

    Asked& ask(const Representatives::Path& path) {
        Asked& asked = asked_[path.path];
        asked.any = asked.any || path.any;
        return asked;
    }

    void judge(const std::string& path, const Asked& asked) {
        if (here_.denying(path) != nullptr) {
            return;
        }
        lose(path, asked, granted_here_.granted(path), granted_there_.granted(path));
        if (asked.any) {
            // Guards refuse the same in both; what lies beside them is told by what the rules reach.
            lose(path, asked, granted_here_.reach(path), granted_there_.reach(path));
        }
    }

    void lose(const std::string& path, const Asked& asked, const Grants& here, const Grants& there) {
        const Modes host = here.host.without(there.host);
        const Modes own = here.own.without(there.any());
        Modes left = host | own;
        for (const size_t owner : asked.owners) {
            const PolicyRule& rule = here_.files()[owner];
            const Modes modes = rule.modes.without(rule.modes.without(host | own));
            lost_[owner].modes |= modes;
            lost_[owner].private_there = lost_[owner].private_there || (!modes.empty() && !there.own.empty());
            left = left.without(modes);
        }
        if (!left.empty()) {
            unowned_.emplace_back(path, left);
        }
    }

    // To the rules that grant it, where none of them is reported for it yet, or to the private directory.
    void attribute(const std::string& path, Modes modes) {
        std::vector<size_t> granting;
        for (size_t i = 0; i < here_.files().size(); ++i) {
            const PolicyRule& rule = here_.files()[i];
            const Modes both = rule.modes.without(rule.modes.without(modes));
            if (rule.pattern.matches(path) && !both.empty()) {
                granting.push_back(i);
                modes = modes.without(lost_[i].modes);
            }
        }
        for (const size_t i : granting) {
            const Modes rest = here_.files()[i].modes.without(here_.files()[i].modes.without(modes));
            lost_[i].modes |= rest;
            modes = modes.without(rest);
        }
        if (modes.empty()) {
            return;
        }
        for (const PolicyEntry& directory : here_.private_directories()) {
            if (directory.pattern.matches(path)) {
                lost_private_[directory.text] = &directory;
            }
        }
    }

    [[nodiscard]] std::vector<DiffEntry> entries() const {
        std::vector<DiffEntry> entries;
        for (size_t i = 0; i < lost_.size(); ++i) {
            const PolicyRule& rule = here_.files()[i];
            if (!lost_[i].modes.empty()) {
                entries.push_back({"files", shown(rule.text, rule.origin), to_string(lost_[i].modes),
                                   lost_[i].private_there ? only_own_there : ""});
            }
        }
        for (const auto& [text, directory] : lost_private_) {
            const bool both = there_.in_private(directory->pattern.path);
            entries.push_back({"private", shown(text, directory->origin), "", both ? host_there : ""});
        }
        for (const PolicyEntry& refused : there_.deny()) {
            if (!granted_here_.denied_throughout(refused.pattern)) {
                entries.push_back({"deny", shown(refused.text, refused.origin), ""});
            }
        }
        for (const PolicyEntry& socket : here_.unix_sockets()) {
            if (!has_socket(socket)) {
                entries.push_back({"unix", shown(socket.text, socket.origin), ""});
            }
        }
        return entries;
    }

    // A socket in a private directory is the command's own; one that a rule names is the host's.
    [[nodiscard]] bool has_socket(const PolicyEntry& socket) const {
        const auto paths = representatives_.of(socket.pattern);
        return paths && std::all_of(paths->begin(), paths->end(), [&](const Representatives::Path& path) {
                   const auto& rules = there_.unix_sockets();
                   const bool named = std::any_of(rules.begin(), rules.end(), [&](const PolicyEntry& rule) {
                       return rule.pattern.matches(path.path);
                   });
                   return (named && opened_alike(path.path)) || here_.denying(path.path) != nullptr;
               });
    }
    [[nodiscard]] bool opened_alike(const std::string& path) const {
        return !here_.decide(Operation::UnixConnect, path).allowed ||
               there_alone_.decide(Operation::UnixConnect, path).allowed;
    }

    const Policy& here_;
    const Policy& there_;
    Containment granted_here_;
    Containment granted_there_;
    Policy there_alone_;
    Representatives representatives_;
    std::map<std::string, Asked> asked_;
    std::vector<Lost> lost_; // by rule of `here`
    std::map<std::string, const PolicyEntry*> lost_private_;
    std::vector<std::pair<std::string, Modes>> unowned_;
};

} // namespace

std::vector<DiffEntry> paths_only_in(const Policy& here, const Policy& there) {
    return PathComparison(here, there).run();
}

} // namespace treadline

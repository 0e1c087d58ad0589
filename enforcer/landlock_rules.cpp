#include "enforcer/landlock_rules.h"

#include <map>
#include <string>
#include <string_view>

#include "base/path.h"
#include "base/syscalls.h"
#include "enforcer/landlock_ruleset.h"

namespace treadline {
namespace {

class Rights {
public:
    explicit Rights(int abi) : abi_(abi) {}

    void grant(const std::string& path, Modes modes, LandlockObject object, const std::string& why) {
        grant(path, landlock_rights(modes, object, abi_), why);
    }

    void grant(const std::string& path, uint64_t rights, const std::string& why) {
        if (rights == 0) {
            return;
        }
        LandlockRule& rule = rules_[path];
        rule.path = path;
        rule.rights |= rights & landlock_handled_fs(abi_);
        if (rule.why.empty()) {
            rule.why = why;
        }
    }

    [[nodiscard]] std::vector<LandlockRule> needed() const {
        std::vector<LandlockRule> out;
        for (const auto& [path, rule] : rules_) {
            uint64_t above = 0;
            for (std::string_view at = path; at != "/";) {
                at = parent_path(at);
                const auto found = rules_.find(at);
                above |= found != rules_.end() ? found->second.rights : 0;
            }
            if ((rule.rights & ~above) != 0) {
                out.push_back(rule);
            }
        }
        return out;
    }

private:
    int abi_;
    std::map<std::string, LandlockRule, std::less<>> rules_;
};

void grant_names(Rights& rights, const HeldRule& rule, const Policy& policy) {
    if (rule.modes.has(Mode::Create)) {
        // Making and removing names is a right Landlock has only with everything below.
        rights.grant(rule.path, rule.modes, LandlockObject::Directory, rule.why);
        return;
    }
    rights.grant(rule.path, rule.modes, LandlockObject::DirectoryOnly, rule.why);
    for (const DirectoryEntry& entry : list_directory(rule.path)) {
        const std::string path = (rule.path == "/" ? "" : rule.path) + "/" + entry.name;
        if (entry.directory || entry.symlink) {
            continue;
        }
        Modes modes;
        for (const auto& [mode, operation] : {std::pair{Mode::Read, Operation::Read},
                                              {Mode::Write, Operation::Write},
                                              {Mode::Execute, Operation::Execute}}) {
            if (rule.modes.has(mode) && policy.decide(operation, path).allowed) {
                modes |= mode;
            }
        }
        rights.grant(path, modes, LandlockObject::File, rule.why);
    }
}

// Those of servers outside: what the command binds itself is of the same domain, and needs no right.
void grant_sockets(Rights& rights, const Policy& policy) {
    for (const PolicyEntry& entry : policy.unix_sockets()) {
        std::vector<std::string> paths = {entry.pattern.path};
        if (entry.pattern.extent == Extent::Glob) {
            paths = expand_glob(entry.pattern.path).value_or(std::vector<std::string>{});
        }
        for (const std::string& path : paths) {
            if (!path.starts_with('/')) { // an abstract name
                continue;
            }
            const auto real = sys::realpath(is_bound_later(entry) ? std::string(parent_path(path)) : path);
            if (real) {
                rights.grant(*real, landlock::resolve_unix, "unix: " + entry.text);
            }
        }
    }
}

} // namespace

bool is_bound_later(const PolicyEntry& socket) {
    const Pattern& at = socket.pattern;
    return at.path.starts_with('/') && at.extent == Extent::Exact && !sys::realpath(at.path);
}

std::vector<LandlockRule> landlock_rules(const HeldRules& held, const Policy& policy, int abi, PrivateDirectories directories) {
    Rights rights(abi);
    for (const HeldRule& rule : held.rules) {
        if (rule.extent == Extent::Names && rule.directory) {
            grant_names(rights, rule, policy);
            continue;
        }
        if (rule.directory) {
            const LandlockObject object =
                rule.extent == Extent::Subtree ? LandlockObject::Directory : LandlockObject::DirectoryOnly;
            rights.grant(rule.path, rule.modes, object, rule.why);
            if (rule.device) { // /dev/pts: terminals are made while the run lasts
                rights.grant(rule.path, landlock::ioctl_dev, rule.why);
            }
            continue;
        }
        rights.grant(rule.path, rule.modes, rule.device ? LandlockObject::Device : LandlockObject::File,
                     rule.why);
        if (rule.modes.has(Mode::Create) && creates_beside(rule, policy)) {
            // A file that does not exist yet, or is replaced by renaming over it, has only its directory's
            // rights.
            rights.grant(std::string(parent_path(rule.path)), rule.modes, LandlockObject::Directory,
                         rule.why);
        }
    }
    for (const PolicyEntry& entry : policy.private_directories()) {
        if (directories == PrivateDirectories::Withhold) {
            break;
        }
        Modes modes = Modes(Mode::Read) | Mode::Write | Mode::Create;
        if (held.executable_private.contains(entry.pattern.path)) {
            modes |= Mode::Execute;
        }
        rights.grant(entry.pattern.path, modes, LandlockObject::Directory, "private: " + entry.text);
    }
    grant_sockets(rights, policy);
    return rights.needed();
}

} // namespace treadline

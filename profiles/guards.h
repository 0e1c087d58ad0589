// Paths no wide rule may reach: the credentials catalogue (any access) and the protected set (write, create).
//
// A guard is opened only by a rule that names it: see policy.h. The catalogues are data
// (profiles/catalogue/credentials.yaml, protected.yaml), each entry with its source; they are compiled in, so
// that no file can be swapped to weaken them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiles/variables.h"

namespace treadline {

enum class GuardKind : uint8_t {
    Credential, // reading it gives somebody's access away
    Protected,  // writing it makes code run later, outside the sandbox
};

struct Guard {
    GuardKind kind = GuardKind::Credential;
    std::string pattern; // "${home}/.ssh/**", or "**/.env": in any directory
    std::string what;    // "SSH keys and configuration"
    std::string source;  // the manual page or document that names the file
};

class Guards {
public:
    Guards() = default;
    // The shipped catalogues, expanded for one user.
    explicit Guards(const Variables& variables);

    // The guard a path falls under, if any. Protected guards count only where `writing`.
    [[nodiscard]] const Guard* find(std::string_view absolute_path, bool writing) const;

    // The guard's own path in this path: for ~/.ssh/keys/id under "${home}/.ssh/**" it is ~/.ssh. What a rule must
    // name, or name something below, to open it.
    [[nodiscard]] std::string root(const Guard& guard, std::string_view absolute_path) const;

    [[nodiscard]] const std::vector<Guard>& all() const { return guards_; }

    // Where a guard can lie, for masks: guards with a fixed place give that path, `**/name` guards give name.
    struct Place {
        size_t guard = 0;     // index into all()
        std::string path;     // absolute; "" for a floating guard
        std::string floating; // "name" or "dir/name"; "" for a fixed one. May hold a `*`.
        bool subtree = false; // everything below, too
    };
    [[nodiscard]] const std::vector<Place>& places() const { return places_; }

private:
    std::vector<Guard> guards_;
    std::vector<Place> places_;
};

} // namespace treadline

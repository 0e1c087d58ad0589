// Paths no wide rule may reach: the credentials catalogue (any access) and the protected set (write, create).
//
// A guard is opened only by a rule that names it: see policy.h. The catalogues are data
// (profiles/catalogue/credentials.yaml, protected.yaml), each entry with its source; they are compiled in, so
// that no file can be swapped to weaken them.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "profiles/variables.h"

namespace treadline {

enum class GuardKind : uint8_t {
    Credential, // reading it gives somebody's access away
    Protected,  // writing it makes code run later, outside the sandbox
};

struct Guard {
    GuardKind kind = GuardKind::Credential;
    std::string
        pattern;      // as in the catalogue: "${home}/.ssh/**", or "**/.env": in any directory below `within`
    std::string what; // "SSH keys and configuration"
    std::string source;  // the manual page or document that names the file
    bool closed = false; // no rule opens it: Treadline's own files
};

class Guards {
public:
    Guards() = default;
    // The shipped catalogues, expanded for one user.
    explicit Guards(const Variables& variables);

    // The guard a path falls under, if any. Protected guards count only where `writing`. The pointer lives as
    // long as this object and its copies' source: compare or print it, do not keep it.
    [[nodiscard]] const Guard* find(std::string_view absolute_path, bool writing) const;

    // For who walks a tree: whether, because of its last name, this path or one below it may fall under a
    // guard. What lies where no name on the way says yes falls under none; find() need not be asked.
    // may_name() is the quick half, for the name alone.
    [[nodiscard]] bool may_name(std::string_view name) const;
    [[nodiscard]] bool may_reach(std::string_view absolute_path) const;

    // The guard's own path in this path: for ~/.ssh/keys/id under "${home}/.ssh/**" it is ~/.ssh. What a rule
    // must name, or name something below, to open it; what a mask has to lie over. In a walk, a path is such
    // a place exactly where find() gives a guard whose root() is the path itself.
    [[nodiscard]] std::string root(const Guard& guard, std::string_view absolute_path) const;

    [[nodiscard]] const std::vector<Guard>& all() const { return guards_; }

    // Where a guard can lie, for masks: guards with a fixed place give that path, `**/name` guards give name.
    struct Place {
        size_t guard = 0;                // index into all()
        std::string path;                // absolute; "" for a floating guard
        std::string floating;            // "name" or "dir/name"; "" for a fixed one. May hold `*` and `**`.
        bool subtree = false;            // everything below, too
        bool glob = false;               // `path` holds a `*`
        std::vector<std::string> within; // a floating guard counts only below these directories
    };
    // A place may be excepted (node_modules, for one): ask find() before masking a floating one.
    [[nodiscard]] const std::vector<Place>& places() const { return places_; }

private:
    using Paths = std::vector<std::vector<std::string>>; // as components
    // Where a guard counts: most guards of a catalogue share one.
    struct Area {
        std::vector<std::string> directories;
        Paths within; // the same; only floating guards ask
        Paths except;
    };
    struct Compiled {
        size_t guard = 0;
        std::vector<std::string> parts; // components; "**" stands for any number of them
        bool subtree = false;
        bool floating = false;
        bool fixed_length = false; // no "**" among the parts
        std::shared_ptr<const Area> area;
    };
    [[nodiscard]] bool may_name_by_wildcard(std::string_view name) const;
    void add(const std::vector<struct CatalogueEntry>& catalogue, GuardKind kind, const Variables& variables);
    void add_pattern(size_t guard, const std::string& pattern, const std::shared_ptr<const Area>& fixed, const std::shared_ptr<const Area>& floating);
    // The number of components of `path` up to the guard's root, or 0 for no match.
    [[nodiscard]] static size_t match(const Compiled& compiled, const std::vector<std::string_view>& path);

    std::vector<Guard> guards_;
    std::vector<Place> places_;
    std::vector<Compiled> compiled_;
    // Indices into compiled_ by one literal component each pattern has to meet; "" for those without one.
    struct NameHash {
        using is_transparent = void;
        size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
    };
    std::unordered_map<std::string, std::vector<size_t>, NameHash, std::equal_to<>> by_name_;
    // Of those without one, a component that each has to meet: "*.pem" by its ending, others as they are.
    std::vector<std::string> endings_;
    std::vector<std::string> wildcard_names_;
    // A look at a name's ends and length that says no to most.
    struct Glance {
        std::bitset<4096> names;   // by first byte, last byte and length
        std::bitset<4096> endings; // by the last two bytes
        std::bitset<256> begins;   // by first byte: patterns
        bool anything = false;     // some pattern shows none of these

        void add_name(std::string_view name);
        void add_ending(std::string_view ending);
        void add_pattern(std::string_view pattern);
        [[nodiscard]] bool may_name(std::string_view name) const;
    };
    Glance glance_;
};

} // namespace treadline

// Whether policies grant everything a pattern names: containment of rules, as `diff` and learning again need
// it. Computed from what decide() says of a few paths that stand for all the others.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiles/policy.h"

namespace treadline {

// What is granted at one path.
struct Grants {
    Modes host; // on what exists outside
    Modes own;  // in a private directory, on what the command made there
    [[nodiscard]] Modes any() const { return host | own; }
};

// For the patterns of a few policies: paths that stand for all that a pattern matches. A `*` is replaced by a
// name that occurs nowhere in the policies' rules, so that only a `*` or a wide rule of theirs can match it:
// a union of rules reaches the whole pattern exactly if it reaches these paths. Where private directories or
// the project lie in a pattern's reach, paths in them stand for that part.
class Representatives {
public:
    explicit Representatives(const std::vector<const Policy*>& policies);

    struct Path {
        std::string path;
        bool any = false; // stands for more than itself
    };
    // None where no such name can be made, because the rules use up all bytes there are: then nothing is
    // known.
    [[nodiscard]] std::optional<std::vector<Path>> of(const Pattern& pattern) const;

private:
    void within(const Pattern& pattern, const std::string& place, std::vector<Path>& paths) const;
    void subtree(const std::string& directory, std::vector<Path>& paths) const;

    std::string fresh_; // "" if there is none
    std::string deep_;  // "/fresh/fresh…", below the reach of every `*`
    std::vector<std::string> places_;
};

// One policy, to be asked about others' patterns. It has to outlive this.
class Containment {
public:
    explicit Containment(const Policy& policy);

    // The modes granted on the host's own files for every path the pattern matches, whatever `deny` says.
    // What a private directory grants does not count: the host's files are not in it. A wide pattern is
    // judged as if there were no guards, as they take away from any wide rule alike; what its rules open by
    // naming it counts.
    [[nodiscard]] Modes granted_throughout(const Pattern& pattern) const;
    // The same, of whatever stands there: what is in a private directory counts, too.
    [[nodiscard]] Modes usable_throughout(const Pattern& pattern) const;
    // Whether `deny` refuses everything the pattern matches.
    [[nodiscard]] bool denied_throughout(const Pattern& pattern) const;

    // At one path, whatever `deny` says. `reach`: what the rules reach, though guards refuse it there.
    [[nodiscard]] Grants granted(const std::string& path) const { return grants_at(guarded_, path); }
    [[nodiscard]] Grants reach(const std::string& path) const { return grants_at(unguarded_, path); }

private:
    static Grants grants_at(const Policy& policy, const std::string& path);
    [[nodiscard]] Modes throughout(const Pattern& pattern, bool host_only) const;

    const Policy& policy_;
    Policy guarded_;
    Policy unguarded_;
    Representatives representatives_;
};

} // namespace treadline

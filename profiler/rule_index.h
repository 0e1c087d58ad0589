// Which rules of a policy allow an access: all of them, where Policy::decide() names the one to read.
//
// For paths an index over the same patterns, so that a million accesses are asked in linear time; a test
// holds it to decide(). For everything else each rule is asked alone, in a policy that has no other.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/reduce.h"
#include "profiles/policy.h"

namespace treadline {

using RuleId = uint32_t; // index into RuleIndex::rules()

struct IndexedRule {
    Section section = Section::Files;
    std::string text; // as written: "${project}/**: r", "@file", "3000"
    Modes modes;      // Files
    Extent extent = Extent::Exact;
    Origin origin;
    bool includes(const std::string& name) const { return origin.source == "include " + name; }
};

// Whether a path lies under a guard is the dearest question about it, and one that may be answered already.
enum class GuardCheck : uint8_t { Ask, NotGuarded };

// Rules that grant. `deny`, `publish`, `set`, credentials and limits are none: no access needs them.
class RuleIndex {
public:
    explicit RuleIndex(const Policy& policy); // which has to outlive it

    [[nodiscard]] const std::vector<IndexedRule>& rules() const { return rules_; }
    [[nodiscard]] const Policy& policy() const { return policy_; }

    // Each rule that would allow it if it stood alone, by id; none exactly where decide() refuses (and for a
    // variable that is `set`). Objects as in Policy::decide(). A private directory is among them only where
    // it is private: what another rule brings into it is the host's, and no longer there without that rule.
    [[nodiscard]] std::vector<RuleId> holders(Operation operation, std::string_view object,
                                              GuardCheck check = GuardCheck::Ask) const;

private:
    struct Alone { // a rule that is not about a path, in a policy of its own
        RuleId rule;
        Policy policy;
    };
    RuleId add(IndexedRule rule);
    void add_alone(RuleId rule, const Profile& only);
    [[nodiscard]] std::vector<RuleId> file_holders(Operation operation, const std::string& path,
                                                   GuardCheck check) const;
    [[nodiscard]] std::vector<RuleId> matching(const std::string& path) const; // whatever their modes
    [[nodiscard]] bool denied(std::string_view path) const;
    void add_private(std::string_view path, const std::vector<RuleId>& matching,
                     std::vector<RuleId>& holders) const;

    const Policy& policy_;
    std::vector<IndexedRule> rules_;
    std::vector<Pattern> patterns_; // by rule, of Files and Private
    // By path and extent (Exact, Names, Subtree).
    std::array<std::map<std::string, std::vector<RuleId>, std::less<>>, 3> by_path_;
    std::vector<RuleId> globs_;
    std::vector<RuleId> privates_;
    std::vector<Alone> alone_;
    std::map<std::string, std::vector<RuleId>, std::less<>> by_call_;
};

} // namespace treadline

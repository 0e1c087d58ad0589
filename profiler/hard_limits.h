// Where no wide rule may stand, whatever it would save.
//
// Fixed places: the first level, /home, ${home} and the other folders of a user, what holds several owners'
// files, and all that lies above one of these or above ${project}. Another user's home, wholly. The directory
// of a credential that has a fixed place in the catalogue, or of a secret that was accessed or lies on the
// disk outside ${project}: neither that directory nor a tree above it. Inside ${project}, the guards of names
// (`.env`) hold below a wide rule instead.
#pragma once

#include <vector>

#include "profiler/access_set.h"
#include "profiles/guards.h"
#include "profiles/variables.h"

namespace treadline {

class HardLimits {
public:
    HardLimits(const AccessSet& set, const Variables& variables, const Guards& guards);

    // Neither `dir/` nor `dir/**` nor anything else that speaks for the whole of this place.
    [[nodiscard]] bool is_shared(PathTrie::Node node) const { return at_[node].shared; }
    [[nodiscard]] bool bars_names(PathTrie::Node node) const {
        return at_[node].shared || at_[node].others || at_[node].secret_in;
    }
    [[nodiscard]] bool bars_subtree(PathTrie::Node node) const {
        return bars_names(node) || at_[node].secret_below;
    }
    // Below /home and /root, where that is not this user's own home.
    [[nodiscard]] bool is_another_users(PathTrie::Node node) const { return at_[node].others; }

    // A secret lies directly in this directory.
    void secret_in(const PathTrie& trie, PathTrie::Node directory);
    // Or further down.
    void secret_below(const PathTrie& trie, PathTrie::Node directory);

private:
    struct Facts {
        bool shared = false;
        bool others = false;
        bool secret_in = false;
        bool secret_below = false;
    };
    void refuse_shared(const AccessSet& set, const Variables& variables);
    void refuse_other_users(const AccessSet& set);
    void refuse_above_credentials(const AccessSet& set, const Variables& variables, const Guards& guards);
    std::vector<Facts> at_; // by node
};

} // namespace treadline

// The symbolic links that the run made, so that an access which goes through one can be told: who reads by
// such a name reads what somebody else chose.
//
// By name; a link that was renamed, or lies in a directory that was, is another name and not known.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>

#include "base/path.h"

namespace treadline {

class MadeLinks {
public:
    void made(std::string_view path) { paths_.emplace(path); }
    // Whether a path as it was asked for, absolute, is one of them or lies below one.
    [[nodiscard]] bool on_the_way(std::string_view requested) const {
        if (paths_.empty() || requested.empty()) {
            return false;
        }
        const std::string normal = normalise_path(requested);
        for (std::string_view at = normal; at.size() > 1; at = parent_path(at)) {
            if (paths_.contains(std::string(at))) {
                return true;
            }
        }
        return false;
    }

private:
    std::unordered_set<std::string> paths_;
};

} // namespace treadline

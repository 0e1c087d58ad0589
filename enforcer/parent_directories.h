// What stands at the places of a policy's guards. Most lie in a few directories, and many of those are not there: the way to
// one is walked once, and of those that hold many places, as homes do, the names are read instead of asking for each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <sys/stat.h>

#include "base/unique_fd.h"
#include "profiles/policy.h"

namespace treadline {

class ParentDirectories {
public:
    explicit ParentDirectories(const Policy& policy); // which has to outlive it

    std::optional<struct stat> look(const std::string& path); // as lstat(2) does

private:
    struct Directory {
        unique_fd fd; // none: it is not there
        std::optional<std::unordered_set<std::string>> names; // where they were read
    };
    [[nodiscard]] static bool may_have(const Directory& directory, std::string_view name);
    [[nodiscard]] bool holds_many(std::string_view path) const;
    const Directory& open(std::string_view path);

    std::map<std::string_view, size_t> places_in_;
    std::map<std::string, Directory, std::less<>> directories_;
};

} // namespace treadline

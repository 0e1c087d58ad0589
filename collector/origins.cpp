#include "collector/origins.h"

#include "base/path.h"

namespace treadline {

void Origins::created(const std::string& path) {
    // One that was there, was removed and made again is still an object the run found.
    made_.try_emplace(path, true);
}

void Origins::found(const std::string& path) {
    if (!is_created(path)) {
        made_.try_emplace(path, false);
    }
}

void Origins::renamed(const std::string& from, const std::string& to) {
    made_.try_emplace(to, is_created(from));
}

bool Origins::is_created(std::string_view path) const {
    for (std::string at(path); at != "/"; at = std::string(parent_path(at))) {
        if (const auto entry = made_.find(at); entry != made_.end()) {
            return entry->second;
        }
    }
    return false;
}

} // namespace treadline

#include "collector/origins.h"

namespace treadline {
namespace {

constexpr int renames_max = 16; // names can go in circles

} // namespace

void Origins::note(uint32_t path, Origin origin) {
    if (path >= origins_.size()) {
        origins_.resize(paths_.size() + 1);
    }
    if (origins_[path] == Origin::Unknown) {
        origins_[path] = origin;
    }
}

void Origins::created(uint32_t path) {
    // One that was there, was removed and made again is still an object the run found.
    note(path, Origin::Made);
    moved_.erase(path);
}

void Origins::found(uint32_t path) {
    if (!is_created(path)) {
        note(path, Origin::Before);
    }
}

void Origins::renamed(uint32_t from, uint32_t to) {
    note(to, is_created(from) ? Origin::Made : Origin::Before);
    moved_.insert_or_assign(to, from);
}

uint32_t Origins::nearest_known(uint32_t path) const {
    while (path != 0 && (path >= origins_.size() || origins_[path] == Origin::Unknown)) {
        path = paths_.entry(path).parent;
    }
    return path;
}

bool Origins::is_created(uint32_t path) const {
    uint32_t at = nearest_known(path);
    // Through renames of the directories it lies in. What is below `path`: names that nobody used there.
    std::vector<std::string_view> below;
    for (int renames = 0; at != 0 && (at != path || !below.empty()) && renames < renames_max; ++renames) {
        const auto moved = moved_.find(at);
        if (moved == moved_.end()) {
            break;
        }
        for (; path != at; path = paths_.entry(path).parent) {
            below.push_back(paths_.entry(path).name);
        }
        for (path = moved->second; !below.empty(); below.pop_back()) {
            const uint32_t next = paths_.find_below(path, below.back());
            if (next == 0) {
                break;
            }
            path = next;
        }
        at = nearest_known(path);
    }
    return at != 0 && origins_[at] == Origin::Made;
}

} // namespace treadline

#include "collector/origins.h"

namespace treadline {

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
}

void Origins::found(uint32_t path) {
    if (!is_created(path)) {
        note(path, Origin::Before);
    }
}

void Origins::renamed(uint32_t from, uint32_t to) {
    note(to, is_created(from) ? Origin::Made : Origin::Before);
}

bool Origins::is_created(uint32_t path) const {
    for (; path != 0; path = paths_.entry(path).parent) {
        if (path < origins_.size() && origins_[path] != Origin::Unknown) {
            return origins_[path] == Origin::Made;
        }
    }
    return false;
}

} // namespace treadline

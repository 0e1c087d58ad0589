#include "collector/file_rows.h"

#include <algorithm>

namespace treadline {
namespace {

uint32_t hash_of(uint32_t process, uint32_t path, int32_t result, AccessKind access) {
    const uint64_t place = static_cast<uint64_t>(process) << 32 | path;
    const uint64_t what = static_cast<uint64_t>(result) << 8 | static_cast<uint64_t>(access);
    return mixed(place ^ what * 0x9e3779b97f4a7c15ULL);
}

} // namespace

uint32_t FileRows::find(const Key& key, uint32_t hash) const {
    return index_.find(hash, [&](uint32_t number) {
        const Key& known = keys_[number - 1];
        return known.process == key.process && known.path == key.path && known.result == key.result &&
               known.access == key.access;
    });
}

void FileRows::add(const FileRow& row) {
    const Key key{row.process, row.path, row.result, row.access};
    const uint32_t hash = hash_of(row.process, row.path, row.result, row.access);
    const uint32_t number = find(key, hash);
    if (number == 0) {
        keys_.push_back(key);
        fresh_.push_back(row);
        index_.insert(hash, static_cast<uint32_t>(keys_.size()));
        accesses_ += row.access == AccessKind::Stat ? 0 : 1;
        return;
    }
    if (number < first_new()) {
        updates_.push_back({number, row.flags, row.requested, row.count, row.first_ns, row.last_ns});
        return;
    }
    FileRow& known = fresh_[number - first_new()];
    known.flags |= row.flags;
    known.requested = known.requested != 0 ? known.requested : row.requested;
    known.count += row.count;
    known.first_ns = std::min(known.first_ns, row.first_ns);
    known.last_ns = std::max(known.last_ns, row.last_ns);
}

std::vector<bool> FileRows::used(uint32_t paths) const {
    std::vector<bool> used(paths + 1);
    for (const Key& key : keys_) {
        if (key.result == 0 && key.access != AccessKind::Stat) {
            used[key.path] = true;
        }
    }
    return used;
}

void FileRows::mark_gone(const std::vector<bool>& paths) {
    const uint32_t first_fresh = first_new();
    for (uint32_t number = 1; number <= keys_.size(); ++number) {
        const Key& key = keys_[number - 1];
        if (key.result != 0 || !paths[key.path]) {
            continue;
        }
        if (number >= first_fresh) {
            fresh_[number - first_fresh].flags |= FileGoneAtEnd;
        } else {
            updates_.push_back({number, FileGoneAtEnd, 0, 0, 0, 0});
        }
    }
}

void FileRows::set_stored() {
    fresh_.clear();
    updates_.clear();
}

} // namespace treadline

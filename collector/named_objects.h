// Hashes that stand for paths: the probes send a path's text once, and its hash with each record.
#pragma once

#include <cstdint>
#include <vector>

#include "collector/hash_index.h"

namespace treadline {

class NamedObjects {
public:
    // From now on `hash` stands for `path`, a number of the writer's.
    void name(uint64_t hash, uint32_t path) {
        if (const uint32_t known = find(hash); known != 0) {
            objects_[known - 1].path = path;
            return;
        }
        objects_.push_back({hash, path});
        index_.insert(mixed(hash), static_cast<uint32_t>(objects_.size()));
    }

    // The path that a hash stands for, 0 if its name never came.
    [[nodiscard]] uint32_t path(uint64_t hash) const {
        const uint32_t known = find(hash);
        return known == 0 ? 0 : objects_[known - 1].path;
    }

private:
    struct Object {
        uint64_t hash = 0;
        uint32_t path = 0;
    };

    [[nodiscard]] uint32_t find(uint64_t hash) const {
        return index_.find(mixed(hash), [&](uint32_t number) { return objects_[number - 1].hash == hash; });
    }

    std::vector<Object> objects_;
    HashIndex index_;
};

} // namespace treadline

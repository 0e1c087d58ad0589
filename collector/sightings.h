// What the accesses that the kernel counts became in the store, so that their counts can be added.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/events.h"
#include "collector/accesses.h"
#include "collector/hash_index.h"

namespace treadline {

struct Sighting {
    uint64_t access = 0; // tl_access_hash()
    uint64_t image = 0;
    int32_t result = 0;
    uint32_t process = 0; // its row
    uint32_t path = 0;    // 0: none
    int32_t socket = -1;  // the recorder's number of it; -1: none
    AccessKinds kinds = 0;
    bool created = false;
};

// Of a record about an access, without what it became.
template <class Fixed>
Sighting sighting_of(const Fixed& fixed) {
    Sighting sighting;
    sighting.access = tl_access_hash(fixed.header.image, fixed.object, fixed.detail, fixed.result);
    sighting.image = fixed.header.image;
    sighting.result = fixed.result;
    return sighting;
}

class Sightings {
public:
    // In place of an earlier one of the same access, which made room in the kernel's table meanwhile.
    void note(const Sighting& sighting) {
        if (const uint32_t known = number_of(sighting.access); known != 0) {
            all_[known - 1] = sighting;
            return;
        }
        all_.push_back(sighting);
        index_.insert(mixed(sighting.access), static_cast<uint32_t>(all_.size()));
    }

    // Null if there was none; until the next note().
    [[nodiscard]] const Sighting* find(uint64_t access) const {
        const uint32_t known = number_of(access);
        return known == 0 ? nullptr : &all_[known - 1];
    }

private:
    [[nodiscard]] uint32_t number_of(uint64_t access) const {
        return index_.find(mixed(access), [&](uint32_t number) { return all_[number - 1].access == access; });
    }

    std::vector<Sighting> all_;
    HashIndex index_; // by access
};

} // namespace treadline

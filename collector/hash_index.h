// Finds entries that somebody else keeps in a vector, by hash: what std::unordered_map does, without an
// allocation for each entry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace treadline {

class HashIndex { // entries are numbered from 1
public:
    // The number of the entry for which `same(number)` holds, or 0.
    template <class Same>
    [[nodiscard]] uint32_t find(uint32_t hash, Same same) const {
        if (slots_.empty()) {
            return 0;
        }
        for (size_t at = hash & mask();; at = (at + 1) & mask()) {
            const Slot& slot = slots_[at];
            if (slot.number == 0 || (slot.hash == hash && same(slot.number))) {
                return slot.number;
            }
        }
    }

    // For a number that find() did not find.
    void insert(uint32_t hash, uint32_t number) {
        if ((used_ + 1) * 8 > slots_.size() * 5) { // fuller, and chains of neighbours get long
            grow();
        }
        ++used_;
        place({hash, number});
    }

private:
    struct Slot {
        uint32_t hash = 0;
        uint32_t number = 0; // 0: free
    };

    [[nodiscard]] size_t mask() const { return slots_.size() - 1; } // the size is a power of two

    void place(Slot slot) {
        size_t at = slot.hash & mask();
        while (slots_[at].number != 0) {
            at = (at + 1) & mask();
        }
        slots_[at] = slot;
    }

    void grow() {
        std::vector<Slot> before(slots_.empty() ? 1024 : slots_.size() * 2);
        before.swap(slots_);
        for (const Slot& slot : before) {
            if (slot.number != 0) {
                place(slot);
            }
        }
    }

    std::vector<Slot> slots_;
    size_t used_ = 0;
};

// Spreads the bits of a number over all of the result (the finaliser of MurmurHash3).
inline uint32_t mixed(uint64_t value) {
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdULL;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ULL;
    return static_cast<uint32_t>(value ^ (value >> 33));
}

} // namespace treadline

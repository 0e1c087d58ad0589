// The file accesses of one run: one row for each (process, path, access, result), numbered from 1, and what
// of them the store does not have yet.
//
// Rows that are stored keep only their key here; what is added to them later is an Update.
#pragma once

#include <cstdint>
#include <vector>

#include "collector/hash_index.h"
#include "collector/trace.h"

namespace treadline {

// The bits of file_access.flags.
enum FileFlag : uint8_t {
    FileDirectory = 1,
    FileCreatedByRun = 2,
    FileGoneAtEnd = 4,
    FileWouldCreate = 8,
    FileExclusive = 16, // older stores never say so, nor what follows
    FileThroughMadeLink = 32,
};

struct FileRow {
    uint32_t process = 0;
    uint32_t path = 0;
    int32_t result = 0;
    AccessKind access = AccessKind::Read;
    uint8_t flags = 0;      // FileFlag
    uint32_t requested = 0; // a path, 0: none
    uint64_t count = 0;
    int64_t first_ns = 0;
    int64_t last_ns = 0;
};

class FileRows {
public:
    struct Update { // of an earlier row
        uint32_t number = 0;
        uint8_t flags = 0;
        uint32_t requested = 0;
        uint64_t count = 0;
        int64_t first_ns = 0; // both only if count is not 0
        int64_t last_ns = 0;
    };

    void add(const FileRow& row);
    // The paths that were used with success, not merely looked at: a bit for each of `paths` numbers.
    [[nodiscard]] std::vector<bool> used(uint32_t paths) const;
    // Every successful access to one of these paths.
    void mark_gone(const std::vector<bool>& paths);

    // What the store lacks: new rows, the first of which has the number first_new(), and updates of older
    // ones.
    [[nodiscard]] const std::vector<FileRow>& fresh() const { return fresh_; }
    [[nodiscard]] uint32_t first_new() const {
        return static_cast<uint32_t>(keys_.size() - fresh_.size()) + 1;
    }
    [[nodiscard]] const std::vector<Update>& updates() const { return updates_; }
    [[nodiscard]] bool stored() const { return fresh_.empty() && updates_.empty(); }
    void set_stored();

    [[nodiscard]] uint64_t accesses() const { return accesses_; } // rows but those of AccessKind::Stat

private:
    struct Key {
        uint32_t process = 0;
        uint32_t path = 0;
        int32_t result = 0;
        AccessKind access = AccessKind::Read;
    };

    [[nodiscard]] uint32_t find(const Key& key, uint32_t hash) const;

    std::vector<Key> keys_;
    HashIndex index_;
    std::vector<FileRow> fresh_;
    std::vector<Update> updates_;
    uint64_t accesses_ = 0;
};

} // namespace treadline

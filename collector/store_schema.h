// What makes a file a trace store of this version.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "collector/sqlite_statement.h"

namespace treadline {

inline constexpr int64_t store_version = 4;
inline constexpr int64_t store_application = 0x544c7472; // 'TLtr'

extern const char* const store_schema; // collector/schema.sql

enum class StoreState : uint8_t {
    Empty,   // may become one
    Old,     // of an earlier version: migrate_store()
    Current, // of this version
};

// What the database is; an error with the sentence that says why it cannot be used.
result<StoreState> check_store(sqlite3* database, const std::string& path);

// The key of what has a number within a run.
constexpr int64_t store_key(int64_t run, uint32_t number) {
    return run << 32 | number;
}

} // namespace treadline

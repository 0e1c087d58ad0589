// What makes a file a trace store of this version.
#pragma once

#include <string>

#include "base/result.h"
#include "collector/sqlite_statement.h"

namespace treadline {

inline constexpr int64_t store_version = 1;
inline constexpr int64_t store_application = 0x544c7472; // 'TLtr'

extern const char* const store_schema; // collector/schema.sql

// Whether the database is a trace store this version can use; else the sentence that says what it is.
// `false`: it is empty and may become one.
result<bool> check_store(sqlite3* database, const std::string& path);

} // namespace treadline

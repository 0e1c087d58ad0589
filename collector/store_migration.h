// Brings a trace store of an earlier version up to this one.
#pragma once

#include "base/result.h"
#include "collector/sqlite_statement.h"

namespace treadline {

// For a store that check_store() found to be old, inside a transaction that the caller began and commits.
// Also used on a copy in memory, to read a store that nobody may write.
result<ok> migrate_store(sqlite3* database);

} // namespace treadline

// Opening a trace store, whatever version it is of.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "collector/sqlite_statement.h"

namespace treadline {

// A store of this version: made if the file is empty or missing, migrated if it is of an earlier one. Either
// happens in one transaction: if it fails, the file is as it was. `patience`: for somebody else's lock.
result<sqlite::Database> open_store_to_write(const std::string& path, std::chrono::milliseconds patience);

// Never writes: one of an earlier version is migrated in memory. Also where nothing may be written.
result<sqlite::Database> open_store_to_read(const std::string& path, std::chrono::milliseconds patience);

} // namespace treadline

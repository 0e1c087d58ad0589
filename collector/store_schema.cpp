#include "collector/store_schema.h"

namespace treadline {
namespace {

result<int64_t> pragma(sqlite3* database, std::string_view sql) {
    auto statement = TRY(sqlite::Statement::prepare(database, sql));
    TRY(statement.step());
    return statement.column_integer(0);
}

} // namespace

result<bool> check_store(sqlite3* database, const std::string& path) {
    const std::string name = "'" + path + "'";
    const auto application = pragma(database, "PRAGMA application_id");
    const auto version = pragma(database, "PRAGMA user_version");
    const auto tables = pragma(database, "SELECT count(*) FROM sqlite_schema");
    if (!application || !version || !tables) {
        const int code = sqlite3_errcode(database);
        if (code == SQLITE_NOTADB) {
            return fail(name + " is not a trace store (not a database); name another file with --store");
        }
        if (code == SQLITE_CORRUPT) {
            return fail("the trace store " + name +
                        " is damaged; move it away and run `treadline learn` again");
        }
        return fail("cannot read the trace store " + name + ": " + sqlite3_errmsg(database));
    }
    if (*application == 0 && *version == 0 && *tables == 0) {
        return false;
    }
    if (*application != store_application) {
        return fail(name + " is a database, but no trace store; name another file with --store");
    }
    if (*version > store_version) {
        return fail("the trace store " + name + " was written by a newer Treadline (store version " +
                    std::to_string(*version) + ", this one knows " + std::to_string(store_version) +
                    "); update Treadline, or name another file with --store");
    }
    if (*version < store_version) {
        return fail("the trace store " + name + " is of an unknown version " + std::to_string(*version) +
                    "; move it away and run `treadline learn` again");
    }
    return true;
}

} // namespace treadline

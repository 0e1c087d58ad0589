#include "collector/store_schema.h"

namespace treadline {
namespace {

struct Marks {
    int64_t tables;
    int64_t application;
    int64_t version;
};

// In one statement, so that all are of one moment: another collector may be making the store meanwhile.
result<Marks> read_marks(sqlite3* database) {
    auto statement = TRY(sqlite::Statement::prepare(
        database, "SELECT count(*), (SELECT application_id FROM pragma_application_id), "
                  "(SELECT user_version FROM pragma_user_version) FROM sqlite_schema"));
    TRY(statement.step());
    return Marks{statement.column_integer(0), statement.column_integer(1), statement.column_integer(2)};
}

} // namespace

result<StoreState> check_store(sqlite3* database, const std::string& path) {
    const std::string name = "'" + path + "'";
    const auto marks = read_marks(database);
    if (!marks) {
        if (sqlite3_errcode(database) == SQLITE_NOTADB) {
            return fail(name + " is not a trace store (not a database); name another file with --store");
        }
        return failure(marks.error());
    }
    const auto [tables, application, version] = *marks;
    if (application == 0 && version == 0 && tables == 0) {
        return StoreState::Empty;
    }
    if (application != store_application) {
        return fail(name + " is a database, but no trace store; name another file with --store");
    }
    if (version > store_version) {
        return fail("the trace store " + name + " was written by a newer Treadline (store version " +
                    std::to_string(version) + ", this one knows " + std::to_string(store_version) +
                    "); update Treadline, or name another file with --store");
    }
    if (version < 1) {
        return fail("the trace store " + name + " is of an unknown version " + std::to_string(version) +
                    "; move it away and run `treadline learn` again");
    }
    return version < store_version ? StoreState::Old : StoreState::Current;
}

} // namespace treadline

#include "collector/sqlite_statement.h"

namespace treadline::sqlite {
namespace {

// Another collector may be committing to the same store; its commits are short.
constexpr int busy_timeout_ms = 10'000;

} // namespace

failure store_error(sqlite3* database, std::string_view doing) {
    return fail("cannot " + std::string(doing) + " the trace store: " + sqlite3_errmsg(database));
}

result<Database> open_database(const std::string& path, int flags) {
    sqlite3* handle = nullptr;
    const int status = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
    Database database(handle);
    if (status != SQLITE_OK) {
        return fail("cannot open the trace store '" + path + "': " + sqlite3_errstr(status));
    }
    sqlite3_busy_timeout(handle, busy_timeout_ms);
    return database;
}

result<ok> execute(sqlite3* database, const char* sql) {
    if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return store_error(database, "write");
    }
    return ok{};
}

result<Statement> Statement::prepare(sqlite3* database, std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(database, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                           &statement, nullptr) != SQLITE_OK) {
        return store_error(database, "use");
    }
    return Statement(statement);
}

Statement& Statement::integer(int at, int64_t value) {
    sqlite3_bind_int64(statement_.get(), at, value);
    return *this;
}

Statement& Statement::text(int at, std::string_view value) {
    sqlite3_bind_text64(statement_.get(), at, value.data() == nullptr ? "" : value.data(), value.size(),
                        SQLITE_TRANSIENT, SQLITE_UTF8);
    return *this;
}

Statement& Statement::blob(int at, std::string_view value) {
    // A null pointer would bind NULL, not an empty blob.
    sqlite3_bind_blob64(statement_.get(), at, value.data() == nullptr ? "" : value.data(), value.size(),
                        SQLITE_TRANSIENT);
    return *this;
}

Statement& Statement::null(int at) {
    sqlite3_bind_null(statement_.get(), at);
    return *this;
}

result<bool> Statement::step() {
    const int status = sqlite3_step(statement_.get());
    if (status == SQLITE_ROW) {
        return true;
    }
    if (status == SQLITE_DONE) {
        return false;
    }
    sqlite3* database = sqlite3_db_handle(statement_.get());
    auto error = store_error(database, sqlite3_stmt_readonly(statement_.get()) != 0 ? "read" : "write");
    reset();
    return error;
}

result<ok> Statement::run() {
    while (TRY(step())) {
    }
    reset();
    return ok{};
}

void Statement::reset() {
    sqlite3_reset(statement_.get());
}

int64_t Statement::column_integer(int at) const {
    return sqlite3_column_int64(statement_.get(), at);
}

std::string Statement::column_bytes(int at) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), at);
    const int size = sqlite3_column_bytes(statement_.get(), at);
    return bytes == nullptr ? std::string()
                            : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

bool Statement::column_null(int at) const {
    return sqlite3_column_type(statement_.get(), at) == SQLITE_NULL;
}

} // namespace treadline::sqlite

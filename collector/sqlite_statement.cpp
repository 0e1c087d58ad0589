#include "collector/sqlite_statement.h"

#include <cstring>
#include <optional>

namespace treadline::sqlite {
namespace {

std::string named(sqlite3* database) {
    const char* path = sqlite3_db_filename(database, "main");
    return path == nullptr || *path == '\0' ? "the trace store"
                                            : "the trace store '" + std::string(path) + "'";
}

// Why the system refused. SQLite does not keep the errno of a failed commit, but each of its files does.
int system_errno(sqlite3* database) {
    int code = sqlite3_system_errno(database);
    for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
        sqlite3_file* file = nullptr;
        if (code == 0 && sqlite3_file_control(database, "main", which, &file) == SQLITE_OK &&
            file != nullptr && file->pMethods != nullptr) {
            file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code);
        }
    }
    return code;
}

bool is_full(sqlite3* database) {
    const int code = sqlite3_errcode(database);
    if (code == SQLITE_FULL || sqlite3_extended_errcode(database) == SQLITE_IOERR_SHMSIZE) {
        return true;
    }
    const int system = code == SQLITE_IOERR ? system_errno(database) : 0;
    return system == ENOSPC || system == EDQUOT || system == EFBIG;
}

} // namespace

failure store_error(sqlite3* database, std::string_view doing) {
    const int code = sqlite3_errcode(database);
    const std::string message = sqlite3_errmsg(database);
    const std::string cannot = "cannot " + std::string(doing) + " " + named(database) + ": ";
    if (is_full(database)) {
        return fail(cannot + "its disk is full, or its size has reached a limit; make room and learn again "
                             "(what was stored before is kept)");
    }
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(cannot + "another program keeps it locked; end that program and try again");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail(named(database) + " is damaged; move it away and run `treadline learn` again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return fail(cannot + "it, or its directory, is read-only; name another file with --store");
    case SQLITE_IOERR:
        return fail_code(system_errno(database), cannot + message);
    default:
        return fail(cannot + message);
    }
}

bool is_busy(sqlite3* database) {
    const int code = sqlite3_errcode(database);
    return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

result<Database> open_database(const std::string& path, int flags, std::chrono::milliseconds patience) {
    sqlite3* handle = nullptr;
    // One thread has the handle: no mutexes.
    const int status = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    Database database(handle);
    if (status != SQLITE_OK) {
        return fail("cannot open the trace store '" + path + "': " + sqlite3_errstr(status));
    }
    set_patience(handle, patience);
    return database;
}

void set_patience(sqlite3* database, std::chrono::milliseconds patience) {
    sqlite3_busy_timeout(database, static_cast<int>(patience.count()));
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

Statement& Statement::view(int at, std::string_view value) {
    sqlite3_bind_blob64(statement_.get(), at, value.data() == nullptr ? "" : value.data(), value.size(),
                        SQLITE_STATIC);
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
    return std::string(column_view(at));
}

std::string_view Statement::column_view(int at) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), at);
    const int size = sqlite3_column_bytes(statement_.get(), at);
    return bytes == nullptr ? std::string_view()
                            : std::string_view(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

bool Statement::column_null(int at) const {
    return sqlite3_column_type(statement_.get(), at) == SQLITE_NULL;
}

std::string_view RowValues::view(int at) const {
    const void* bytes = sqlite3_value_blob(values_[at]);
    const int size = sqlite3_value_bytes(values_[at]);
    return bytes == nullptr ? std::string_view()
                            : std::string_view(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

namespace {

struct Visit {
    const std::function<result<ok>(const RowValues&)>& row;
    std::optional<error> failed;

    static void step(sqlite3_context* context, int, sqlite3_value** values) {
        auto& visit = *static_cast<Visit*>(sqlite3_user_data(context));
        if (auto shown = visit.row(RowValues(values)); !shown) {
            visit.failed = std::move(shown.error());
            sqlite3_result_error_code(context, SQLITE_ABORT);
        }
    }
    static void finish(sqlite3_context*) {}
};

} // namespace

result<ok> visit_rows(sqlite3* database, std::string_view table, std::string_view columns, int64_t first,
                      int64_t last, const std::function<result<ok>(const RowValues&)>& row) {
    Visit visit{row, {}};
    const auto define = [&](auto step, auto finish) {
        return sqlite3_create_function_v2(database, "visit", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, &visit,
                                          nullptr, step, finish, nullptr);
    };
    if (define(Visit::step, Visit::finish) != SQLITE_OK) {
        return store_error(database, "use");
    }
    const auto walk = [&]() -> result<ok> {
        // A range of a table's own keys is walked in their order.
        auto rows = TRY(Statement::prepare(database, "SELECT visit(" + std::string(columns) + ") FROM " +
                                                         std::string(table) + " WHERE id BETWEEN ?1 AND ?2"));
        return rows.integer(1, first).integer(2, last).run();
    };
    auto walked = walk();
    define(nullptr, nullptr);
    if (visit.failed) {
        return failure(std::move(*visit.failed));
    }
    return walked;
}

result<Transaction> Transaction::begin(sqlite3* database, const char* sql) {
    TRY(execute(database, sql));
    return Transaction(database);
}

Transaction::~Transaction() {
    if (database_ != nullptr) {
        // SQLite itself takes a transaction back after some errors; then there is none, which is as well.
        sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

result<ok> Transaction::commit() {
    TRY(execute(database_, "COMMIT"));
    database_ = nullptr;
    return ok{};
}

} // namespace treadline::sqlite

// SQLite's C handles with an owner, and the few calls the trace store makes. Included by the store's own
// files only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "base/result.h"

namespace treadline::sqlite {

struct CloseDatabase {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

struct Finalise {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

// "cannot write the trace store: disk I/O error"
failure store_error(sqlite3* database, std::string_view doing);

// The handle is owned even when opening fails, as SQLite asks for. `flags` are SQLITE_OPEN_*.
result<Database> open_database(const std::string& path, int flags);
result<ok> execute(sqlite3* database, const char* sql);

// A prepared statement. Bind by position from 1; texts are copied.
class Statement {
public:
    static result<Statement> prepare(sqlite3* database, std::string_view sql);

    Statement& integer(int at, int64_t value);
    Statement& text(int at, std::string_view value);
    Statement& blob(int at, std::string_view value);
    Statement& null(int at);

    result<bool> step(); // true: there is a row
    result<ok> run();    // steps to the end and resets
    void reset();

    [[nodiscard]] int64_t column_integer(int at) const;
    [[nodiscard]] std::string column_bytes(int at) const; // TEXT or BLOB
    [[nodiscard]] bool column_null(int at) const;

private:
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    std::unique_ptr<sqlite3_stmt, Finalise> statement_;
};

} // namespace treadline::sqlite

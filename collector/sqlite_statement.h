// SQLite's C handles with an owner, and the few calls the trace store makes. Included by the store's own
// files only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
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

// The last error of this database as a sentence that says what to do: "cannot write the trace store '/x': the
// disk is full; …". `doing`: "read", "write".
failure store_error(sqlite3* database, std::string_view doing);
bool is_busy(sqlite3* database); // the last error: somebody else holds the lock

// The handle is owned even when opening fails, as SQLite asks for. `flags` are SQLITE_OPEN_*. `patience`: how
// long each statement waits for somebody else's lock.
result<Database> open_database(const std::string& path, int flags, std::chrono::milliseconds patience);
void set_patience(sqlite3* database, std::chrono::milliseconds patience);
result<ok> execute(sqlite3* database, const char* sql);

// A prepared statement. Bind by position from 1.
class Statement {
public:
    static result<Statement> prepare(sqlite3* database, std::string_view sql);

    Statement& integer(int at, int64_t value);
    Statement& text(int at, std::string_view value); // copied
    Statement& blob(int at, std::string_view value); // copied
    Statement& view(int at, std::string_view value); // a blob that outlives the next step; not copied
    Statement& null(int at);

    result<bool> step(); // true: there is a row
    result<ok> run();    // steps to the end and resets
    void reset();

    [[nodiscard]] int64_t column_integer(int at) const;
    [[nodiscard]] std::string column_bytes(int at) const;     // TEXT or BLOB
    [[nodiscard]] std::string_view column_view(int at) const; // the same, until the next step
    [[nodiscard]] bool column_null(int at) const;

private:
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    std::unique_ptr<sqlite3_stmt, Finalise> statement_;
};

// The values of a row while visit_rows() shows it.
class RowValues {
public:
    explicit RowValues(sqlite3_value** values) : values_(values) {}
    [[nodiscard]] int64_t integer(int at) const { return sqlite3_value_int64(values_[at]); }
    [[nodiscard]] std::string_view view(int at) const; // TEXT or BLOB

private:
    sqlite3_value** values_;
};

// Shows each row of `table` whose `id` is in [first, last] to `visit`, in the order of the ids; its error
// ends the visit. For the tables that hold millions: SQLite's own loop calls `visit` as an aggregate
// function, which takes three quarters of the time of stepping from row to row. Nothing of this database is
// called meanwhile.
result<ok> visit_rows(sqlite3* database, std::string_view table, std::string_view columns, int64_t first,
                      int64_t last, const std::function<result<ok>(const RowValues&)>& visit);

// Takes back what it began, unless it was committed.
class Transaction {
public:
    static result<Transaction> begin(sqlite3* database, const char* sql = "BEGIN IMMEDIATE");
    Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();
    result<ok> commit();

private:
    explicit Transaction(sqlite3* database) : database_(database) {}
    sqlite3* database_;
};

} // namespace treadline::sqlite

#include "collector/store_open.h"

#include <cstdio>

#include <sys/stat.h>
#include <unistd.h>

#include "collector/store_migration.h"
#include "collector/store_schema.h"

namespace treadline {
namespace {

// Opening a pipe or a device would wait, or do worse.
result<ok> check_regular(const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) {
        return fail("the trace store '" + path + "' is not a regular file; name another one with --store");
    }
    return ok{};
}

// SQLite takes a last page that was cut off for one that ends in zeros. One that another process is writing
// stands in the WAL as well.
result<ok> check_whole_pages(sqlite3* database, const std::string& path) {
    auto size = TRY(sqlite::Statement::prepare(database, "PRAGMA page_size"));
    TRY(size.step());
    struct stat store {};
    struct stat wal {};
    const bool waiting = ::stat((path + "-wal").c_str(), &wal) == 0 && wal.st_size != 0;
    if (!waiting && ::stat(path.c_str(), &store) == 0 && store.st_size % size.column_integer(0) != 0) {
        return fail("the trace store '" + path +
                    "' is damaged; move it away and run `treadline learn` again");
    }
    return ok{};
}

// Two collectors that meet at a new store: SQLite does not wait for this change as it does for other locks.
result<ok> use_wal(sqlite3* database, std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        auto done = sqlite::execute(database, "PRAGMA journal_mode = WAL");
        if (done || !sqlite::is_busy(database) || std::chrono::steady_clock::now() > deadline) {
            return done;
        }
        sqlite3_sleep(5);
    }
}

result<ok> make_store(sqlite3* database) {
    TRY(sqlite::execute(database, store_schema));
    return sqlite::execute(database, ("PRAGMA user_version = " + std::to_string(store_version)).c_str());
}

// A database in WAL mode wants two files beside it, which cannot be made on read-only media. Without changes
// that wait in a WAL it can be read all the same, as what never changes.
result<sqlite::Database> open_unchanging(const std::string& path, std::chrono::milliseconds patience) {
    struct stat wal {};
    if (::stat((path + "-wal").c_str(), &wal) == 0 && wal.st_size != 0) {
        return fail("cannot read the trace store '" + path +
                    "': it was not closed in order, and its directory is read-only; copy it and its -wal "
                    "file to where "
                    "you may write");
    }
    std::string uri = "file:";
    for (const char c : path) {
        if (c == '%' || c == '?' || c == '#') {
            char escaped[4];
            std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(c));
            uri += escaped;
        } else {
            uri += c;
        }
    }
    return sqlite::open_database(uri + "?immutable=1", SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, patience);
}

result<sqlite::Database> copy_in_memory(sqlite3* from) {
    auto copy = TRY(sqlite::open_database(":memory:", SQLITE_OPEN_READWRITE, {}));
    sqlite3_backup* backup = sqlite3_backup_init(copy.get(), "main", from, "main");
    if (backup == nullptr) {
        return sqlite::store_error(copy.get(), "read");
    }
    const int status = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    if (status != SQLITE_DONE) {
        return sqlite::store_error(status == sqlite3_errcode(from) ? from : copy.get(), "read");
    }
    return copy;
}

// For a store that may not be written, or not by a reader.
result<sqlite::Database> migrated_copy(sqlite3* from) {
    auto copy = TRY(copy_in_memory(from));
    auto transaction = TRY(sqlite::Transaction::begin(copy.get()));
    TRY(migrate_store(copy.get()));
    TRY(transaction.commit());
    return copy;
}

} // namespace

result<sqlite::Database> open_store_to_write(const std::string& path, std::chrono::milliseconds patience) {
    TRY(check_regular(path));
    auto database = TRY(sqlite::open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, patience));
    StoreState state = TRY(check_store(database.get(), path));
    TRY(check_whole_pages(database.get(), path));
    if (sqlite3_db_readonly(database.get(), "main") ==
        1) { // what SQLite makes of a file that may only be read
        return fail("cannot write the trace store '" + path +
                    "': it is read-only; name another file with --store");
    }
    if (state != StoreState::Current) {
        if (state == StoreState::Empty) {
            TRY(use_wal(database.get(), patience));
        }
        auto transaction = TRY(sqlite::Transaction::begin(database.get()));
        state = TRY(check_store(database.get(), path)); // another collector may have been faster
        if (state == StoreState::Empty) {
            TRY(make_store(database.get()));
        } else if (state == StoreState::Old) {
            TRY(migrate_store(database.get()));
        }
        TRY(transaction.commit());
    }
    return database;
}

result<sqlite::Database> open_store_to_read(const std::string& path, std::chrono::milliseconds patience) {
    if (::access(path.c_str(), R_OK) != 0) {
        if (errno == ENOENT) {
            return fail_errno("there is no trace store '" + path + "' yet (`treadline learn` makes it)");
        }
        return fail_errno("cannot read the trace store '" + path + "'");
    }
    TRY(check_regular(path));
    auto database = TRY(sqlite::open_database(path, SQLITE_OPEN_READONLY, patience));
    auto checked = check_store(database.get(), path);
    const int code = sqlite3_errcode(database.get());
    if (!checked && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)) {
        database = TRY(open_unchanging(path, patience));
        checked = check_store(database.get(), path);
    }
    const StoreState state = TRY(std::move(checked));
    TRY(check_whole_pages(database.get(), path));
    switch (state) {
    case StoreState::Empty:
        return fail("'" + path + "' is empty, not a trace store; run `treadline learn` first");
    case StoreState::Old:
        return migrated_copy(database.get());
    case StoreState::Current:
        break;
    }
    return database;
}

} // namespace treadline

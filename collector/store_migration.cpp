#include "collector/store_migration.h"

#include "collector/file_rows.h"
#include "collector/path_table.h"
#include "collector/store_schema.h"

namespace treadline {
namespace {

using sqlite::Statement;

// Version 1 had keys of the whole store, paths whole, and flags in columns of their own. Nothing wrote exchanges before
// version 3.
constexpr const char* move_away = R"sql(
DROP INDEX IF EXISTS process_run;
DROP INDEX IF EXISTS fact_run;
ALTER TABLE run RENAME TO old_run;
ALTER TABLE loss RENAME TO old_loss;
ALTER TABLE process RENAME TO old_process;
ALTER TABLE path RENAME TO old_path;
ALTER TABLE file_access RENAME TO old_file_access;
ALTER TABLE socket_access RENAME TO old_socket_access;
ALTER TABLE name_lookup RENAME TO old_name_lookup;
DROP TABLE exchange;
ALTER TABLE syscall_use RENAME TO old_syscall_use;
ALTER TABLE environment_name RENAME TO old_environment_name;
ALTER TABLE fact RENAME TO old_fact;
)sql";

// Everything but what names a path.
constexpr const char* take_over = R"sql(
CREATE TABLE old_number (process INTEGER PRIMARY KEY, number INTEGER NOT NULL);
INSERT INTO old_number SELECT id, row_number() OVER (PARTITION BY run ORDER BY id) FROM old_process;

INSERT INTO run SELECT id, started_unix_ms, duration_ms, command, cwd, project, home, user, uid, hostname, kernel,
  landlock_abi, treadline, probes, exit_status, complete, incomplete_because, certificate, NULL, NULL,
  'host' FROM old_run;
INSERT INTO loss SELECT run, cause, count FROM old_loss;
INSERT INTO process SELECT p.run << 32 | n.number, parent.number, p.pid, p.exe, p.argv, p.started_ns, p.ended_ns,
  p.exit_status FROM old_process p JOIN old_number n ON n.process = p.id
  LEFT JOIN old_number parent ON parent.process = p.parent ORDER BY 1;
INSERT INTO socket_access (run, process, operation, protocol, address, port, host, result, count, first_ns, last_ns)
  SELECT s.run, n.number, operation, protocol, address, port, host, result, count, first_ns, last_ns
  FROM old_socket_access s JOIN old_number n ON n.process = s.process;
INSERT INTO name_lookup SELECT l.run, n.number, name, address
  FROM old_name_lookup l JOIN old_number n ON n.process = l.process;
INSERT OR IGNORE INTO syscall_name SELECT run, number, name FROM old_syscall_use;
INSERT INTO syscall_use SELECT u.run << 32 | row_number() OVER (PARTITION BY u.run ORDER BY n.number, u.number),
  n.number, u.number FROM old_syscall_use u JOIN old_number n ON n.process = u.process ORDER BY 1;
INSERT INTO environment_name SELECT e.run, n.number, name, read
  FROM old_environment_name e JOIN old_number n ON n.process = e.process;
)sql";

constexpr const char* clean_up = R"sql(
DROP TABLE old_file_access; DROP TABLE old_socket_access; DROP TABLE old_name_lookup;
DROP TABLE old_syscall_use; DROP TABLE old_environment_name; DROP TABLE old_fact; DROP TABLE old_path;
DROP TABLE old_process; DROP TABLE old_loss; DROP TABLE old_run; DROP TABLE old_number;
)sql";

// The rows of one run that name paths.
class RunOfPaths {
public:
    static result<RunOfPaths> prepare(sqlite3* database) {
        return RunOfPaths(
            TRY(Statement::prepare(
                database,
                "SELECT n.number, p.path, f.access, f.result, f.count, f.first_ns, f.last_ns - f.first_ns, "
                "f.directory + 2 * f.created_by_run + 4 * f.gone_at_end, r.path FROM old_file_access f "
                "JOIN old_number n ON n.process = f.process JOIN old_path p ON p.id = f.path "
                "LEFT JOIN old_path r ON r.id = f.requested WHERE f.run = ?1 ORDER BY f.first_ns")),
            TRY(Statement::prepare(database,
                                   "INSERT INTO file_access VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                                   "?9, ?10)")),
            TRY(Statement::prepare(database, "SELECT n.number, f.kind, p.path, f.value FROM old_fact f "
                                             "LEFT JOIN old_number n ON n.process = f.process "
                                             "LEFT JOIN old_path p ON p.id = f.path WHERE f.run = ?1")),
            TRY(Statement::prepare(database, "INSERT INTO fact VALUES (?1, ?2, ?3, ?4, ?5)")),
            TRY(Statement::prepare(database, "INSERT INTO path VALUES (?1, ?2, ?3)")));
    }

    result<ok> migrate(int64_t run) {
        PathTable paths;
        TRY(migrate_files(run, paths));
        TRY(migrate_facts(run, paths));
        for (uint32_t id = 1; id <= paths.size(); ++id) {
            const PathTable::Entry entry = paths.entry(id);
            TRY(path_.integer(1, store_key(run, id)).integer(2, entry.parent).view(3, entry.name).run());
        }
        return ok{};
    }

private:
    RunOfPaths(Statement files, Statement file, Statement facts, Statement fact, Statement path)
        : files_(std::move(files)), file_(std::move(file)), facts_(std::move(facts)), fact_(std::move(fact)),
          path_(std::move(path)) {}

    result<ok> migrate_files(int64_t run, PathTable& paths) {
        files_.integer(1, run);
        for (uint32_t number = 1; TRY(files_.step()); ++number) {
            file_.integer(1, store_key(run, number)).integer(2, files_.column_integer(0));
            file_.integer(3, paths.id_of(files_.column_view(1)));
            for (int column = 2; column <= 7; ++column) {
                file_.integer(column + 2, files_.column_integer(column));
            }
            files_.column_null(8) ? file_.null(10) : file_.integer(10, paths.id_of(files_.column_view(8)));
            TRY(file_.run());
        }
        files_.reset();
        return ok{};
    }

    result<ok> migrate_facts(int64_t run, PathTable& paths) {
        facts_.integer(1, run);
        for (uint32_t number = 1; TRY(facts_.step()); ++number) {
            fact_.integer(1, store_key(run, number))
                .text(3, facts_.column_view(1))
                .text(5, facts_.column_view(3));
            facts_.column_null(0) ? fact_.null(2) : fact_.integer(2, facts_.column_integer(0));
            facts_.column_null(2) ? fact_.null(4) : fact_.integer(4, paths.id_of(facts_.column_view(2)));
            TRY(fact_.run());
        }
        facts_.reset();
        return ok{};
    }

    Statement files_;
    Statement file_;
    Statement facts_;
    Statement fact_;
    Statement path_;
};

result<ok> migrate_from_1(sqlite3* database) {
    TRY(sqlite::execute(database, move_away));
    TRY(sqlite::execute(database, store_schema));
    TRY(sqlite::execute(database, take_over));
    {
        auto rows = TRY(RunOfPaths::prepare(database));
        auto runs = TRY(Statement::prepare(database, "SELECT id FROM run ORDER BY id"));
        while (TRY(runs.step())) {
            TRY(rows.migrate(runs.column_integer(0)));
        }
    } // a table that a statement reads cannot be dropped
    return sqlite::execute(database, clean_up);
}

// Version 2 knew no gateway.
constexpr const char* add_gateway = R"sql(
ALTER TABLE run ADD COLUMN network TEXT NOT NULL DEFAULT 'host';
DROP TABLE exchange;
CREATE TABLE gateway_name (run INTEGER NOT NULL REFERENCES run(id), address TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (run, address)) STRICT, WITHOUT ROWID;
CREATE TABLE exchange (id INTEGER PRIMARY KEY, host TEXT NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL,
  protocol TEXT NOT NULL, server_name TEXT NOT NULL, problem TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
  result INTEGER NOT NULL, count INTEGER NOT NULL, bytes_up INTEGER NOT NULL, bytes_down INTEGER NOT NULL) STRICT;
)sql";

// Version 3 kept no exchanges whole.
constexpr const char* add_captured = R"sql(
CREATE TABLE captured (id INTEGER PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL, secure INTEGER NOT NULL,
  method TEXT NOT NULL, target BLOB NOT NULL, conditions BLOB NOT NULL, accept BLOB NOT NULL, body_digest TEXT NOT NULL,
  status INTEGER NOT NULL, reason BLOB NOT NULL, fields BLOB NOT NULL, body BLOB NOT NULL, unusable TEXT NOT NULL) STRICT;
)sql";

} // namespace

result<ok> migrate_store(sqlite3* database) {
    int64_t from = 0;
    {
        auto version = TRY(Statement::prepare(database, "PRAGMA user_version"));
        TRY(version.step());
        from = version.column_integer(0);
    }
    if (from == 1) {
        TRY(migrate_from_1(database)); // has made all tables of this version
    } else {
        TRY(from == 2 ? sqlite::execute(database, add_gateway) : result<ok>(ok{}));
        TRY(sqlite::execute(database, add_captured));
    }
    return sqlite::execute(database, ("PRAGMA user_version = " + std::to_string(store_version)).c_str());
}

} // namespace treadline

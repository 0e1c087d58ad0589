#include "collector/captured_rows.h"

#include <algorithm>

#include "collector/run_inserts.h"
#include "collector/size_limit.h"
#include "collector/sqlite_statement.h"
#include "collector/store_open.h"
#include "collector/store_schema.h"
#include "collector/trace_reader.h"
#include "collector/trace_writer.h"

namespace treadline {
namespace {

using sqlite::Statement;

constexpr const char* columns = "host, port, secure, method, target, conditions, accept, body_digest, status, reason, fields, body, unusable";

result<Statement> rows_of(sqlite3* database, const std::string& select, int64_t run) {
    auto rows = TRY(Statement::prepare(database, select + " FROM captured WHERE id BETWEEN ?1 AND ?2 ORDER BY id"));
    rows.integer(1, store_key(run, 0)).integer(2, store_key(run, UINT32_MAX));
    return rows;
}

result<int64_t> insert_run(sqlite3* database, const RunInfo& run) {
    auto insert = TRY(Statement::prepare(
        database, "INSERT INTO run (started_unix_ms, duration_ms, command, cwd, project, home, user, uid, hostname, kernel, landlock_abi, treadline, "
                  "probes, exit_status, complete, incomplete_because, processes, accesses, network) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 1, '[]', 0, 0, 'gateway')"));
    insert.integer(1, run.started_unix_ms).integer(2, run.duration_ms.value_or(0)).text(3, json_array(run.command)).text(4, as_text(run.cwd));
    insert.text(5, as_text(run.project)).text(6, as_text(run.home)).text(7, as_text(run.user)).integer(8, run.uid).text(9, as_text(run.hostname));
    insert.text(10, as_text(run.kernel)).integer(11, run.landlock_abi).text(12, TREADLINE_VERSION).text(13, nothing_traced);
    TRY(insert.integer(14, run.exit_status.value_or(0)).run());
    return sqlite3_last_insert_rowid(database);
}

} // namespace

result<int64_t> store_captured(const std::string& store, const RunInfo& run, const std::vector<CapturedExchange>& exchanges) {
    const SizeLimitIsAnError size_limit;
    auto database = TRY(open_store_to_write(store, StorePatience{}.whole));
    auto transaction = TRY(sqlite::Transaction::begin(database.get()));
    const int64_t id = TRY(insert_run(database.get(), run));
    auto insert = TRY(Statement::prepare(database.get(), std::string("INSERT INTO captured (id, ") + columns +
                                                             ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"));
    uint32_t number = 0;
    for (const CapturedExchange& one : exchanges) {
        insert.integer(1, store_key(id, ++number)).text(2, as_text(one.host)).integer(3, one.port).integer(4, one.secure ? 1 : 0);
        insert.text(5, as_text(one.method)).blob(6, one.target).blob(7, one.conditions).blob(8, one.accept).text(9, as_text(one.body_digest));
        insert.integer(10, one.status).blob(11, one.reason).blob(12, one.fields).blob(13, one.body).text(14, as_text(one.unusable));
        TRY(insert.run());
    }
    TRY(transaction.commit());
    return id;
}

result<CapturedRun> read_captured(const std::string& store, int64_t run) {
    const TraceReader reader = TRY(TraceReader::open(store));
    const std::vector<RunInfo> runs = TRY(reader.runs());
    const auto found = std::find_if(runs.begin(), runs.end(), [&](const RunInfo& one) { return one.id == run; });
    if (found == runs.end()) {
        return fail("there is no stored run " + std::to_string(run) + "; 'treadline runs' lists them");
    }
    CapturedRun captured{*found, {}};
    auto database = TRY(open_store_to_read(store, StorePatience{}.whole));
    auto rows = TRY(rows_of(database.get(), std::string("SELECT ") + columns, run));
    while (TRY(rows.step())) {
        CapturedExchange one;
        one.host = rows.column_bytes(0);
        one.port = static_cast<uint16_t>(rows.column_integer(1));
        one.secure = rows.column_integer(2) != 0;
        one.method = rows.column_bytes(3);
        one.target = rows.column_bytes(4);
        one.conditions = rows.column_bytes(5);
        one.accept = rows.column_bytes(6);
        one.body_digest = rows.column_bytes(7);
        one.status = static_cast<uint32_t>(rows.column_integer(8));
        one.reason = rows.column_bytes(9);
        one.fields = rows.column_bytes(10);
        one.body = rows.column_bytes(11);
        one.unusable = rows.column_bytes(12);
        captured.exchanges.push_back(std::move(one));
    }
    if (captured.exchanges.empty()) {
        return fail("no exchanges were captured in run " + std::to_string(run) + "; 'treadline enforce --capture -- COMMAND' makes a run with some");
    }
    return captured;
}

} // namespace treadline

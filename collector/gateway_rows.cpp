#include "collector/gateway_rows.h"

#include <set>
#include <utility>

#include "base/addresses.h"
#include "collector/run_inserts.h"
#include "collector/size_limit.h"
#include "collector/sqlite_statement.h"
#include "collector/store_open.h"
#include "collector/store_schema.h"
#include "collector/trace_writer.h"

namespace treadline {
namespace {

using sqlite::Statement;
using Endpoint = std::pair<std::string, uint16_t>; // a name or an address, and a port

result<ok> insert_names(sqlite3* database, int64_t run, const GatewayRecord& record) {
    auto insert = TRY(Statement::prepare(database, "INSERT INTO gateway_name (run, address, name) VALUES (?1, ?2, ?3)"));
    for (const auto& [address, name] : record.names) {
        TRY(insert.integer(1, run).text(2, as_text(address)).text(3, as_text(name)).run());
    }
    return ok{};
}

result<ok> insert_exchanges(sqlite3* database, int64_t run, const GatewayRecord& record) {
    auto insert = TRY(Statement::prepare(
        database, "INSERT INTO exchange (id, host, address, port, protocol, server_name, problem, method, path, result, count, bytes_up, "
                  "bytes_down) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"));
    uint32_t number = 0;
    for (const Exchange& exchange : record.exchanges) {
        insert.integer(1, store_key(run, ++number)).text(2, as_text(exchange.host)).text(3, as_text(exchange.address));
        insert.integer(4, exchange.port).text(5, as_text(exchange.protocol)).text(6, as_text(exchange.server_name));
        insert.text(7, as_text(exchange.problem)).text(8, as_text(exchange.method)).text(9, as_text(exchange.path));
        insert.integer(10, exchange.result).integer(11, static_cast<int64_t>(exchange.count));
        insert.integer(12, static_cast<int64_t>(exchange.bytes_up)).integer(13, static_cast<int64_t>(exchange.bytes_down));
        TRY(insert.run());
    }
    return ok{};
}

result<std::map<std::string, std::string>> read_gateway_names(sqlite3* database, int64_t run) {
    auto rows = TRY(Statement::prepare(database, "SELECT address, name FROM gateway_name WHERE run = ?1"));
    rows.integer(1, run);
    std::map<std::string, std::string> names;
    while (TRY(rows.step())) {
        names.emplace(rows.column_bytes(0), rows.column_bytes(1));
    }
    return names;
}

// Who contacted which endpoint.
std::map<Endpoint, std::set<int64_t>> contacts_of(const Trace& trace) {
    std::map<Endpoint, std::set<int64_t>> contacts;
    for (const SocketAccess& socket : trace.sockets) {
        if (socket.protocol == "tcp" && socket.operation == "connect" && socket.result == 0) {
            contacts[{socket.host.empty() ? to_text(parse_address(socket.address)) : socket.host, socket.port}].insert(socket.process);
        }
    }
    return contacts;
}

} // namespace

result<ok> store_gateway_record(const std::string& store, int64_t run, const GatewayRecord& record) {
    const SizeLimitIsAnError size_limit;
    auto database = TRY(open_store_to_write(store, StorePatience{}.whole));
    auto transaction = TRY(sqlite::Transaction::begin(database.get()));
    TRY(insert_names(database.get(), run, record));
    TRY(insert_exchanges(database.get(), run, record));
    return transaction.commit();
}

result<ok> read_gateway_rows(sqlite3* database, Trace& trace) {
    if (trace.run.network != "gateway") {
        return ok{};
    }
    const auto names = TRY(read_gateway_names(database, trace.run.id));
    for (SocketAccess& socket : trace.sockets) {
        const auto name = names.find(socket.address);
        socket.host = name != names.end() ? name->second : "";
        socket.candidates.clear();
    }
    const auto contacts = contacts_of(trace);
    auto rows = TRY(Statement::prepare(
        database, "SELECT host, address, port, protocol, server_name, problem, method, path, result, count, bytes_up, bytes_down "
                  "FROM exchange WHERE id BETWEEN ?1 AND ?2 ORDER BY host, port, address, protocol, server_name, problem, method, path, result, id"));
    rows.integer(1, store_key(trace.run.id, 0)).integer(2, store_key(trace.run.id, UINT32_MAX));
    while (TRY(rows.step())) {
        Exchange exchange;
        exchange.host = rows.column_bytes(0);
        exchange.address = rows.column_bytes(1);
        exchange.port = static_cast<uint16_t>(rows.column_integer(2));
        exchange.protocol = rows.column_bytes(3);
        exchange.server_name = rows.column_bytes(4);
        exchange.problem = rows.column_bytes(5);
        exchange.method = rows.column_bytes(6);
        exchange.path = rows.column_bytes(7);
        exchange.result = static_cast<int32_t>(rows.column_integer(8));
        exchange.count = static_cast<uint64_t>(rows.column_integer(9));
        exchange.bytes_up = static_cast<uint64_t>(rows.column_integer(10));
        exchange.bytes_down = static_cast<uint64_t>(rows.column_integer(11));
        const auto by = contacts.find({exchange.host.empty() ? exchange.address : exchange.host, exchange.port});
        exchange.process = by != contacts.end() && by->second.size() == 1 ? *by->second.begin() : 0;
        trace.exchanges.push_back(std::move(exchange));
    }
    return ok{};
}

} // namespace treadline

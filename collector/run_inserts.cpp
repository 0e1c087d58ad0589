#include "collector/run_inserts.h"

#include <nlohmann/json.hpp>

#include "collector/store_schema.h"

namespace treadline {

std::string json_array(const std::vector<std::string>& texts) {
    if (texts.empty()) {
        return "[]";
    }
    return nlohmann::json(texts).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string as_text(std::string_view text) {
    const std::string quoted =
        nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return nlohmann::json::parse(quoted).get<std::string>();
}

result<RunInserts> RunInserts::prepare(sqlite3* database) {
    const auto prepare = [&](std::string_view sql) { return Statement::prepare(database, sql); };
    return RunInserts(Statements{
        TRY(prepare("INSERT INTO path VALUES (?1, ?2, ?3)")),
        TRY(prepare("INSERT INTO file_access VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")),
        // On the right of each `=` is the row as it was.
        TRY(prepare("UPDATE file_access SET count = count + ?2, first_ns = min(first_ns, ?3), "
                    "lasted_ns = max(first_ns + lasted_ns, ?4) - min(first_ns, ?3), flags = flags | ?5, "
                    "requested = coalesce(requested, ?6) WHERE id = ?1")),
        TRY(prepare("INSERT INTO process VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")),
        TRY(prepare(
            "UPDATE process SET ended_ns = ?2, exit_status = coalesce(?3, exit_status) WHERE id = ?1")),
        TRY(prepare(
            "INSERT INTO socket_access (run, process, operation, protocol, address, port, host, result, "
            "count, first_ns, last_ns, candidates) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
            "?12) ON CONFLICT DO UPDATE SET count = count + excluded.count, "
            "first_ns = min(first_ns, excluded.first_ns), last_ns = max(last_ns, excluded.last_ns), "
            "candidates = iif(excluded.candidates = '[]', candidates, excluded.candidates)")),
        TRY(prepare("INSERT INTO syscall_use VALUES (?1, ?2, ?3)")),
        TRY(prepare("INSERT INTO syscall_name VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")),
        TRY(prepare("INSERT INTO environment_name VALUES (?1, ?2, ?3, ?4) "
                    "ON CONFLICT DO UPDATE SET read = max(read, excluded.read)")),
        TRY(prepare("INSERT INTO name_lookup VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")),
        TRY(prepare("INSERT INTO fact VALUES (?1, ?2, ?3, ?4, ?5)")),
    });
}

result<ok> RunInserts::paths(int64_t run, const PathTable& paths, uint32_t first) {
    for (uint32_t id = first; id <= paths.size(); ++id) {
        const PathTable::Entry entry = paths.entry(id);
        TRY(s_.path.integer(1, store_key(run, id)).integer(2, entry.parent).view(3, entry.name).run());
    }
    return ok{};
}

result<ok> RunInserts::files(int64_t run, const FileRows& files) {
    uint32_t number = files.first_new();
    for (const FileRow& row : files.fresh()) {
        s_.file.integer(1, store_key(run, number++))
            .integer(2, row.process)
            .integer(3, row.path)
            .integer(4, static_cast<int64_t>(row.access))
            .integer(5, row.result)
            .integer(6, static_cast<int64_t>(row.count))
            .integer(7, row.first_ns)
            .integer(8, row.last_ns - row.first_ns)
            .integer(9, row.flags);
        row.requested != 0 ? s_.file.integer(10, row.requested) : s_.file.null(10);
        TRY(s_.file.run());
    }
    for (const FileRows::Update& update : files.updates()) {
        s_.file_update.integer(1, store_key(run, update.number))
            .integer(2, static_cast<int64_t>(update.count))
            .integer(3, update.count != 0 ? update.first_ns : INT64_MAX)
            .integer(4, update.count != 0 ? update.last_ns : 0)
            .integer(5, update.flags);
        update.requested != 0 ? s_.file_update.integer(6, update.requested) : s_.file_update.null(6);
        TRY(s_.file_update.run());
    }
    return ok{};
}

result<ok> RunInserts::processes(int64_t run, const PendingRows& rows) {
    for (const ProcessImage& process : rows.processes) {
        s_.process.integer(1, store_key(run, static_cast<uint32_t>(process.id)))
            .integer(3, process.pid)
            .blob(4, process.exe)
            .text(5, json_array(process.argv))
            .integer(6, process.started_ns);
        process.parent != 0 ? s_.process.integer(2, process.parent) : s_.process.null(2);
        process.ended_ns ? s_.process.integer(7, *process.ended_ns) : s_.process.null(7);
        process.exit_status ? s_.process.integer(8, *process.exit_status) : s_.process.null(8);
        TRY(s_.process.run());
    }
    for (const PendingRows::End& end : rows.ends) {
        s_.process_end.integer(1, store_key(run, static_cast<uint32_t>(end.process)))
            .integer(2, end.ended_ns);
        end.exit_status ? s_.process_end.integer(3, *end.exit_status) : s_.process_end.null(3);
        TRY(s_.process_end.run());
    }
    return ok{};
}

result<ok> RunInserts::sockets(int64_t run, const PendingRows& rows) {
    for (const SocketAccess& access : rows.sockets) {
        s_.socket.integer(1, run)
            .integer(2, access.process)
            .text(3, access.operation)
            .text(4, access.protocol)
            .blob(5, access.address)
            .integer(6, access.port)
            .text(7, access.host)
            .integer(8, access.result)
            .integer(9, static_cast<int64_t>(access.count))
            .integer(10, access.first_ns)
            .integer(11, access.last_ns)
            .text(12, json_array(access.candidates));
        TRY(s_.socket.run());
    }
    return ok{};
}

result<ok> RunInserts::names(int64_t run, const PendingRows& rows) {
    for (const auto& [number, name] : rows.syscall_names) {
        TRY(s_.syscall_name.integer(1, run).integer(2, number).text(3, name).run());
    }
    for (const EnvironmentName& name : rows.environment) {
        s_.environment.integer(1, run).integer(2, name.process).text(3, as_text(name.name));
        TRY(s_.environment.integer(4, name.read ? 1 : 0).run());
    }
    for (const PendingRows::Lookup& lookup : rows.lookups) {
        s_.lookup.integer(1, run).integer(2, lookup.process).text(3, as_text(lookup.name));
        TRY(s_.lookup.text(4, as_text(lookup.address)).run());
    }
    return ok{};
}

result<ok> RunInserts::others(int64_t run, const PendingRows& rows, uint32_t first_syscall,
                              uint32_t first_fact) {
    TRY(processes(run, rows));
    TRY(sockets(run, rows));
    TRY(names(run, rows));
    for (const PendingRows::Syscall& use : rows.syscalls) {
        s_.syscall.integer(1, store_key(run, first_syscall++)).integer(2, use.process).integer(3, use.number);
        TRY(s_.syscall.run());
    }
    for (const PendingRows::FactRow& fact : rows.facts) {
        s_.fact.integer(1, store_key(run, first_fact++)).text(3, fact.kind).text(5, as_text(fact.value));
        fact.process != 0 ? s_.fact.integer(2, fact.process) : s_.fact.null(2);
        fact.path != 0 ? s_.fact.integer(4, fact.path) : s_.fact.null(4);
        TRY(s_.fact.run());
    }
    return ok{};
}

} // namespace treadline

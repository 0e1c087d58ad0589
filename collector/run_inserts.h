// The prepared statements that store the rows of a run; each takes what is pending and adds it to the open
// transaction.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "collector/file_rows.h"
#include "collector/path_table.h"
#include "collector/pending_rows.h"
#include "collector/sqlite_statement.h"

namespace treadline {

// Bytes that are no UTF-8 become U+FFFD: TEXT columns hold no others.
std::string json_array(const std::vector<std::string>& texts);
std::string as_text(std::string_view text);

class RunInserts {
public:
    static result<RunInserts> prepare(sqlite3* database);

    // `first`: the number of the first that is stored.
    result<ok> paths(int64_t run, const PathTable& paths, uint32_t first);
    result<ok> files(int64_t run, const FileRows& files);
    result<ok> others(int64_t run, const PendingRows& rows, uint32_t first_syscall, uint32_t first_fact);

private:
    using Statement = sqlite::Statement;
    struct Statements {
        Statement path;
        Statement file;
        Statement file_update;
        Statement process;
        Statement process_end;
        Statement socket;
        Statement syscall;
        Statement syscall_name;
        Statement environment;
        Statement lookup;
        Statement fact;
    };
    explicit RunInserts(Statements statements) : s_(std::move(statements)) {}

    result<ok> processes(int64_t run, const PendingRows& rows);
    result<ok> sockets(int64_t run, const PendingRows& rows);
    result<ok> names(int64_t run, const PendingRows& rows);

    Statements s_;
};

} // namespace treadline

// What the store's tests share: runs to write, and the stores of earlier versions kept in fixtures/.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "collector/trace_writer.h"
#include "tests/support/support.h"

namespace treadline::test {

RunInfo sample_run();

// One process with a file access for each path, a socket, a system call and a variable.
void fill(TraceWriter& writer, const std::vector<std::string>& paths);

// "/some/long/path/0" …
std::vector<std::string> numbered_paths(int count);

// Copies a store of tests/collector/fixtures, its WAL included, to a directory as trace.db; returns the path.
std::string copy_of_fixture(const std::string& name, const TemporaryDirectory& directory);

// Runs SQL on a database, whatever it is.
void sql(const std::string& path, const std::string& text);
int64_t sql_number(const std::string& path, const std::string& query);
std::string sql_text(const std::string& path, const std::string& query);

// What a function returns when it runs in a process of its own, which may change its limits, user or
// namespaces.
std::string in_child(const std::function<std::string()>& work);

} // namespace treadline::test

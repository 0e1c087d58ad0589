// Interpreters between a script and the program that runs it in the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// The interpreter a file's first line names ("#!/usr/bin/env node" -> "/usr/bin/env"); "" if it names none.
std::string shebang(std::string_view first_line);

// A script's interpreter may be a script: those in the chain before `program`, resolved. The kernel follows
// at most five (execve(2)).
std::vector<std::string> script_interpreters(const std::string& script, const std::string& program);

} // namespace treadline

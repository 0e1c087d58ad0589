// Programs that the kernel reads to run another: interpreters of scripts, the loader of a dynamically linked
// one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/path_resolver.h"

namespace treadline {

// The interpreter a file's first line names ("#!/usr/bin/env node" -> "/usr/bin/env"); "" if it names none.
std::string shebang(std::string_view first_line);

// A script's interpreter may be a script: those in the chain before `program`, resolved. The kernel follows
// at most five (execve(2)). `start`: what the process sees.
std::vector<std::string> script_interpreters(const std::string& script, const std::string& program,
                                             const Start& start);

// The loader an ELF program of this machine's word size names (PT_INTERP), from its first bytes; "" if it
// names none.
std::string elf_interpreter(std::string_view bytes);

// That of a program, resolved; "" if it has none or cannot be read.
std::string program_loader(const std::string& program, const Start& start);

} // namespace treadline

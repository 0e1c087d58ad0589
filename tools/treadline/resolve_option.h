// --resolve, alike in `learn` and `enforce`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace treadline {

void add_resolve_option(CLI::App* command, std::vector<std::string>& given, const std::string& besides = "");

// NAME=ADDRESS[,ADDRESS…]
result<std::map<std::string, std::vector<std::string>>> given_addresses(const std::vector<std::string>& given);

} // namespace treadline

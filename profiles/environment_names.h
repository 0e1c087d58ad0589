// Environment variables that deserve a closer look than their name in a list: what `NAME*` never passes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace treadline {

// Why a variable of this name likely holds a secret; none for the rest.
std::optional<std::string> secret_variable(std::string_view name);

// Why a variable of this name makes a program run code it names; none for the rest.
std::optional<std::string> code_variable(std::string_view name);

} // namespace treadline

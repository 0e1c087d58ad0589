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

// What is wrong with an entry of `pass` (a trailing `*` stands for any rest), as a phrase behind its quoted text; "" for nothing.
std::string variable_complaint(std::string_view entry);

} // namespace treadline

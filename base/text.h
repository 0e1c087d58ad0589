// Small text helpers that more than one stage needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace treadline {

// The text with what a person would not see, or would see as something else (control characters, line separators,
// bidirectional and zero-width formatting: base/invisible.h) and bytes that are not valid UTF-8 written as \xNN, backslash
// as \\: safe to print on a terminal or in a report, whatever a hostile program named its files.
std::string printable(std::string_view text);

// The same for text whose backslashes are escapes already, as a rule's are: they stay as they are.
std::string printable_escaped(std::string_view text);

// As it is, or printable() if a person would not see all of it: for words of a command, and for rules, which carry their own
// escapes.
std::string legible(const std::string& text);

// A command as a person could paste it into a shell (bash, zsh, or one of POSIX 2024: $'…'), and see all of it.
std::string shell_quoted(const std::vector<std::string>& argv);

// The errno's symbolic name, "EACCES"; "E123" for one that has none.
std::string errno_name(int code);

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trimmed(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

} // namespace treadline

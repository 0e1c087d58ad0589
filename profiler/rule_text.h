// One proposed rule as text: the line of YAML it becomes, and the few words behind it.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "profiler/reduce.h"
#include "profiles/profile_editor.h"

namespace treadline {

// Where a section stands in the file ("network.connect"), and one word for it ("connect").
std::string_view section_key(Section section);
std::string_view section_word(Section section);

// "${project}/**: r" -> path and modes. For rules of Section::Files.
std::pair<std::string, Modes> file_rule_parts(std::string_view text);

// Quoted where YAML needs it, without indentation and without the "- " of a list.
std::string yaml_line(const ProposedRule& rule);

// "node, npm (2 of 3 runs)"; "(3 runs)" where every run needed it; "" where nothing is known.
std::string short_evidence(const Evidence& evidence);

// What stands behind the rule: why it waits, if it does, and its evidence.
std::string rule_comment(const ProposedRule& rule);

// A line of a new profile: `line`, and its comment where comments stand.
std::string with_comment(std::string line, const std::string& comment);

// For the editor: the rule where it belongs, with its comment.
Insertion insertion_of(const ProposedRule& rule);

// A rule with the abstraction it comes from, if it does: "/usr/**: r (include base)".
std::string shown(const std::string& rule, const Origin& origin);

} // namespace treadline

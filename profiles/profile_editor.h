// Changes to a profile's text that leave every other byte as a person wrote it.
//
// Each function reads its own result back and compares: what cannot be changed safely (a profile in a style
// this does not understand) is an error, never a damaged file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "profiles/profile.h"

namespace treadline {

struct Insertion {
    // include, files, private, deny, network.connect, network.listen, network.publish, unix, syscalls,
    // environment.pass; each of them but deny also with "review." in front
    std::string section;
    // For files "PATH: MODES", quoted as YAML where that is needed (Decision::remedy, rule_line()); for the
    // rest the entry, plain or as a YAML scalar in quotes.
    std::string line;
    std::string comment;   // written behind it (not inside [] or {}); one line, made printable; "" for none
    bool withheld = false; // written as a comment line for a person to accept by removing the `#`
};

// Where an insertion's place is: sorted in where the section is sorted, else at its end; a missing section is
// appended. A path that has a rule already gets the missing modes added to it. What is there already, as a
// rule or (withheld) as a comment, is skipped: inserting twice changes nothing. `file` is for messages.
result<std::string> insert_rules(std::string_view text, const std::vector<Insertion>& insertions,
                                 const std::string& file);

// Sets runs, complete and certificate in `learned`; its command stays as it is where there is one.
result<std::string> update_learned(std::string_view text, const Learned& learned, const std::string& file);

} // namespace treadline

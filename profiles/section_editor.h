// Inserting rules into one section of a profile's text. Internal to the editor, which checks the outcome.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "profiles/profile.h"

namespace treadline {

struct SectionRule {
    std::string text; // the path, or the whole entry
    Modes modes;      // files only
    std::string comment;
    bool withheld = false;
};

// `section` as in profile_editor.h's Insertion; `file` is for messages. Every step parses the text as it then
// is, so no offset is ever stale.
result<std::string> insert_into_section(std::string text, const std::string& file, std::string_view section,
                                        const std::vector<SectionRule>& rules);

} // namespace treadline

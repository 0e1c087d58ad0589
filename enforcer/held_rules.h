// File rules as this disk has them: variables are expanded already, here globs become names, links become
// what they lead to, and what is missing is sorted out. Looks at the disk, changes nothing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "enforcer/plan.h"
#include "profiles/policy.h"

namespace treadline {

struct HeldRule {
    std::string path;              // resolved; exists, or is one of Plan::make_directories
    Extent extent = Extent::Exact; // never a Glob
    Modes modes;
    bool directory = false;
    bool device = false;
    std::string why; // the rule as written
};

struct HeldRules {
    std::vector<HeldRule> rules;
    std::vector<std::string> make_directories;
    std::map<std::string, std::string> aliases; // see Plan
    std::map<std::string, std::string> links;   // symbolic links on the way to rules: path -> text
    std::map<std::string, std::string> notes;   // by rule text: what is not held as written
    // Private directories that a rule `DIRECTORY/**: x` lets programs run from; the host's own stays out of sight.
    std::set<std::string> executable_private;
};

result<HeldRules> hold_rules(const Policy& policy);

// Whether a file rule with `c` opens its directory for making and replacing names. Not in a home or another
// directory that starts out hidden: there only the file itself is given, to be written in place.
bool creates_beside(const HeldRule& rule, const Policy& policy);

// Directories of the host that start out hidden: homes, temporary ones, everything that is not the system's.
bool starts_hidden(const std::string& path, const Policy& policy);

// A symbolic link on the way that the policy would let the command make; "" if there is none. An earlier run may have
// planted it, so a rule is never held for where it leads: `${project}/build/**: rwc` must not come to mean the home.
std::string makeable_link(const std::string& path, const Policy& policy);

// Existing paths that match a pattern with `*`, sorted; at most `limit`, then an error.
result<std::vector<std::string>> expand_glob(const std::string& pattern, size_t limit = 10'000);

struct DirectoryEntry {
    std::string name;
    bool directory = false;
    bool symlink = false;
};
// Sorted by name; empty if it cannot be read.
std::vector<DirectoryEntry> list_directory(const std::string& path);

} // namespace treadline

// Files in the project that look like secrets and that the run did not touch: a rule for the project's files
// must not bring them along.
//
// Outside the project such a file keeps its directory from being folded (hard_limits.h). The project is one
// rule in most profiles, so there a `deny` line takes the file out of it. What the catalogue names needs
// none: its guards hold anyway.
// How far is looked: disk_survey.h. Only so many files are looked into for a private key.
#pragma once

#include <string>
#include <vector>

#include "profiler/reduce.h"
#include "profiles/guards.h"

namespace treadline {

struct LookAlike {
    std::string path; // portable, escaped
    std::string why;  // "a copy of a credential", "a private key"
};

// Of one directory's names, those the trie does not have. `portable` is the directory's.
class LookAlikeSearch {
public:
    LookAlikeSearch(const Guards& guards, const Variables& variables, const DiskView& disk)
        : guards_(guards), variables_(variables), disk_(disk) {}

    void see(const std::string& directory, const DiskView::Entry& entry);
    [[nodiscard]] const std::vector<LookAlike>& found() const { return found_; }
    [[nodiscard]] bool looked_into_all() const { return opened_ <= most_opened; }

private:
    static constexpr size_t most_opened = 5000;
    const Guards& guards_;
    const Variables& variables_;
    const DiskView& disk_;
    size_t opened_ = 0;
    std::vector<LookAlike> found_;
};

// By a directory's name: what makes the one above it a working copy.
bool is_version_control(std::string_view name);
// Neither that nor where packages and tests keep their keys.
bool may_be_searched(std::string_view directory);

// A `deny` for each that a rule of the proposal, or of the profile there is, would let be read.
std::vector<ProposedRule> deny_look_alikes(const std::vector<LookAlike>& found,
                                           const std::vector<ProposedRule>& rules, const Policy* existing,
                                           const Variables& variables);

} // namespace treadline

// What lies on the disk now beside what the runs touched: how much a rule would expose, and what it must not
// reach.
//
// What a rule would show is counted in one level of each directory that a rule may be folded into and that
// something below is needed of; a directory nobody came to counts as a typical one. What must not be reached
// is looked for below those, too, as far as unseen_search.h goes: secrets, and outside ${project} other
// projects. Where that was not far enough, outside ${project} no rule spans what was not looked at; inside,
// searched_project() says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiler/access_set.h"
#include "profiler/hard_limits.h"
#include "profiler/look_alikes.h"
#include "profiler/reduce.h"

namespace treadline {

struct DirectorySurvey {
    int64_t files = 0;         // on the disk and not in the trie
    int64_t passing_files = 0; // of these, with a name that changes from run to run
    int64_t directories = 0;   // in the same way
    bool truncated = false;
    bool working_copy = false; // of a version control system: the root of a project
};

class DiskSurvey {
public:
    DiskSurvey() = default; // nothing is known
    // `needs` as in fold(). A secret that is found outside ${project} is told to `limits`.
    DiskSurvey(const AccessSet& set, const std::vector<Modes>& needs, const Variables& variables,
               const Guards& guards, const DiskView& disk, HardLimits& limits);

    // Whether all of ${project} that a rule may bring along was looked at for look-alikes.
    [[nodiscard]] bool searched_project() const { return searched_project_; }
    // In ${project}, and not touched.
    [[nodiscard]] const std::vector<LookAlike>& look_alikes() const { return look_alikes_; }
    [[nodiscard]] const DirectorySurvey& of(PathTrie::Node node) const {
        static const DirectorySurvey nothing;
        return node < at_.size() && at_[node] != 0 ? surveys_[at_[node] - 1] : nothing;
    }

private:
    std::vector<uint32_t> at_; // by node: 1 + index into surveys_, or 0
    std::vector<DirectorySurvey> surveys_;
    std::vector<LookAlike> look_alikes_; // by path
    bool searched_project_ = true;
};

// Whether the catalogue names the file, or would without the ending that a copy of it got (`id_rsa.bak`).
// Names that the catalogue guards in a home count anywhere.
bool looks_like_a_credential(const Guards& guards, const Variables& variables, const std::string& path);

} // namespace treadline

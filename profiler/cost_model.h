// What a rule costs: one for reading it, plus what it allows that nobody was seen to need.
//
// Exposure is counted in entries that exist but were not used in that way, each weighed by what it is, and
// enters as log2(1 + weight): the first file too many matters more than the thousandth. Everything here is a
// constant with its reason, or a fact about one path; the search is fold.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/access_set.h"
#include "profiler/path_trie.h"
#include "profiler/volatile_names.h"

namespace treadline {

enum class PathClass : uint8_t {
    Nothing, // "/" and other places that are only on the way
    System,  // files of installed packages: public, the same on every machine
    Config,  // /etc
    Modules, // language modules and toolchains, wherever they lie
    Project,
    Cache,
    Home,
    Temporary,
    Kernel, // /proc and /sys
    Device,
    Runtime,   // /run
    Elsewhere, // /srv, /mnt, /var/lib …
};

namespace cost {
// The unit: one line for a person to read.
inline constexpr double rule = 1.0;
// Landlock cannot stop at one level, so a `dir/` rule costs mounts; prefer `dir/**` where it is about as
// tight.
inline constexpr double names_surcharge = 0.15;
// A private directory exposes nothing, but what was put there is gone afterwards.
inline constexpr double private_directory = 1.0;
// A file with an ordinary name that the run left in a temporary place may be a result somebody wants.
inline constexpr double lost_result = 0.7;
// A rule that names what is called differently next time is no rule: dearer than any plausible fold.
inline constexpr double volatile_name = 8.0;
// Holds here until an upgrade, and not on the next machine.
inline constexpr double version_name = 0.5;
// A program the run makes and executes is another file next time, and a rule held for the old one does not reach it:
// dearer than a rule for its directory, yet possible where no directory may be folded.
inline constexpr double replaced_program = 30.0;
// Made and removed by the run: lock and temporary files, whose neighbours come next time.
inline constexpr double transient_name = 1.5;
// Seen in some runs and not in others, as other names beside it: the next run may bring a third.
inline constexpr double varying_name = 2.0;
// A directory below that nobody looked into: a typical one.
inline constexpr double entries_of_unseen_directory = 30.0;
// Where the list of a directory was cut.
inline constexpr double entries_beyond_listing = 1000.0;
// What will lie there one day, or lies there and was not listed: a wide rule is never free.
inline constexpr double entries_to_come_in_subtree = 30.0;
inline constexpr double entries_to_come_in_directory = 5.0;
// `${project}/**` with w or c reaches all that a person edits, which many small exposures do not add up to.
inline constexpr double whole_project_writable = 2.0;
// In a directory the run makes names in, what lies there is mostly what earlier runs made.
inline constexpr double output_directory_factor = 0.1;
// From how many made, or written, names on a directory is one the run makes names in.
inline constexpr int output_names_made = 2;
inline constexpr int output_names_written = 3;
} // namespace cost

// The exposure of one unused entry of a class, for one mode. Relative to each other: see the table.
double entry_weight(PathClass path_class, Mode mode);

class CostModel {
public:
    CostModel(const AccessSet& set, const Variables& variables);

    [[nodiscard]] PathClass class_of(PathTrie::Node node) const { return facts_[node].path_class; }
    // What a rule that names this node costs beyond cost::rule.
    [[nodiscard]] double name_penalty(PathTrie::Node node) const { return facts_[node].penalty; }
    // Whether a name on the way to the node, or its own, changes from run to run.
    [[nodiscard]] bool is_volatile(PathTrie::Node node) const { return facts_[node].is_volatile; }
    // The modes `dir/` and `dir/**` may grant here at all; none where nothing may be folded into.
    [[nodiscard]] Modes foldable(PathTrie::Node node) const { return facts_[node].foldable; }
    // What `dir/**` costs here beyond rule and exposure, for the modes it adds.
    [[nodiscard]] double subtree_surcharge(PathTrie::Node node, Modes added) const;
    [[nodiscard]] bool may_be_private(PathTrie::Node node) const { return facts_[node].may_be_private; }
    // Made by the run in a place that may be private, or in a directory it made there.
    [[nodiscard]] bool made_in_private(PathTrie::Node node) const { return facts_[node].made_in_private; }
    // A directory the run made or removed: rules further down do not outlive it, one for its tree does.
    [[nodiscard]] bool must_be_whole(PathTrie::Node node) const { return facts_[node].must_be_whole; }
    // A file somebody may miss when its directory was private.
    [[nodiscard]] bool is_result(PathTrie::Node node) const { return facts_[node].is_result; }

private:
    struct Facts {
        float penalty = 0;
        PathClass path_class = PathClass::Nothing;
        Modes foldable;
        bool is_volatile = false;
        bool is_version = false;
        bool may_be_private = false;
        bool made_in_private = false;
        bool is_result = false;
        bool must_be_whole = false;
        bool transient_subtree = false; // everything at and below it was made and removed by the run
        bool nothing_known = false;     // of it and everything below
        bool only_volatile_below = false;
        uint32_t varying_children = 0; // seen in some of the runs that came to this directory
    };
    void judge_upwards(const AccessSet& set);
    void judge_downwards(const AccessSet& set, const Variables& variables);
    std::vector<Facts> facts_;
    PathTrie::Node project_ = PathTrie::none;
};

} // namespace treadline

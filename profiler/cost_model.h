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
#include "profiler/lines.h"
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
inline constexpr MilliLines rule = one_line;
// Landlock cannot stop at one level, so a `dir/` rule costs mounts; prefer `dir/**` where it is about as
// tight.
inline constexpr MilliLines names_surcharge = 150;
// A private directory exposes nothing, but what was put there is gone afterwards.
inline constexpr MilliLines private_directory = one_line;
// A file with an ordinary name that the run left in a temporary place may be a result somebody wants.
inline constexpr MilliLines lost_result = 700;
// A rule that names what is called differently next time is no rule: dearer than any plausible fold.
inline constexpr MilliLines volatile_name = 8 * one_line;
// Holds here until an upgrade, and not on the next machine.
inline constexpr MilliLines version_name = one_line / 2;
// A program the run makes and executes is another file next time, and a rule held for the old one does not
// reach it: dearer than a rule for its directory, yet possible where no directory may be folded.
inline constexpr MilliLines replaced_program = 30 * one_line;
// Made and removed by the run: lock and temporary files, whose neighbours come next time.
inline constexpr MilliLines transient_name = 3 * one_line / 2;
// Seen in some runs and not in others, as other names beside it: the next run may bring a third.
inline constexpr MilliLines varying_name = 2 * one_line;
// A directory below that nobody looked into: a typical one.
inline constexpr int64_t entries_of_unseen_directory = 30;
// Where the list of a directory was cut.
inline constexpr int64_t entries_beyond_listing = 1000;
// What will lie there one day, or lies there and was not listed: a wide rule is never free.
inline constexpr int64_t entries_to_come_in_subtree = 30;
inline constexpr int64_t entries_to_come_in_directory = 5;
// `${project}/**` with w or c reaches all that a person edits, which many small exposures do not add up to.
inline constexpr MilliLines whole_project_writable = 2 * one_line;
// In a directory the run makes names in, what lies there is mostly what earlier runs made: a tenth counts.
inline constexpr int64_t output_directory_divisor = 10;
// From how many made, or written, names on a directory is one the run makes names in.
inline constexpr int output_names_made = 2;
inline constexpr int output_names_written = 3;
} // namespace cost

// The exposure of one unused entry of a class, for one mode. Relative to each other: see the table.
Weight entry_weight(PathClass path_class, Mode mode);

class CostModel {
public:
    CostModel(const AccessSet& set, const Variables& variables);

    [[nodiscard]] PathClass class_of(PathTrie::Node node) const { return facts_[node].path_class; }
    // What a rule that names this node costs beyond cost::rule.
    [[nodiscard]] MilliLines name_penalty(PathTrie::Node node) const { return facts_[node].penalty; }
    // Whether a name on the way to the node, or its own, changes from run to run.
    [[nodiscard]] bool is_volatile(PathTrie::Node node) const { return facts_[node].is_volatile; }
    // The modes `dir/` and `dir/**` may grant here at all; none where nothing may be folded into.
    [[nodiscard]] Modes foldable(PathTrie::Node node) const { return facts_[node].foldable; }
    // What `dir/**` costs here beyond rule and exposure, for the modes it adds.
    [[nodiscard]] MilliLines subtree_surcharge(PathTrie::Node node, Modes added) const;
    [[nodiscard]] bool may_be_private(PathTrie::Node node) const { return facts_[node].may_be_private; }
    // Made by the run in a place that may be private, or in a directory it made there.
    [[nodiscard]] bool made_in_private(PathTrie::Node node) const { return facts_[node].made_in_private; }
    // A directory the run made or removed: rules further down do not outlive it, one for its tree does.
    [[nodiscard]] bool must_be_whole(PathTrie::Node node) const { return facts_[node].must_be_whole; }
    // A file somebody may miss when its directory was private.
    [[nodiscard]] bool is_result(PathTrie::Node node) const { return facts_[node].is_result; }

private:
    struct Facts {
        MilliLines penalty = 0;
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

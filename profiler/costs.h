// What rules cost, as data: review (lines to read) plus exposure (what a rule allows that nobody was seen to
// need), times the tightness that was asked for. Each number with its reason; what they are applied to is
// cost_model.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "profiler/lines.h"
#include "profiles/profile.h"

namespace treadline {

enum class PathClass : uint8_t {
    Nothing, // "/" and other places that are only on the way
    System,  // files of installed packages: public, the same on every machine
    Config,  // /etc
    Modules, // language modules and toolchains, wherever they lie
    Project,
    Cache,
    Home,
    OtherUser,    // another user's home
    OtherProject, // a working copy that is not ${project}
    Temporary,
    Kernel, // /proc and /sys
    Device,
    Runtime,   // /run
    Elsewhere, // /srv, /mnt, /var/lib …
};
constexpr size_t path_classes = 14;

// The exposure of one existing entry of a class that was not used in that way.
struct Weights {
    Weight read = 0, write = 0, create = 0, execute = 0;
    // Whether the thousandth entry counts less than the first. Where nobody minds an entry much, "a tree of
    // these" is one thing to agree to, whatever its size. Where each file is somebody's, it is counted as
    // one.
    bool logarithmic = false;

    [[nodiscard]] Weight of(Mode mode) const;
};

struct Costs {
    // Review.
    MilliLines rule = one_line;
    // Landlock cannot stop at one level, so a `dir/` rule costs mounts; prefer `dir/**` where it is about as
    // tight.
    MilliLines names_surcharge = 150;
    // A private directory exposes nothing, but what was put there is gone afterwards.
    MilliLines private_directory = one_line;
    // A file with an ordinary name that the run left in a temporary place may be a result somebody wants.
    MilliLines lost_result = 700;

    // Rules that will not hold. One that names what is called differently next time is a line read for
    // nothing and a denial in every later run: dearer than a fold that shows a dozen of somebody's files.
    MilliLines volatile_name = 30 * one_line;
    // Holds here until an upgrade, and not on the next machine.
    MilliLines version_name = one_line / 2;
    // A program the run makes and executes is another file next time, and a rule held for the old one does
    // not reach it.
    MilliLines replaced_program = 30 * one_line;
    // Made and removed by the run: lock and temporary files, whose neighbours come next time.
    MilliLines transient_name = 3 * one_line / 2;
    // Seen in some runs and not in others, as other names beside it: the next run may bring a third.
    MilliLines varying_name = 2 * one_line;

    // Exposure.
    std::array<Weights, path_classes> weights = default_weights();
    // In thousandths; all that is exposure is multiplied by it, what is review is not. 2 is a profile that
    // shows half as much for each line it saves. Hard limits hold at any tightness.
    int64_t tightness = 1000;
    // A directory below that nobody looked into: a typical one.
    int64_t entries_of_unseen_directory = 30;
    // Where the list of a directory was cut.
    int64_t entries_beyond_listing = 1000;
    // What will lie there one day: a wide rule is never free. A guess, not a file, so it counts by its
    // logarithm.
    int64_t entries_to_come_in_subtree = 30;
    int64_t entries_to_come_in_directory = 5;
    // `${project}/**` with w or c reaches all that a person edits, which many small exposures do not add up
    // to.
    MilliLines whole_project_writable = 2 * one_line;
    // In a directory the run makes names in, what lies there is mostly what earlier runs made: a tenth
    // counts, and names that change from run to run count by their logarithm.
    int64_t output_directory_divisor = 10;
    // From how many made, or written, names on a directory is one the run makes names in.
    int output_names_made = 2;
    int output_names_written = 3;

    [[nodiscard]] const Weights& of(PathClass path_class) const {
        return weights[static_cast<size_t>(path_class)];
    }
    static std::array<Weights, path_classes> default_weights();
};

// "0.5", "2": thousandths. An error that says what is possible (0.01 to 100, at most three decimals).
result<int64_t> parse_tightness(std::string_view text);

} // namespace treadline

#include "profiler/costs.h"

#include <algorithm>

namespace treadline {
namespace {

// A rule saves a line for each file that was touched, so a weight of W lines lets a fold show 1/W untouched
// files for each touched one. Where the files are somebody's, that share is the limit: half as many to read,
// a tenth to change, a fifth to execute.
constexpr Weight somebodys_to_read = 2 * one_entry;
constexpr Weight somebodys_to_change = 10 * one_entry;
constexpr Weight somebodys_to_execute = 5 * one_entry;
// Never worth a line, however many it saves.
constexpr Weight out_of_question = 1000 * one_entry;

Weights weights_of(PathClass path_class) {
    switch (path_class) {
    case PathClass::System:
        // Public, and the same for everybody. Changing one changes every program's. A program more is one
        // whose options somebody may abuse.
        return {one_entry / 10'000, 10 * one_entry, 10 * one_entry, one_entry / 50, true};
    case PathClass::Config:
        // World-readable for the most part, yet it describes this machine. Changing it changes the system.
        return {one_entry / 50, 20 * one_entry, 20 * one_entry, 10 * one_entry, false};
    case PathClass::Modules:
        // Public packages, though a copy of one's own: others load what is changed here.
        return {one_entry / 2000, one_entry / 20, one_entry / 50, one_entry / 50, true};
    case PathClass::Project:
        // What the command was started to work on. A change shows in the next diff, a program in the next
        // run.
        return {one_entry / 500, one_entry / 20, one_entry / 50, one_entry / 10, true};
    case PathClass::Cache:
        // Can be had again; what lies there came from public places, mostly.
        return {one_entry / 20, one_entry / 20, one_entry / 20, one_entry / 2, true};
    case PathClass::Home:
        return {somebodys_to_read, somebodys_to_change, somebodys_to_change, somebodys_to_execute, false};
    case PathClass::OtherProject:
        // Work that this command has no part in, with its own secrets and its own hooks: twice as dear as
        // home.
        return {2 * somebodys_to_read, 2 * somebodys_to_change, 2 * somebodys_to_change,
                2 * somebodys_to_execute, false};
    case PathClass::Temporary:
        // Other programs' files, for a while.
        return {one_entry / 2, one_entry / 2, one_entry / 2, one_entry, false};
    case PathClass::Kernel:
        // In the sandbox /proc shows its own processes, and /sys describes hardware. Writing changes the
        // machine.
        return {one_entry / 1000, 20 * one_entry, 20 * one_entry, 20 * one_entry, false};
    case PathClass::Device:
        return {10 * one_entry, 20 * one_entry, 20 * one_entry, 20 * one_entry, false};
    case PathClass::Runtime:
        // Other programs' sockets and locks: each is a way to talk to one.
        return {5 * one_entry, somebodys_to_change, somebodys_to_change, 20 * one_entry, false};
    case PathClass::Elsewhere:
        // Data nobody here knows: as somebody's.
        return {somebodys_to_read, somebodys_to_change, somebodys_to_change, somebodys_to_execute, false};
    case PathClass::OtherUser: // nothing folds there anyway (hard_limits.h)
    case PathClass::Nothing:
        break;
    }
    return {out_of_question, out_of_question, out_of_question, out_of_question, false};
}

} // namespace

Weight Weights::of(Mode mode) const {
    switch (mode) {
    case Mode::Read:
        return read;
    case Mode::Write:
        return write;
    case Mode::Create:
        return create;
    case Mode::Execute:
        return execute;
    }
    return execute;
}

std::array<Weights, path_classes> Costs::default_weights() {
    std::array<Weights, path_classes> weights;
    for (size_t i = 0; i < path_classes; ++i) {
        weights[i] = weights_of(static_cast<PathClass>(i));
    }
    return weights;
}

result<int64_t> parse_tightness(std::string_view text) {
    constexpr int64_t least = 10;
    constexpr int64_t most = 100'000;
    const auto refused = [&] {
        return fail("'" + std::string(text) +
                    "' is no tightness: give a number from 0.01 to 100 with at most three decimals; 1 is the usual one");
    };
    const size_t point = std::min(text.find('.'), text.size());
    const std::string_view decimals = text.substr(std::min(point + 1, text.size()));
    if (point == 0 || point > 3 || decimals.size() > 3 || (point < text.size() && decimals.empty())) {
        return refused();
    }
    int64_t value = 0;
    for (const char digit : std::string(text.substr(0, point)) + std::string(decimals)) {
        if (digit < '0' || digit > '9') {
            return refused();
        }
        value = value * 10 + (digit - '0');
    }
    for (size_t i = decimals.size(); i < 3; ++i) {
        value *= 10;
    }
    if (value < least || value > most) {
        return refused();
    }
    return value;
}

} // namespace treadline

// `treadline profile`: make or extend the profile from stored runs, without a new run.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "tools/treadline/commands.h"
#include "tools/treadline/write_profile.h"

namespace treadline {
namespace {

struct ProfileOptions : Options {
    std::vector<int64_t> runs;
    Costs costs;
};

result<ok> profile(const ProfileOptions& options) {
    const Context context = TRY(make_context(options));
    const std::set<int64_t> wanted(options.runs.begin(), options.runs.end());
    std::vector<Trace> traces =
        TRY(read_traces(context, [&](const RunInfo& run) { return wanted.empty() || wanted.count(run.id) != 0; }));
    for (const int64_t run : wanted) {
        if (std::none_of(traces.begin(), traces.end(), [&](const Trace& trace) { return trace.run.id == run; })) {
            return fail(fmt::format("there is no stored run {}; 'treadline runs' lists them", run));
        }
    }
    // Runs asked for by number are used as they are.
    return write_profile_from(context, wanted.empty() ? whole_runs(std::move(traces), 0) : std::move(traces), options.costs);
}

} // namespace

void add_profile(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<ProfileOptions>();
    CLI::App* command = app.add_subcommand("profile", "Make or extend the profile from stored runs, without a new run");
    add_profile_option(command, *options);
    add_store_option(command, *options);
    command->add_option("--run", options->runs, "use this run only; may be repeated (default: all)")
        ->type_name("N")
        ->allow_extra_args(false);
    add_tightness_option(command, options->costs);
    command->footer("An existing profile keeps every byte a person wrote; delete it to start afresh.\n"
                    "Example:  treadline profile --run 2 --run 3");
    command->callback([options, &invocation] {
        const auto done = profile(*options);
        invocation.status = done ? exit_ok : complain(done.error(), exit_usage);
    });
}

} // namespace treadline

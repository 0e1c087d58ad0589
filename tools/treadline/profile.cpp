// `treadline profile`: make or extend the profile from stored runs, without a new run.
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "profiler/minimise.h"
#include "profiles/shipped.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/write_profile.h"

namespace treadline {
namespace {

struct ProfileOptions : Options {
    std::vector<int64_t> runs;
    Costs costs;
    bool minimise = false;
};

// Says what the runs do not need; the file stays as it is.
result<int> show_minimised(const Context& context, std::vector<Trace> traces, bool json) {
    if (traces.empty()) {
        return fail("there are no stored runs to hold the profile against; run 'treadline learn -- COMMAND' first");
    }
    const Policy policy = TRY(load_context_policy(context));
    const Profile profile = TRY(load_profile(context.profile));
    const std::string folder = TRY(sys::realpath(std::string(parent_path(context.profile))));
    const Reduction reduction(context, std::move(traces));
    const Minimised minimised = TRY(minimise(
        {profile, policy, reduction.input.traces, reduction.input.variables, abstraction_loader(folder)}));
    TRY(sys::write_all(STDOUT_FILENO, json ? to_json(minimised) : to_text(minimised, described(context))));
    return minimised.can_shrink() ? exit_found : exit_ok;
}

result<int> profile(const ProfileOptions& options) {
    if (options.json && !options.minimise) {
        return fail("--json is for --minimise; a profile is written to its file");
    }
    const Context context = TRY(make_context(options));
    const std::set<int64_t> wanted(options.runs.begin(), options.runs.end());
    std::vector<Trace> traces =
        TRY(read_traces(context, [&](const RunInfo& run) { return wanted.empty() || wanted.count(run.id) != 0; },
                        TraceReader::Files::AsRows));
    for (const int64_t run : wanted) {
        if (std::none_of(traces.begin(), traces.end(), [&](const Trace& trace) { return trace.run.id == run; })) {
            return fail(fmt::format("there is no stored run {} of which anything was traced; 'treadline runs' lists them", run));
        }
    }
    // Runs asked for by number are used as they are.
    if (wanted.empty()) {
        traces = whole_runs(std::move(traces), 0);
    }
    if (options.minimise) {
        return show_minimised(context, std::move(traces), options.json);
    }
    TRY(write_profile_from(context, std::move(traces), options.costs));
    return exit_ok;
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
    command->add_flag("--minimise,--minimize", options->minimise,
                      "write nothing; say which rules the runs need, which others make redundant, which were never used");
    add_json_option(command, *options);
    command->footer("An existing profile keeps every byte a person wrote; delete it to start afresh.\n"
                    "With --minimise, exits 1 when rules could be dropped.\n"
                    "Example:  treadline profile --run 2 --run 3\n"
                    "          treadline profile --minimise");
    command->callback([options, &invocation] {
        const auto status = profile(*options);
        invocation.status = status ? *status : complain(status.error(), exit_usage);
    });
}

} // namespace treadline

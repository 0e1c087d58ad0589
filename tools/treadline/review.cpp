// `treadline review`: what the profile allows, why, and what is risky.
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "profiler/review.h"
#include "profiles/profile_reader.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/write_profile.h"

namespace treadline {
namespace {

size_t terminal_columns() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
        return size.ws_col;
    }
    return 100;
}

// From the runs of the command the profile was last learned for: of other commands the next run is no sample.
result<Confidence> confidence_of(const Context& context, const Policy& policy, const Profile& profile) {
    std::vector<Trace> traces = whole_runs(TRY(read_traces(context, [&](const RunInfo& run) {
                                               return run.project == context.project && profile.learned &&
                                                      run.command == profile.learned->command;
                                           })),
                                           0);
    Reduction reduction(context, std::move(traces));
    Confidence confidence = confidence_in(policy, reduction.input.traces, reduction.input.variables);
    confidence.left_out = TRY(leave_one_out(reduction.input, confidence.denied));
    return confidence;
}

result<ok> show_review(const Options& options) {
    const Context context = TRY(make_context(options));
    const Policy policy = TRY(load_context_policy(context));
    const std::string text = TRY(sys::read_file(context.profile));
    const Profile profile = TRY(read_profile(text, context.profile));
    std::vector<Trace> traces =
        TRY(read_traces(context, [&](const RunInfo& run) { return run.project == context.project; }));
    const Reduction reduction(context, std::move(traces));
    Review shown =
        review({profile, policy, text, described(context), reduction.input.traces, reduction.input.variables});
    Confidence confidence = TRY(confidence_of(context, policy, profile));
    if (confidence.runs > 0) {
        shown.confidence = std::move(confidence);
    }
    return sys::write_all(STDOUT_FILENO, options.json ? to_json(shown) : to_text(shown, terminal_columns()));
}

} // namespace

void add_review(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("review", "Say what the profile allows, why, and what is risky");
    add_profile_option(command, *options);
    add_store_option(command, *options);
    add_json_option(command, *options);
    command->footer("Example:  treadline review | less");
    command->callback([options, &invocation] {
        const auto done = show_review(*options);
        invocation.status = done ? exit_ok : complain(done.error(), exit_usage);
    });
}

} // namespace treadline

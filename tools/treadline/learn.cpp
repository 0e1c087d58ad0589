// `treadline learn`: the launcher with an all-permissive plan, the collector watching, the profiler writing.
#include <chrono>

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "collector/session.h"
#include "enforcer/sandbox.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/write_profile.h"

namespace treadline {
namespace {

struct LearnOptions : Options {
    bool allow_credentials = false;
    Costs costs;
};

RunInfo describe_run(const Context& context, const std::vector<std::string>& command, const Machine& machine) {
    RunInfo run;
    run.started_unix_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    run.command = command;
    run.cwd = context.directory;
    run.project = context.project;
    run.home = context.variables.get("home");
    run.user = context.user.name;
    run.uid = context.user.uid;
    utsname names{};
    ::uname(&names);
    run.hostname = names.nodename;
    run.kernel = names.release;
    run.landlock_abi = machine.landlock_abi;
    return run;
}

result<int> learn(const LearnOptions& options, const std::vector<std::string>& command) {
    // What needs root under sudo comes first; from then on everything is the ordinary user's.
    CollectorSession session = TRY(CollectorSession::spawn(invoking_uid().value_or(::geteuid())));
    TRY(become_invoking_user());

    const Context context = TRY(make_context(options));
    if (context.profile_exists) {
        TRY(load_context_policy(context)); // a broken profile is said before the run, not after it
    }
    TRY(sys::make_directories(std::string(parent_path(context.store)), 0700));

    const Machine machine = inspect_machine();
    Command to_run;
    to_run.argv = command;
    to_run.directory = context.directory;
    to_run.environment = context.environment;
    to_run.uid = context.user.uid;
    to_run.gid = context.user.gid;
    const Plan plan = TRY(compile_learning(context.variables, machine, to_run, options.allow_credentials));
    Sandbox sandbox = TRY(Sandbox::start(plan));
    TRY(session.begin(sandbox.pidfd(), context.store, describe_run(context, command, machine)));
    TRY(sandbox.release());
    const Outcome outcome = TRY(sandbox.wait([](const Violation& violation) {
        say(violation.reason); // a mask that was lost: the only thing a learning run is held to
    }));
    const CollectorSummary summary = TRY(session.finish({outcome.exit_status}));

    for (const std::string& reason : summary.incomplete_because) {
        say("the trace is partial: " + printable(reason));
    }
    if (outcome.exit_status != 0) {
        say(fmt::format("the command ended with {}; what it would have done after its failure is not in the profile",
                        outcome.exit_status));
    }
    // Runs of the same command teach together: what differs between them is what is volatile.
    const auto same_command = [&](const RunInfo& run) {
        return run.id == summary.run || (run.command == command && run.project == context.project);
    };
    std::vector<Trace> traces = TRY(read_traces(context, same_command, TraceReader::Files::AsRows));
    TRY(write_profile_from(context, whole_runs(std::move(traces), summary.run), options.costs));
    return outcome.exit_status;
}

} // namespace

void add_learn(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<LearnOptions>();
    CLI::App* command = app.add_subcommand("learn", "Trace a run of a command, then write or extend its profile");
    add_profile_option(command, *options);
    add_store_option(command, *options);
    command->add_flag("--allow-credentials", options->allow_credentials,
                      "let the command read credentials (they are masked otherwise, and the attempt is recorded)");
    add_tightness_option(command, options->costs);
    command->footer("The command runs as you, unconfined but for masked credentials; read what was learned before you\n"
                    "trust it. Ends with the command's own status; 125 when Treadline itself failed.\n"
                    "Example:  treadline learn -- npm test");
    command->callback([options, &invocation] {
        if (invocation.command.empty()) {
            say("which command? put it behind --, as in: treadline learn -- npm test");
            invocation.status = exit_failed;
            return;
        }
        const auto status = learn(*options, invocation.command);
        invocation.status = status ? *status : complain(status.error(), exit_failed);
    });
}

} // namespace treadline

// `treadline learn`: the launcher with an all-permissive plan, the collector watching, the profiler writing.
#include <cerrno>

#include <fmt/format.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "collector/session.h"
#include "enforcer/sandbox.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/learn_network.h"
#include "tools/treadline/resolve_option.h"
#include "tools/treadline/run_info.h"
#include "tools/treadline/write_profile.h"

namespace treadline {
namespace {

struct LearnOptions : Options {
    bool allow_credentials = false;
    std::string network; // "host"
    std::vector<std::string> resolve;
    Costs costs;
};

// Behind the egress gateway wherever that can be set up.
result<LearningOptions> learning_options(const LearnOptions& options, const Machine& machine) {
    if (!options.network.empty() && options.network != "host") {
        return fail("--network knows only 'host'; without it the command's connections go through the egress gateway");
    }
    LearningOptions learning;
    learning.allow_credentials = options.allow_credentials;
    learning.resolve = TRY(given_addresses(options.resolve));
    if (!options.network.empty()) {
        return learning;
    }
    const auto possible = check_recording(machine);
    learning.through_gateway = possible.has_value();
    if (!possible) {
        say("the command has this machine's own network, because the egress gateway cannot be set up: " + printable(possible.error().message()) +
            "; hosts are what its lookups say, and what is spoken is guessed by the port");
    }
    return learning;
}

// A command that runs for an hour is not to end in a profile that cannot be written.
result<ok> check_writable(const Context& context) {
    std::string where(parent_path(context.profile));
    while (::access(where.c_str(), F_OK) != 0 && errno == ENOENT && where != "/") {
        where = std::string(parent_path(where));
    }
    if (::access(where.c_str(), W_OK | X_OK) == 0) {
        return ok{};
    }
    return fail_errno(fmt::format("cannot write the profile '{}', because of '{}'; make that writable to you, or name another file with -p (the "
                                  "command was not run)",
                                  printable(context.profile), printable(where)));
}

result<int> learn(const LearnOptions& options, const std::vector<std::string>& command) {
    // What needs root under sudo comes first; from then on everything is the ordinary user's.
    CollectorSession session = TRY(CollectorSession::spawn(invoking_uid().value_or(::geteuid())));
    TRY(become_invoking_user());

    const Context context = TRY(make_context(options));
    if (context.profile_exists) {
        TRY(load_context_policy(context)); // a broken profile is said before the run, not after it
    }
    TRY(check_writable(context));
    TRY(sys::make_directories(std::string(parent_path(context.store)), 0700));

    const Machine machine = inspect_machine();
    Command to_run;
    to_run.argv = command;
    to_run.directory = context.directory;
    to_run.environment = context.environment;
    to_run.uid = context.user.uid;
    to_run.gid = context.user.gid;
    const LearningOptions learning = TRY(learning_options(options, machine));
    const Plan plan = TRY(compile_learning(context.variables, machine, to_run, learning));
    Sandbox sandbox = TRY(Sandbox::start(plan));
    TRY(session.begin(sandbox.pidfd(), context.store, describe_run(context, command, machine.landlock_abi, plan.network == NetworkMode::Recorded ? "gateway" : "host")));
    TRY(sandbox.release());
    const Outcome outcome = TRY(sandbox.wait([](const Violation& violation) {
        say(violation.reason); // a mask that was lost, the only thing a learning run is held to, or the gateway's end
    }));
    const egress::Recording recording = outcome.recording.value_or(egress::Recording());
    CommandEnd end{outcome.exit_status, recording.incomplete_because};
    if (outcome.recording) { // before the run can be complete
        if (const auto stored = store_gateway_record(context.store, session.run(), record_of(recording)); !stored) {
            end.incomplete_because.push_back("what the egress gateway saw could not be stored: " + stored.error().message());
        }
    }
    const CollectorSummary summary = TRY(session.finish(end));

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
    for (const Trace& trace : traces) {
        if (trace.run.id != summary.run || !outcome.recording) {
            continue;
        }
        if (const std::string line = not_carried(trace, recording); !line.empty()) {
            say(line);
        }
    }
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
    command->add_option("--network", options->network,
                        "'host' gives the command this machine's own network: for what needs UDP; protocols are guessed then")
        ->type_name("host");
    add_resolve_option(command, options->resolve);
    add_tightness_option(command, options->costs);
    command->footer("The command runs as you, unconfined but for masked credentials; read what was learned before you\n"
                    "trust it. Its connections pass through the egress gateway, which lets them all pass and records them.\n"
                    "Ends with the command's own status; 125 when Treadline itself failed.\n"
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

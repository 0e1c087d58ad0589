// `treadline enforce`: hold a command to the profile.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/secrets.h"
#include "enforcer/landlock_log.h"
#include "enforcer/opened_besides.h"
#include "enforcer/report.h"
#include "enforcer/sandbox.h"
#include "enforcer/unseen.h"
#include "profiles/profile_reader.h"
#include "tools/treadline/captured_run.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/known_denials.h"
#include "tools/treadline/last_run.h"
#include "tools/treadline/report_files.h"
#include "tools/treadline/resolve_option.h"
#include "tools/treadline/run_info.h"

namespace treadline {
namespace {

constexpr size_t shown_lines = 20;

struct EnforceOptions : Options {
    bool strict = false;
    bool audit = false;
    bool allow_credentials = false;
    bool allow_degraded = false;
    bool capture = false;
    int64_t replay = 0; // a run's number; 0 for none
    std::string network;
    std::vector<std::string> resolve;
    std::vector<std::string> reports;
};

// --strict trusts a learned profile only with a good certificate; one written by hand has a person behind it.
result<ok> check_certificate(const Profile& profile, const std::string& path) {
    if (!profile.learned || (profile.learned->complete && !profile.learned->certificate.empty())) {
        return ok{};
    }
    return fail(fmt::format("{}: --strict refuses it because its learning run was not complete; learn again with "
                            "'treadline learn', or leave --strict out",
                            path));
}

// What a person sees while the command runs: the first lines, and in the end how many there were besides.
class Screen {
public:
    void show(const std::string& line) {
        if (lines_++ < shown_lines) {
            say(line);
        }
    }
    void show(const Violation& violation) {
        const bool explained = violation.rule.empty() && violation.review.empty() && !violation.reason.empty();
        show(headline(violation) + "; " + (explained ? printable(violation.reason) : remedy_sentence(violation)) +
             (violation.risk.empty() ? "" : "   # risky: " + printable(violation.risk)));
    }
    // One line about what was not shown, if there was anything.
    void close(size_t expected) {
        const size_t hidden = lines_ - std::min(lines_, shown_lines);
        std::string more = hidden > 0 ? fmt::format("and {} more", hidden) : "";
        if (expected > 0) {
            more += fmt::format("{}{} denied as expected", more.empty() ? "" : ", ", expected);
        }
        if (!more.empty()) {
            say(more + "; 'treadline explain --last' lists all");
        }
    }

private:
    size_t lines_ = 0;
};

result<Plan> plan_for(const EnforceOptions& options, const std::shared_ptr<const Policy>& policy, const Command& command,
                      const Machine& machine, const std::shared_ptr<const egress::Secrets>& secrets,
                      const std::shared_ptr<const egress::Replay>& replay) {
    if (options.audit) {
        return compile_audit(policy, machine, command, options.allow_credentials);
    }
    CompileOptions compile_options;
    compile_options.allow_degraded = options.allow_degraded;
    compile_options.network_host = options.network == "host";
    compile_options.resolve = TRY(given_addresses(options.resolve));
    compile_options.secrets = secrets;
    compile_options.capture = options.capture;
    compile_options.replay = replay;
    return compile(policy, machine, command, compile_options);
}

// The heap grows to about this while a plan is made. One call for all of its pages instead of a fault for each; not before the
// first process has been forked, which would make each of them a copy.
void touch_heap() {
    void* volatile block = std::malloc(size_t{127} * 1024); // more than there is: the heap grows by M_TOP_PAD, see main()
    std::free(block);
    constexpr size_t size = size_t{1} << 20;
    const auto end = reinterpret_cast<uintptr_t>(::sbrk(0)) & ~uintptr_t{4095};
    ::madvise(reinterpret_cast<void*>(end - size), size, MADV_POPULATE_WRITE); // Linux 5.14
}

int strict_status(const RunReport& report, int status) {
    const size_t count = count_unexpected(report);
    if (status != exit_ok || count == 0) {
        return status;
    }
    say(fmt::format("the command succeeded, but {} {} {}denied (--strict)", count, count == 1 ? "access" : "accesses",
                    report.audit ? "would be " : count == 1 ? "was " : "were "));
    return exit_denied;
}

using LandlockRecords = result<std::shared_ptr<LandlockLog>>;

result<int> enforce(const EnforceOptions& options, const Invocation& invocation, const LandlockRecords& records) {
    if (!options.network.empty() && options.network != "host") {
        return fail("--network knows only 'host'; without it the command gets what the profile allows");
    }
    if (options.allow_credentials && !options.audit) {
        return fail("--allow-credentials goes with --audit; a rule that names a credential opens it in an enforced run");
    }
    if ((options.capture || options.replay != 0) && (options.audit || !options.network.empty() || (options.capture && options.replay != 0))) {
        return fail("--capture and --replay are the egress gateway's: they go with neither --audit nor --network, nor with each other");
    }
    // The kernel makes the namespaces while the plan is being made.
    auto begun = options.audit ? std::nullopt : Beginning::make(options.network != "host");
    touch_heap();
    const Context context = TRY(make_context(options));
    auto lock = ProjectLock::share(context.project);
    auto policy = std::make_shared<const Policy>(TRY(load_context_policy(context)));
    const std::string text = TRY(sys::read_file(context.profile));
    if (options.strict) {
        const Profile profile = TRY(read_profile(text, context.profile));
        TRY(check_certificate(profile, context.profile));
    }
    std::optional<KnownDenials> known; // what the text says besides is read when something was denied; it was parsed before
    const auto note = [&](Violation& violation) {
        if (!known) {
            known = KnownDenials::read(text, context.profile, context.variables).value_or(KnownDenials());
        }
        known->note(violation);
    };

    Command command;
    command.argv = invocation.command;
    command.directory = context.directory;
    command.environment = context.environment;
    command.uid = context.user.uid;
    command.gid = context.user.gid;
    std::shared_ptr<const egress::Secrets> secrets;
    if (!policy->credentials().empty() && !options.audit) {
        secrets = TRY(egress::look_up_secrets(*policy, command.environment, command.argv,
                                              options.replay == 0 ? egress::Sources::Asked : egress::Sources::LeftAlone));
    }
    const auto replay = options.replay == 0 ? nullptr : TRY(load_replay(context, options.replay));
    auto plan = std::make_shared<const Plan>(TRY(plan_for(options, policy, command, inspect_machine(UserNamespaces::Assume), secrets, replay)));
    ReportFiles files = TRY(ReportFiles::open(options.reports, context, *policy));
    auto started = Sandbox::start(plan, std::move(begun), std::move(lock), records.value_or(nullptr));
    if (const Machine machine = started ? Machine{} : inspect_machine(); !started && !machine.user_namespaces) {
        plan = std::make_shared<const Plan>(TRY(plan_for(options, policy, command, machine, secrets, replay))); // says why, or goes on without
        started = Sandbox::start(plan, std::nullopt, std::nullopt, records.value_or(nullptr));
    }
    Sandbox sandbox = TRY(std::move(started));
    new std::shared_ptr(plan); // for good: giving back its thousands of pieces would be the longest step of the end
    Screen screen;
    for (const std::string& gap : plan->degraded) {
        screen.show("degraded: " + gap);
    }

    RunInfo captured = options.capture ? describe_run(context, invocation.command, plan->landlock_abi, "gateway") : RunInfo();
    const auto begun_at = std::chrono::steady_clock::now();
    TRY(sandbox.release());
    auto outcome = sandbox.wait([&](const Violation& violation) {
        Violation noted = violation;
        note(noted);
        if (noted.expected.empty()) {
            screen.show(noted);
        }
    });
    if (!outcome) {
        return complain(outcome.error(), exit_failed);
    }
    for (Violation& violation : outcome->violations) {
        note(violation);
        violation.opens = opened_besides(*policy, violation);
    }
    int status = outcome->exit_status;
    if (outcome->kept) {
        captured.duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_at).count();
        captured.exit_status = status;
        if (const auto stored = store_kept(context, captured, *outcome->kept); !stored) {
            status = complain(stored.error(), exit_failed);
        }
    }
    RunReport report;
    report.command = invocation.command;
    report.profile = context.profile;
    report.project = context.project;
    report.outcome = std::move(*outcome);
    report.degraded = plan->degraded;
    report.unseen = unseen_denials(*plan, records ? (*records)->gap() : records.error().what);
    report.audit = options.audit;
    const auto& all = report.outcome.violations;
    screen.close(static_cast<size_t>(std::count_if(all.begin(), all.end(), [](const Violation& one) {
        return !one.expected.empty() && one.layer != "environment"; // which is so at each run
    })));

    for (const error& problem : files.write(report)) {
        status = complain(problem, exit_failed);
    }
    if (const auto kept = remember_last_run(context, to_json(report)); !kept) {
        say("'explain --last' will not know this run: " + printable(kept.error().message()));
    }
    if (options.audit) {
        const size_t count = count_unexpected(report) - count_denied(report);
        say(fmt::format("audit: nothing was held but masked credentials and the profile; {} would be denied",
                        count == 0 ? "nothing more" : count == 1 ? "1 access" : fmt::format("{} accesses", count)));
    }
    return options.strict ? strict_status(report, status) : status;
}

} // namespace

void add_enforce(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<EnforceOptions>();
    CLI::App* command = app.add_subcommand("enforce", "Run a command held to the profile");
    add_profile_option(command, *options);
    add_store_option(command, *options);
    command->add_flag("--capture", options->capture,
                      "keep the HTTP exchanges that the gateway looks into (plain HTTP, and hosts under `inspect` or `credentials`), redacted, as "
                      "a run of the store");
    command->add_option("--replay", options->replay, "answer with the exchanges of this captured run, and reach nothing else")->type_name("RUN")->check(CLI::PositiveNumber);
    command->add_flag("--strict", options->strict,
                      "end in 77 if anything was denied; refuse a profile whose learning run was not complete");
    command->add_flag("--audit", options->audit,
                      "hold nothing and report what would be denied; credentials that no rule opens stay masked, as while learning");
    command->add_flag("--allow-credentials", options->allow_credentials, "with --audit: leave credentials readable, and report that");
    command->add_flag("--allow-degraded", options->allow_degraded,
                      "go on where this machine cannot hold a rule, naming the gaps");
    command->add_option("--network", options->network, "'host' gives the command the host's whole network (a degradation)")
        ->type_name("host");
    add_resolve_option(command, options->resolve, "; what is no public address needs a rule all the same");
    command->add_option("--report", options->reports,
                        "write what was denied: json, text, junit, sarif or github, and where ('-' is standard output); may be "
                        "repeated")
        ->type_name("FORMAT:FILE")
        ->allow_extra_args(false);
    command->footer("Needs no privilege. Ends with the command's own status; 125 when Treadline itself failed, 126 when\n"
                    "the profile was refused or cannot be held here (nothing has run then), 124 when a limit of the\n"
                    "profile ended the run, 77 with --strict.\n"
                    "Example:  treadline enforce --report json:denied.json -- npm test\n"
                    "          treadline enforce --capture -- npm ci     then, without a network:\n"
                    "          treadline enforce --replay 4 -- npm ci");
    command->callback([options, &invocation] {
        if (invocation.command.empty()) {
            say("which command? put it behind --, as in: treadline enforce -- npm test");
            invocation.status = exit_failed;
            return;
        }
        const LandlockRecords records = LandlockLog::open(); // which root may, and the invoking user not
        if (const auto dropped = become_invoking_user(); !dropped) {
            invocation.status = complain(dropped.error(), exit_refused);
            return;
        }
        const auto status = enforce(*options, invocation, records);
        invocation.status = status ? *status : complain(status.error(), exit_refused);
    });
}

} // namespace treadline

// `treadline enforce`: hold a command to the profile.
#include <memory>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/held_rules.h"
#include "enforcer/report.h"
#include "enforcer/sandbox.h"
#include "profiles/profile_reader.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/last_run.h"

namespace treadline {
namespace {

// What a person sees of the denials while the command runs: never more than about a screen.
constexpr size_t shown_denials = 20;

struct EnforceOptions : Options {
    bool strict = false;
    bool allow_degraded = false;
    std::string network;
    std::vector<std::string> reports;
};

struct ReportTarget {
    enum class Format { Json, Text } format = Format::Json;
    std::string file;
    unique_fd directory;
    unique_fd fd; // opened before the command starts: a report that cannot be written is a refusal
};

// The command may have removed the report's file, or put one of its own in its place.
bool still_in_place(const ReportTarget& target) {
    struct stat opened {};
    struct stat named {};
    return ::fstat(target.fd.get(), &opened) == 0 &&
           ::fstatat(target.directory.get(), std::string(file_name(target.file)).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

result<ok> write_report(ReportTarget& target, const std::string& text) {
    const std::string name(file_name(target.file));
    if (!still_in_place(target)) {
        say("the command removed or replaced the report " + printable(target.file) + "; it is written anew");
        ::unlinkat(target.directory.get(), name.c_str(), 0);
        target.fd = TRY(sys::openat(target.directory.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    }
    if (::ftruncate(target.fd.get(), 0) != 0 && errno != EINVAL) { // EINVAL: a pipe or a device
        return fail_errno("cannot empty the file");
    }
    return sys::write_all(target.fd.get(), text);
}

result<std::vector<ReportTarget>> open_reports(const EnforceOptions& options, const Context& context, const Policy& policy) {
    std::vector<ReportTarget> targets;
    for (const std::string& text : options.reports) {
        const size_t colon = text.find(':');
        const std::string format = text.substr(0, colon);
        if (colon == std::string::npos || colon + 1 == text.size() || (format != "json" && format != "text")) {
            return fail(fmt::format("--report wants FORMAT:FILE with json or text, as in json:denied.json; got '{}'",
                                    printable(text)));
        }
        ReportTarget target;
        target.format = format == "json" ? ReportTarget::Format::Json : ReportTarget::Format::Text;
        target.file = join_path(context.directory, text.substr(colon + 1));
        if (const std::string link = makeable_link(target.file, policy); !link.empty()) {
            return fail(fmt::format("the report's path leads through '{}', a link that the command may have made; name another file",
                                    printable(link)));
        }
        target.directory = TRY(sys::open(std::string(parent_path(target.file)), O_PATH | O_DIRECTORY));
        target.fd = TRY(sys::open(target.file, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
        targets.push_back(std::move(target));
    }
    return targets;
}

// --strict trusts a learned profile only with a good certificate; one written by hand has a person behind it.
result<ok> check_certificate(const Profile& profile, const std::string& path) {
    if (!profile.learned || (profile.learned->complete && !profile.learned->certificate.empty())) {
        return ok{};
    }
    return fail(fmt::format("{}: --strict refuses it because its learning run was not complete; learn again with "
                            "'treadline learn', or leave --strict out",
                            path));
}

void show(const Violation& violation) {
    const std::string what = fmt::format("denied {} {} ({}, {})", violation.operation, printable(violation.object),
                                         violation.layer, printable(file_name(violation.exe)));
    if (violation.rule.empty()) {
        say(what + (violation.reason.empty() ? "" : "; " + printable(violation.reason)));
    } else if (!violation.review.empty()) {
        say(fmt::format("{}; to allow it, move up from 'review:'   {}", what, printable(violation.review)));
    } else {
        say(fmt::format("{}; to allow it, add under '{}:'   {}{}", what, violation.section, violation.rule,
                        violation.risk.empty() ? "" : "   # risky: " + printable(violation.risk)));
    }
}

result<int> enforce(const EnforceOptions& options, const Invocation& invocation) {
    if (!options.network.empty() && options.network != "host") {
        return fail("--network knows only 'host'; without it the command gets what the profile allows");
    }
    const Context context = TRY(make_context(options));
    auto policy = std::make_shared<const Policy>(TRY(load_context_policy(context)));
    if (options.strict) {
        const std::string text = TRY(sys::read_file(context.profile));
        const Profile profile = TRY(read_profile(text, context.profile));
        TRY(check_certificate(profile, context.profile));
    }

    Command command;
    command.argv = invocation.command;
    command.directory = context.directory;
    command.environment = context.environment;
    command.uid = context.user.uid;
    command.gid = context.user.gid;
    CompileOptions compile_options;
    compile_options.allow_degraded = options.allow_degraded;
    compile_options.network_host = options.network == "host";
    Plan plan = TRY(compile(policy, inspect_machine(UserNamespaces::Assume), command, compile_options));
    for (const std::string& gap : plan.degraded) {
        say("degraded: " + gap);
    }

    std::vector<ReportTarget> reports = TRY(open_reports(options, context, *policy));
    auto started = Sandbox::start(plan);
    if (const Machine machine = started ? Machine{} : inspect_machine(); !started && !machine.user_namespaces) {
        plan = TRY(compile(policy, machine, command, compile_options)); // says why, or goes on without
        started = Sandbox::start(plan);
    }
    Sandbox sandbox = TRY(std::move(started));
    TRY(sandbox.release());
    size_t denied = 0;
    auto outcome = sandbox.wait([&](const Violation& violation) {
        if (++denied <= shown_denials) {
            show(violation);
        }
    });
    if (!outcome) {
        return complain(outcome.error(), exit_failed);
    }
    if (denied > shown_denials) {
        say(fmt::format("and {} more; 'treadline explain --last' shows all", denied - shown_denials));
    }

    const RunReport report{invocation.command, context.profile, *outcome, plan.degraded};
    const std::string as_json = to_json(report);
    int status = outcome->exit_status;
    for (ReportTarget& target : reports) {
        const std::string text = target.format == ReportTarget::Format::Json ? as_json : to_text(report);
        const auto written = write_report(target, text);
        if (!written) {
            status = complain(error{written.error().code, "cannot write the report " + target.file}, exit_failed);
        }
    }
    if (const auto kept = remember_last_run(context, as_json); !kept) {
        say("'explain --last' will not know this run: " + printable(kept.error().message()));
    }
    if (options.strict && status == exit_ok && !outcome->violations.empty()) {
        say(fmt::format("the command succeeded, but {} {} denied (--strict)", denied, denied == 1 ? "access was" : "accesses were"));
        return exit_denied;
    }
    return status;
}

} // namespace

void add_enforce(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<EnforceOptions>();
    CLI::App* command = app.add_subcommand("enforce", "Run a command held to the profile");
    add_profile_option(command, *options);
    command->add_flag("--strict", options->strict,
                      "end in 77 if anything was denied; refuse a profile whose learning run was not complete");
    command->add_flag("--allow-degraded", options->allow_degraded,
                      "go on where this machine cannot hold a rule, naming the gaps");
    command->add_option("--network", options->network, "'host' gives the command the host's whole network (a degradation)")
        ->type_name("host");
    command->add_option("--report", options->reports, "write what was denied, json:FILE or text:FILE; may be repeated")
        ->type_name("FORMAT:FILE")
        ->allow_extra_args(false);
    command->footer("Needs no privilege. Ends with the command's own status; 125 when Treadline itself failed, 126 when\n"
                    "the profile was refused or cannot be held here (nothing has run then), 124 when a limit of the\n"
                    "profile ended the run, 77 with --strict.\n"
                    "Example:  treadline enforce --report json:denied.json -- npm test");
    command->callback([options, &invocation] {
        if (invocation.command.empty()) {
            say("which command? put it behind --, as in: treadline enforce -- npm test");
            invocation.status = exit_failed;
            return;
        }
        if (const auto dropped = become_invoking_user(); !dropped) {
            invocation.status = complain(dropped.error(), exit_refused);
            return;
        }
        const auto status = enforce(*options, invocation);
        invocation.status = status ? *status : complain(status.error(), exit_refused);
    });
}

} // namespace treadline

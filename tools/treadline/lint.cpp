// `treadline lint`: what is wrong or doubtful in a profile, without any run.
#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "profiler/lint.h"
#include "profiles/profile_reader.h"
#include "profiles/shipped.h"
#include "tools/treadline/commands.h"

namespace treadline {
namespace {

result<std::vector<Finding>> findings_in(const Context& context, const std::string& text) {
    const auto profile = read_profile(text, context.profile);
    if (!profile) {
        return std::vector<Finding>{unreadable(profile.error(), context.profile)};
    }
    const std::string folder = TRY(sys::realpath(std::string(parent_path(context.profile))));
    const auto policy = Policy::build(*profile, context.profile, context.variables, abstraction_loader(folder));
    if (!policy) {
        return std::vector<Finding>{unreadable(policy.error(), context.profile)};
    }
    return lint({*profile, *policy, text, [](const std::string& path) {
                     const auto resolved = sys::realpath(path);
                     return resolved ? std::optional(*resolved) : std::nullopt;
                 }});
}

result<int> lint_profile(const Options& options) {
    const Context context = TRY(make_context(options));
    if (!context.profile_exists) {
        return fail(fmt::format("there is no profile at {}; name one with -p", context.profile));
    }
    const std::string text = TRY(sys::read_file(context.profile));
    const std::vector<Finding> findings = TRY(findings_in(context, text));
    TRY(sys::write_all(STDOUT_FILENO, options.json ? to_json(findings) : to_text(findings, described(context))));
    const auto errors = std::count_if(findings.begin(), findings.end(),
                                      [](const Finding& finding) { return finding.severity == Severity::Error; });
    if (!options.json && findings.empty()) {
        say(described(context) + ": nothing to remark");
    }
    return errors > 0 ? exit_found : exit_ok;
}

} // namespace

void add_lint(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("lint", "Say what in the profile is too broad, unsafe or superfluous");
    add_profile_option(command, *options);
    add_json_option(command, *options);
    command->footer("Exits 1 when there are errors; warnings and notes do not count. docs/cli.md lists the codes.\n"
                    "Example:  treadline lint -p .treadline/profile.yaml");
    command->callback([options, &invocation] {
        const auto status = lint_profile(*options);
        invocation.status = status ? *status : complain(status.error(), exit_usage);
    });
}

} // namespace treadline

// `treadline explain`: how each rule is held on this machine, or why the last enforced run was denied what it was.
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/plan.h"
#include "tools/treadline/commands.h"
#include "tools/treadline/last_run.h"

namespace treadline {
namespace {

struct ExplainOptions : Options {
    bool last = false;
    bool all = false;
};

result<std::string> explain_plan(const Context& context, Detail detail) {
    auto policy = std::make_shared<const Policy>(TRY(load_context_policy(context)));
    Command command;
    command.argv = {"COMMAND"};
    command.directory = context.directory;
    command.environment = context.environment;
    command.uid = context.user.uid;
    command.gid = context.user.gid;
    // What cannot be held here is shown as such rather than refused: nothing is run.
    CompileOptions options;
    options.allow_degraded = true;
    options.network_host = !policy->connect().empty();
    const Plan plan = TRY(compile(policy, inspect_machine(), command, options));
    return describe(plan, detail);
}

result<std::string> explain_last(const Context& context) {
    const std::string text = TRY(last_run(context));
    const auto report = nlohmann::json::parse(text, nullptr, false);
    if (report.is_discarded() || !report.is_object() || !report.contains("violations")) {
        return fail("the record of the last run is damaged; run 'treadline enforce' again");
    }
    try {
        const auto& violations = report.at("violations");
        std::string out = fmt::format("{}\nended with {}; {}\n", shell_quoted(report.at("command").get<std::vector<std::string>>()),
                                      report.at("exit_status").get<int>(),
                                      violations.empty() ? "nothing was denied" : fmt::format("{} denied:", violations.size()));
        for (const auto& violation : violations) {
            const auto& rule = violation.at("rule");
            out += fmt::format("\n{} {}  ({}, {} times, by {})\n", violation.at("operation").get<std::string>(),
                               violation.at("object").get<std::string>(), violation.at("layer").get<std::string>(),
                               violation.at("count").get<uint64_t>(), violation.at("process").at("exe").get<std::string>());
            const std::string reason = violation.value("reason", "");
            if (!reason.empty()) {
                out += fmt::format("  why: {}\n", reason);
            }
            const auto review = violation.find("review"); // not in reports of older versions
            out += review != violation.end() && review->is_string()
                       ? fmt::format("  to allow it, move up from 'review:'\n    {}\n", review->get<std::string>())
                   : rule.is_string() ? fmt::format("  to allow it, add under '{}:'\n    {}\n", violation.value("section", "files"),
                                                  rule.get<std::string>())
                                    : std::string("  no rule can allow it\n");
            const auto& risk = violation.at("risk");
            if (risk.is_string() && !risk.get<std::string>().empty()) {
                out += fmt::format("  risk: {}\n", risk.get<std::string>());
            }
        }
        return out;
    } catch (const nlohmann::json::exception&) {
        return fail("the record of the last run is damaged; run 'treadline enforce' again");
    }
}

result<ok> explain(const ExplainOptions& options) {
    const Context context = TRY(make_context(options));
    const std::string text = TRY(options.last ? explain_last(context)
                                              : explain_plan(context, options.all ? Detail::All : Detail::OwnRules));
    return sys::write_all(STDOUT_FILENO, text);
}

} // namespace

void add_explain(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<ExplainOptions>();
    CLI::App* command = app.add_subcommand("explain", "Say how each rule is held here, or why the last run was denied");
    add_profile_option(command, *options);
    add_store_option(command, *options);
    command->add_flag("--last", options->last, "what the last enforced run was denied, and the rules that would allow it");
    command->add_flag("--all", options->all, "also the abstractions' rules, and every step of the plan");
    command->footer("Example:  treadline explain --last");
    command->callback([options, &invocation] {
        const auto done = explain(*options);
        invocation.status = done ? exit_ok : complain(done.error(), exit_usage);
    });
}

} // namespace treadline

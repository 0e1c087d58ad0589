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
    const Machine machine = inspect_machine();
    auto plan = compile(policy, machine, command, options);
    if (!plan && !machine.user_namespaces && !policy->connect().empty()) {
        options.network_host = true;
        plan = compile(policy, machine, command, options);
    }
    return plan ? result<std::string>(describe(*plan, detail)) : failure(plan.error());
}

// Fields that reports of older versions do not have may be missing.
std::string explain_violation(const nlohmann::json& violation) {
    const auto text = [&](const char* field) {
        const auto found = violation.find(field);
        return found != violation.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const uint64_t count = violation.at("count");
    std::string out = fmt::format("\n{} {}  ({}, {} by {})\n", violation.at("operation").get<std::string>(),
                                  violation.at("object").get<std::string>(), violation.at("layer").get<std::string>(),
                                  count == 1 ? "once" : fmt::format("{} times", count),
                                  violation.at("process").at("exe").get<std::string>());
    const auto line = [&](const char* title, const std::string& what) {
        out += what.empty() ? "" : fmt::format("  {}: {}\n", title, what);
    };
    line("expected", text("expected_because"));
    line("why", text("reason"));
    if (const std::string review = text("review"); !review.empty()) {
        out += fmt::format("  to allow it, move up from 'review:'\n    {}\n", review);
    } else if (const std::string rule = text("rule"); !rule.empty()) {
        const std::string section = text("section");
        out += fmt::format("  to allow it, add under '{}:'\n    {}\n", section.empty() ? "files" : section, rule);
    } else {
        out += "  no rule can allow it\n";
    }
    line("that would also open", text("opens"));
    line("risk", text("risk"));
    return out;
}

result<std::string> explain_last(const Context& context) {
    const std::string text = TRY(last_run(context));
    const auto report = nlohmann::json::parse(text, nullptr, false);
    if (report.is_discarded() || !report.is_object() || !report.contains("violations")) {
        return fail("the record of the last run is damaged; run 'treadline enforce' again");
    }
    try {
        const auto& violations = report.at("violations");
        const bool audit = report.value("audit", false);
        std::string out = fmt::format("{}\nended with {}{}; {}\n",
                                      shell_quoted(report.at("command").get<std::vector<std::string>>()),
                                      report.at("exit_status").get<int>(), audit ? " (audit: nothing was held)" : "",
                                      violations.empty() ? audit ? "nothing would be denied" : "nothing was denied"
                                      : audit            ? fmt::format("{} would be denied:", violations.size())
                                                         : fmt::format("{} denied:", violations.size()));
        for (const auto& violation : violations) {
            out += explain_violation(violation);
        }
        for (const auto& gap : report.value("degraded", nlohmann::json::array())) {
            out += fmt::format("\nnot held here: {}\n", gap.get<std::string>());
        }
        for (const auto& gap : report.value("unseen", nlohmann::json::array())) {
            out += fmt::format("\nnot listed, if there were any: {}\n", gap.get<std::string>());
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

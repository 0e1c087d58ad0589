// `treadline diff`: what one profile allows that another does not.
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "profiler/diff.h"
#include "profiles/shipped.h"
#include "tools/treadline/commands.h"

namespace treadline {
namespace {

struct DiffOptions {
    std::string older;
    std::string newer;
    bool json = false;
};

result<int> compare(const DiffOptions& options) {
    // Both are judged as if they were this project's, wherever the files lie: CI compares two versions of one profile.
    const Context context = TRY(make_context({}));
    const Policy older = TRY(load_policy(join_path(context.directory, options.older), context.variables));
    const Policy newer = TRY(load_policy(join_path(context.directory, options.newer), context.variables));
    const ProfileDiff difference = diff(older, newer);
    std::string text = options.json ? to_json(difference) : to_text(difference);
    if (!text.empty() && text.back() != '\n') {
        text += '\n';
    }
    TRY(sys::write_all(STDOUT_FILENO, text));
    return difference.widens() ? exit_found : exit_ok;
}

} // namespace

void add_diff(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<DiffOptions>();
    CLI::App* command = app.add_subcommand("diff", "Say what the profile NEW allows that OLD did not, and the reverse");
    command->add_option("old", options->older, "the profile before")->required()->type_name("OLD");
    command->add_option("new", options->newer, "the profile after")->required()->type_name("NEW");
    command->add_flag("--json", options->json, "print JSON");
    command->footer("Exits 1 when NEW allows more.\n"
                    "Example:  git show main:.treadline/profile.yaml > /tmp/old.yaml\n"
                    "          treadline diff /tmp/old.yaml .treadline/profile.yaml");
    command->callback([options, &invocation] {
        const auto status = compare(*options);
        invocation.status = status ? *status : complain(status.error(), exit_usage);
    });
}

} // namespace treadline

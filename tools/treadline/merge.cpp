// `treadline merge`: one profile that allows what either of two allows.
#include <unistd.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "profiler/merge.h"
#include "profiles/profile_writer.h"
#include "profiles/shipped.h"
#include "tools/treadline/commands.h"

namespace treadline {
namespace {

struct MergeOptions {
    std::string first;
    std::string second;
};

struct Side {
    Profile profile;
    Policy policy;
    std::string folder;
};

result<Side> read_side(const Context& context, const std::string& file) {
    const std::string path = join_path(context.directory, file);
    return Side{TRY(load_profile(path)), TRY(load_policy(path, context.variables)),
                TRY(sys::realpath(std::string(parent_path(path))))};
}

result<int> merge_profiles(const MergeOptions& options) {
    // Both are judged as if they were this project's, as for diff.
    const Context context = TRY(make_context({}));
    const Side first = TRY(read_side(context, options.first));
    const Side second = TRY(read_side(context, options.second));
    const auto merged = merge({first.profile, first.policy, options.first, first.folder},
                              {second.profile, second.policy, options.second, second.folder});
    if (!merged) {
        return complain(merged.error(), exit_found);
    }
    for (const std::string& note : merged->notes) {
        say(printable(note));
    }
    TRY(sys::write_all(STDOUT_FILENO, write_profile(merged->profile)));
    return exit_ok;
}

} // namespace

void add_merge(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<MergeOptions>();
    CLI::App* command = app.add_subcommand("merge", "Print one profile that allows what either of two allows");
    command->add_option("first", options->first, "a profile")->required()->type_name("A");
    command->add_option("second", options->second, "another one")->required()->type_name("B");
    command->footer("`deny` of either wins. Comments are not kept. Exits 1, with the reason, where one profile cannot say what\n"
                    "the two do.\n"
                    "Example:  treadline merge test.yaml build.yaml > both.yaml");
    command->callback([options, &invocation] {
        const auto status = merge_profiles(*options);
        invocation.status = status ? *status : complain(status.error(), exit_usage);
    });
}

} // namespace treadline

#include "tools/treadline/run_info.h"

#include <chrono>

#include <sys/utsname.h>

namespace treadline {

RunInfo describe_run(const Context& context, const std::vector<std::string>& command, int landlock_abi, const std::string& network) {
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
    run.landlock_abi = landlock_abi;
    run.network = network;
    return run;
}

} // namespace treadline

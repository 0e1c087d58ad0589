// What every subcommand starts from: who runs it, which project, which profile, which store.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "profiles/policy.h"
#include "profiles/variables.h"

namespace treadline {

// Exit statuses of the contract (docs/cli.md).
enum ExitStatus : int {
    exit_ok = 0,
    exit_found = 1,    // query: something is denied; diff: the profile widens; lint: errors; --minimise: too many rules
    exit_usage = 2,    // the other subcommands: wrong words, unreadable input
    exit_denied = 77,  // enforce --strict: the command succeeded, but something was denied
    exit_failed = 125, // learn, enforce: Treadline itself failed
    exit_refused = 126 // enforce: the profile was refused or cannot be held here
};

struct Options {
    std::string profile; // -p; "" looks upwards from the current directory
    std::string store;   // --store; "" is the project's own
    bool json = false;
};

struct Context {
    UserIdentity user; // under sudo, the invoking user
    std::map<std::string, std::string> environment;
    std::string directory; // current directory, resolved
    std::string project;
    std::string profile; // path; need not exist
    bool profile_exists = false;
    std::string store; // path of the trace store; need not exist
    Variables variables;
};

// Under sudo, become the invoking user for good: everything but the collector runs with that user's rights. The
// environment is given that user's HOME, USER and LOGNAME.
result<ok> become_invoking_user();
std::optional<unsigned> invoking_uid(); // set only under sudo

result<Context> make_context(const Options& options);

// The profile with its includes, ready to decide. A missing or broken profile is an error that says what to do.
result<Policy> load_context_policy(const Context& context);

// The profile's path as a person in this directory would write it.
std::string described(const Context& context);

// One line on stderr, "treadline: …", safe for a terminal.
void say(std::string_view line);
int complain(const error& problem, int status);

} // namespace treadline

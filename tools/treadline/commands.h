// The subcommands, one file each. add_* declares the options; the chosen one's callback sets `status`.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/treadline/context.h"

namespace treadline {

struct Invocation {
    std::vector<std::string> command; // after `--`
    bool has_command = false;         // whether there was a `--`
    int status = exit_ok;
};

void add_learn(CLI::App& app, Invocation& invocation);
void add_profile(CLI::App& app, Invocation& invocation);
void add_runs(CLI::App& app, Invocation& invocation); // and show
void add_review(CLI::App& app, Invocation& invocation);
void add_diff(CLI::App& app, Invocation& invocation);
void add_lint(CLI::App& app, Invocation& invocation);
void add_merge(CLI::App& app, Invocation& invocation);
void add_query(CLI::App& app, Invocation& invocation);
void add_enforce(CLI::App& app, Invocation& invocation);
void add_explain(CLI::App& app, Invocation& invocation);
void add_doctor(CLI::App& app, Invocation& invocation);

// -p and --store, alike everywhere.
void add_profile_option(CLI::App* command, Options& options);
void add_store_option(CLI::App* command, Options& options);
void add_json_option(CLI::App* command, Options& options);

} // namespace treadline

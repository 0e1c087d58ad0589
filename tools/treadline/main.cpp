// treadline: parse the words, hand over to a subcommand, report an error once.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include <malloc.h>

#include <CLI/CLI.hpp>

#include "base/text.h"
#include "tools/treadline/commands.h"

namespace treadline {

void add_profile_option(CLI::App* command, Options& options) {
    command->add_option("-p,--profile", options.profile,
                        "profile to use (default: .treadline/profile.yaml here or above)")
        ->type_name("PROFILE");
}

void add_store_option(CLI::App* command, Options& options) {
    command->add_option("--store", options.store, "trace store (default: one for each project, in the state directory)")
        ->type_name("DB");
}

void add_json_option(CLI::App* command, Options& options) {
    command->add_flag("--json", options.json, "print JSON");
}

} // namespace treadline

int main(int argc, char** argv) {
    using namespace treadline;
    ::mallopt(M_TOP_PAD, 1 << 20); // ask the kernel for memory in few steps: a short run is over in some milliseconds
    Invocation invocation;
    // What follows `--` is the command's, whatever it looks like.
    std::vector<std::string> words;
    for (int i = 1; i < argc; ++i) {
        if (!invocation.has_command && std::string_view(argv[i]) == "--") {
            invocation.has_command = true;
        } else if (invocation.has_command) {
            invocation.command.emplace_back(argv[i]);
        } else {
            words.emplace_back(argv[i]);
        }
    }

    CLI::App app("Learns what a command needs, writes it down as a short profile, and holds later runs to it.",
                 "treadline");
    app.set_version_flag("--version", "treadline " TREADLINE_VERSION);
    app.require_subcommand(1);
    app.failure_message(CLI::FailureMessage::simple);
    app.footer("Start with:  treadline learn -- npm test\n"
               "then:        treadline review\n"
               "and then:    treadline enforce -- npm test");
    // `enforce` is started often and over soon: the others' options are not made for it.
    const bool others = words.empty() || words[0] != "enforce";
    if (others) {
        add_learn(app, invocation);
        add_profile(app, invocation);
        add_runs(app, invocation);
        add_review(app, invocation);
        add_diff(app, invocation);
        add_lint(app, invocation);
        add_merge(app, invocation);
        add_query(app, invocation);
    }
    add_enforce(app, invocation);
    if (others) {
        add_explain(app, invocation);
        add_doctor(app, invocation);
    }

    if (!words.empty() && !words[0].empty() && words[0][0] != '-' && app.get_subcommands([&](CLI::App* command) { return command->get_name() == words[0]; }).empty()) {
        say("there is no command '" + printable(words[0]) + "'; 'treadline --help' lists them");
        return exit_usage;
    }
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend()); // what CLI11 takes
        app.parse(reversed);
    } catch (const CLI::ParseError& problem) {
        if (problem.get_exit_code() == 0) {
            return app.exit(problem); // --help, --version
        }
        say(problem.what());
        const bool runs_command = !words.empty() && (words[0] == "learn" || words[0] == "enforce");
        say(runs_command ? "try 'treadline " + words[0] + " --help'" : "try 'treadline --help'");
        return runs_command ? exit_failed : exit_usage;
    } catch (const std::exception& problem) {
        // A library threw where no file of ours caught it, or memory ran out.
        say(std::string("internal error: ") + problem.what());
        return exit_failed;
    }
    if (invocation.status == 128 + SIGINT) {
        // The command died of Ctrl-C: so do we, so that a shell's loop around us ends as it would around the command.
        ::signal(SIGINT, SIG_DFL);
        ::raise(SIGINT);
    }
    std::fflush(nullptr);
    std::_Exit(invocation.status); // what is left in memory is the kernel's to take back, at once
}

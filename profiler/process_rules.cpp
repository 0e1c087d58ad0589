#include "profiler/process_rules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/text.h"
#include "profiler/access_set.h"
#include "profiles/environment_names.h"
#include "profiles/syscall_groups.h"

namespace treadline {
namespace {

struct Wanted {
    std::string withheld;
    EvidenceCounter counter;
};

// POSIX, Base Definitions 8.1; bash exports functions under names with more in them.
bool is_variable_name(std::string_view name) {
    return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
           });
}

std::vector<ProposedRule> rules_from(Section section, const std::map<std::string, Wanted>& wanted,
                                     size_t runs) {
    std::vector<ProposedRule> rules;
    for (const auto& [text, entry] : wanted) {
        rules.push_back({section, text, entry.counter.finish(static_cast<int>(runs)), entry.withheld});
    }
    return rules;
}

} // namespace

std::vector<ProposedRule> syscall_rules(const std::vector<Trace>& traces, const Policy& allowed,
                                        std::vector<std::string>& warnings) {
    std::map<std::string, Wanted> wanted;
    std::map<std::string, bool> unnamed;
    for (size_t run = 0; run < traces.size(); ++run) {
        const Subjects subjects(traces[run]);
        for (const SyscallUse& use : traces[run].syscalls) {
            if (use.name.empty() || use.name.front() == '#') {
                unnamed[use.name.empty() ? "#" + std::to_string(use.number) : use.name] = true;
                continue;
            }
            if (std::binary_search(allowed.syscalls().begin(), allowed.syscalls().end(), use.name)) {
                continue;
            }
            const std::string group = syscalls::group_of(use.name);
            Wanted& entry = wanted[group.empty() ? use.name : group];
            if (const auto danger = syscalls::danger_of(use.name)) {
                entry.withheld = *danger;
                if (use.name.rfind("io_uring_", 0) == 0) {
                    entry.withheld += "; libuv (node) does without it";
                }
            }
            entry.counter.add(subjects.of(use.process), run, 1);
            entry.counter.by(run, use.process);
        }
    }
    // `socket` and `connect` are in @base for UNIX sockets; other families need @network whatever was called.
    for (size_t run = 0; run < traces.size(); ++run) {
        const Subjects subjects(traces[run]);
        for (const SocketAccess& access : traces[run].sockets) {
            if (access.protocol != "unix" && !allowed.decide(Operation::Syscall, "listen").allowed) {
                wanted["@network"].counter.add(subjects.of(access.process), run, 1);
                wanted["@network"].counter.by(run, access.process);
            }
        }
    }
    for (const auto& [name, seen] : unnamed) {
        warnings.push_back("a system call this version does not know was used, and stays refused: " + name);
    }
    return rules_from(Section::Syscalls, wanted, traces.size());
}

std::vector<ProposedRule> environment_rules(const std::vector<Trace>& traces, const Policy& allowed,
                                            std::vector<std::string>& warnings) {
    std::map<std::string, Wanted> wanted;
    std::set<std::string> odd;
    for (size_t run = 0; run < traces.size(); ++run) {
        const Trace& trace = traces[run];
        const Subjects subjects(trace);
        std::optional<int64_t> first; // the command's own first image; later names are its programs' doing
        for (const EnvironmentName& variable : trace.environment) {
            first = first ? std::min(*first, variable.process) : variable.process;
        }
        for (const EnvironmentName& variable : trace.environment) {
            if (variable.process != first || variable.name.empty() || is_session_variable(variable.name) ||
                allowed.decide(Operation::Environment, variable.name).allowed) {
                continue;
            }
            if (!is_variable_name(variable.name)) {
                odd.insert(printable(variable.name));
                continue;
            }
            Wanted& entry = wanted[variable.name];
            if (const auto secret = secret_variable(variable.name)) {
                entry.withheld = *secret;
            }
            entry.counter.add(subjects.of(variable.process), run, 1);
            entry.counter.by(run, variable.process);
        }
    }
    for (const std::string& name : odd) {
        warnings.push_back("a profile cannot hold the environment variable's name, so it is not passed: " +
                           name);
    }
    return rules_from(Section::Environment, wanted, traces.size());
}

bool is_session_variable(std::string_view name) {
    // A trailing '*' stands for any rest.
    constexpr std::string_view session[] = {
        "SSH_*",
        "XDG_SESSION_*",
        "XDG_VTNR",
        "XDG_SEAT*",
        "XDG_CURRENT_DESKTOP",
        "XDG_MENU_PREFIX",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "DBUS_*",
        "OLDPWD",
        "_",
        "SHLVL",
        "LS_COLORS",
        "MAIL",
        "SUDO_*",
        "TMUX*",
        "STY",
        "WINDOWID",
        "HIST*",
        "PS1",
        "PS2",
        "PS4",
        "PROMPT_COMMAND",
        "GNOME_*",
        "GTK_*",
        "QT_*",
        "KDE_*",
        "DESKTOP_SESSION",
        "SESSION_MANAGER",
        "GPG_*",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "SYSTEMD_*",
        "MANAGERPID",
        "NOTIFY_SOCKET",
        "VSCODE_*",
        "TERM_PROGRAM*",
        "TERM_SESSION_ID",
        "ITERM_*",
        "KITTY_*",
        "VTE_VERSION",
        "LESS*",
        "PAGER",
        "EDITOR",
        "VISUAL",
        "BROWSER",
        "MOTD_SHOWN",
        "WINDOW",
        "COLUMNS",
        "LINES",
        "BASH_FUNC_*",
        "HOSTNAME",
        "DEBUGINFOD_URLS",
        "TREADLINE_*",
    };
    return std::any_of(std::begin(session), std::end(session), [&](std::string_view pattern) {
        return pattern.back() == '*'
                   ? name.substr(0, pattern.size() - 1) == pattern.substr(0, pattern.size() - 1)
                   : name == pattern;
    });
}

} // namespace treadline

// `treadline doctor`: what this kernel and machine can trace and enforce, and what to do about what is missing.
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "base/syscalls.h"
#include "base/text.h"
#include "collector/session.h"
#include "enforcer/egress/capture.h"
#include "enforcer/landlock_log.h"
#include "enforcer/machine_gaps.h"
#include "enforcer/plan.h"
#include "tools/treadline/commands.h"

namespace treadline {
namespace {

std::string privilege_text(CollectorAccess::Privilege privilege) {
    switch (privilege) {
    case CollectorAccess::Privilege::Root:
        return "root";
    case CollectorAccess::Privilege::Capabilities:
        return "file capabilities";
    case CollectorAccess::Privilege::Sudo:
        return "sudo, without a password";
    case CollectorAccess::Privilege::SudoPrompt:
        return "sudo, which will ask for a password";
    case CollectorAccess::Privilege::None:
        break;
    }
    return "none";
}

// What each Landlock ABI added, for the rules that rest on it (landlock(7)).
std::string landlock_text(int abi) {
    if (abi == 0) {
        return "not available: the kernel needs CONFIG_SECURITY_LANDLOCK and 'landlock' in its lsm= list (Linux 5.13)";
    }
    std::string text = fmt::format("ABI {}", abi);
    if (abi < 2) {
        text += "; below 2: no renames across directories (Linux 5.19)";
    }
    if (abi < 3) {
        text += "; below 3: truncation is not held (Linux 6.2)";
    }
    if (abi < 4) {
        text += "; below 4: `listen` is not held (Linux 6.7)";
    }
    if (abi < 6) {
        text += "; below 6: abstract sockets are held by the network namespace alone (Linux 6.12)";
    }
    return text;
}

// Why Landlock's own records of what it refused are not to be had; "" if they are.
std::string why_no_records(int abi) {
    const auto log = abi >= 7 ? LandlockLog::open() : result<std::shared_ptr<LandlockLog>>(fail("they need Landlock ABI 7 (Linux 6.15)"));
    return log ? "" : log.error().message();
}

const char* name_of(Standing standing) {
    switch (standing) {
    case Standing::Full:
        return "full";
    case Standing::Degraded:
        return "degraded";
    case Standing::Refused:
        break;
    }
    return "refused";
}

std::string enforce_text(Standing standing) {
    switch (standing) {
    case Standing::Full:
        return "without privilege";
    case Standing::Degraded:
        return "refused here (exit 126), unless you add --allow-degraded, which goes on without";
    case Standing::Refused:
        break;
    }
    return "refused here (exit 126)";
}

std::vector<std::string> sentences(const std::vector<MachineGap>& gaps) {
    std::vector<std::string> texts;
    for (const MachineGap& gap : gaps) {
        texts.push_back(printable(gap.sentence));
    }
    return texts;
}

// Whether a degraded run has a network that is judged, as plan_compiler.cpp has it.
bool can_bridge(const Machine& machine) {
    return !machine.user_namespaces && machine.landlock_abi >= 1 && machine.seccomp_notify;
}

std::string without_gateway(bool bridged) {
    return bridged ? "profiles with `connect` or `publish` are refused; --allow-degraded reaches what `connect` names for programs that ask glibc for names "
                     "or use a proxy: "
                   : "profiles with `connect` or `publish` are refused: ";
}

result<ok> doctor(const Options& options) {
    const Machine machine = inspect_machine();
    const CollectorAccess collector = find_collector();
    const bool can_trace = collector.problem.empty() && collector.privilege != CollectorAccess::Privilege::None;
    const ProbesHere probes = can_trace ? probes_here(collector) : ProbesHere{};
    const auto gateway = egress::check_capture();
    const bool bridged = can_bridge(machine);
    const std::string no_records = why_no_records(machine.landlock_abi);
    const std::vector<MachineGap> gaps = machine_gaps(machine);
    const Standing standing = standing_of(gaps);
    if (options.json) {
        const nlohmann::json facts = {{"version", TREADLINE_VERSION},
                                      {"kernel", machine.kernel},
                                      {"architecture", machine.architecture},
                                      {"can_trace", can_trace},
                                      {"probes", probes.set.empty() ? nlohmann::json(nullptr) : nlohmann::json(probes.set)},
                                      {"probes_because", probes.because},
                                      {"collector", collector.program},
                                      {"collector_privilege", privilege_text(collector.privilege)},
                                      {"tracing_problem", collector.problem},
                                      {"can_enforce", standing == Standing::Full},
                                      {"enforce", name_of(standing)},
                                      {"gaps", sentences(gaps)},
                                      {"landlock_abi", machine.landlock_abi},
                                      {"landlock_records", no_records.empty()},
                                      {"landlock_records_problem", no_records},
                                      {"user_namespaces", machine.user_namespaces},
                                      {"user_namespaces_problem", machine.user_namespaces_why},
                                      {"seccomp_notify", machine.seccomp_notify},
                                      {"egress_gateway", gateway.has_value()},
                                      {"egress_bridge", bridged},
                                      {"egress_gateway_problem", gateway ? "" : gateway.error().message()},
                                      {"cgroup_delegated", !machine.cgroup.empty()},
                                      {"cgroup_controllers", machine.cgroup_controllers}};
        return sys::write_all(STDOUT_FILENO, facts.dump(2) + "\n");
    }
    const auto mark = [](bool good) { return good ? "ok  " : "NO  "; };
    std::string out = fmt::format("treadline {} on Linux {} ({})\n\n", TREADLINE_VERSION, machine.kernel, machine.architecture);
    out += fmt::format("{}learn     {}\n", mark(can_trace),
                       can_trace ? fmt::format("{} runs with {}", collector.program, privilege_text(collector.privilege))
                                 : collector.problem);
    if (!probes.set.empty()) {
        out += fmt::format("    probes    {}{}{}\n", probes.set == "lsm" ? "lsm: system calls and security hooks" : "tracepoint: system calls",
                           probes.because.empty() ? "" : "; ", probes.because);
    }
    out += fmt::format("{}enforce   {}\n", mark(standing == Standing::Full), enforce_text(standing));
    for (const MachineGap& gap : gaps) {
        out += fmt::format("    {} {}\n", gap.fatal ? "refused:  " : "not held: ", printable(gap.sentence));
    }
    out += "\nwhat enforcing rests on\n";
    out += fmt::format("  {}landlock         {}\n", mark(machine.landlock_abi > 0), landlock_text(machine.landlock_abi));
    out += fmt::format("  {}audit records    {}\n", no_records.empty() ? "ok  " : "--  ",
                       no_records.empty() ? "what Landlock alone refuses is reported, too" : "what Landlock alone refuses is not reported: " + no_records);
    out += fmt::format("  {}user namespaces  {}\n", mark(machine.user_namespaces),
                       machine.user_namespaces ? "an ordinary user may make them" : machine.user_namespaces_why);
    out += fmt::format("  {}seccomp          {}\n", mark(machine.seccomp_notify),
                       machine.seccomp_notify ? (machine.seccomp_wait_killable
                                                     ? "with user notification"
                                                     : "with user notification (before Linux 5.19 signals may interrupt watched calls)")
                                              : "no user notification: needs Linux 5.5");
    out += fmt::format("  {}limits           {}\n", machine.cgroup.empty() ? "--  " : "ok  ",
                       machine.cgroup.empty() ? "no delegated cgroup v2: profiles with resources.cpu are refused, and memory is kept "
                                                "by looking; run inside 'systemd-run --user --scope -p Delegate=yes'"
                                              : "cgroup v2, delegated: " + join(machine.cgroup_controllers, ", "));
    out += fmt::format("  {}network          {}\n", mark(gateway.has_value()),
                       gateway ? "connections are brought to the egress gateway" : without_gateway(bridged) + printable(gateway.error().message()));
    return sys::write_all(STDOUT_FILENO, out);
}

} // namespace

void add_doctor(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("doctor", "Say what this machine can trace and enforce");
    add_json_option(command, *options);
    command->footer("Example:  treadline doctor");
    command->callback([options, &invocation] {
        const auto done = doctor(*options);
        invocation.status = done ? exit_ok : complain(done.error(), exit_usage);
    });
}

} // namespace treadline

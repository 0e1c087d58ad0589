// Policy + machine -> plan. Decides nothing itself: it asks the policy, and says what cannot be held.
#include <algorithm>
#include <array>
#include <cstdio>
#include <set>
#include <string>
#include <utility>

#include <sys/random.h>
#include <sys/stat.h>

#include "base/addresses.h"
#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/egress/inside_files.h"
#include "enforcer/flat_rules.h"
#include "enforcer/held_rules.h"
#include "enforcer/landlock_rules.h"
#include "enforcer/landlock_ruleset.h"
#include "enforcer/machine_gaps.h"
#include "enforcer/mount_view.h"
#include "enforcer/outside.h"
#include "enforcer/plan.h"
#include "enforcer/plan_inspection.h"
#include "enforcer/self_test.h"
#include "enforcer/supervised_sockets.h"
#include "profiles/environment_names.h"
#include "profiles/profile_reader.h"
#include "profiles/profile_writer.h"

namespace treadline {
namespace {

class Gaps {
public:
    explicit Gaps(bool allowed) : allowed_(allowed) {}
    // A requirement this machine or this version cannot hold.
    result<ok> add(std::string sentence) {
        if (!allowed_) {
            return fail(std::move(sentence) + " (--allow-degraded goes on without)");
        }
        sentences.push_back(std::move(sentence));
        return ok{};
    }
    std::vector<std::string> sentences;

private:
    bool allowed_;
};

std::map<std::string, std::string> allowed_environment(const Policy& policy, const Command& command, const egress::Secrets* secrets) {
    const std::map<std::string, std::string> placeholders = placeholder_variables(policy, secrets);
    std::map<std::string, std::string> kept = placeholders;
    for (const auto& [name, value] : command.environment) {
        if (!placeholders.contains(name) && policy.decide(Operation::Environment, name).allowed) {
            kept[name] = value;
        }
    }
    for (const auto& [name, value] : policy.environment().set) {
        kept.insert_or_assign(name, placeholders.contains(name) ? placeholders.at(name) : value);
    }
    return kept;
}

// Of the variables that are not passed, those whose absence is worth a line: secrets, and what makes programs run code.
std::vector<std::string> dropped_variables(const Policy& policy, const Command& command) {
    std::vector<std::string> dropped;
    for (const auto& [name, value] : command.environment) {
        if ((secret_variable(name) || code_variable(name)) && !policy.decide(Operation::Environment, name).allowed) {
            dropped.push_back(name);
        }
    }
    return dropped;
}

// What the gateway is needed for, as messages say it; "" for nothing.
std::string network_rule(const Policy& policy) {
    return !policy.connect().empty()   ? "`connect` (" + policy.connect().front().text + ")"
           : !policy.publish().empty() ? "`publish` (" + std::to_string(policy.publish().front().port) + ")"
                                       : "";
}

// The gateway would accept at that port outside, and dial it.
result<ok> check_host_services(const Policy& policy) {
    for (const PolicyEndpoint& rule : policy.connect()) {
        const bool published = std::any_of(policy.publish().begin(), policy.publish().end(), [&](const PolicyPort& port) { return port.port == rule.port; });
        if (rule.host == host_loopback && published) {
            return fail("the profile's `connect` (" + rule.text + ") and `publish` (" + std::to_string(rule.port) +
                        ") mean the same port of this machine, which cannot be both a service of the host's and the command's; delete one of them");
        }
    }
    return ok{};
}

// What takes the gateway, and can be had in no other way.
result<ok> plan_inspection(Plan& plan, const Policy& policy, const CompileOptions& options) {
    const std::string section = !policy.credentials().empty() ? "credentials" : !policy.inspections().empty() ? "inspect" : "";
    if (section.empty()) {
        return ok{};
    }
    if (plan.flat || options.network_host) {
        return fail("the profile's `" + section + "` cannot be held " +
                    (plan.flat ? "without namespaces: only mounts can show programs whom to trust, and placeholders ('treadline doctor' says why there are none)"
                               : "without the egress gateway, which --network host leaves out") + "; remove them");
    }
    plan.secrets = options.secrets;
    if (plan.network == NetworkMode::Gateway) {
        plan.authority_hosts = hosts_looked_into(policy);
    }
    return ok{};
}

// Without a network namespace.
result<ok> plan_bridge(Plan& plan, const Policy& policy, const std::string& rule, Gaps& gaps) {
    const std::string cannot = "the profile's " + rule + " cannot be held: without a network namespace ('treadline doctor' says why there is none) ";
    const std::string instead = "; run with --network host to give the command the host's whole network (a named degradation)";
    if (!plan.notify) {
        return fail(cannot + "the supervisor makes the command's connections, which takes seccomp notifications, and those are not to be had here" + instead);
    }
    if (plan.landlock_abi < 4 && !policy.unix_sockets().empty()) {
        return fail(cannot + "and beside `unix` rules, connections are held by Landlock ABI 4 (Linux 6.7), and here is ABI " + std::to_string(plan.landlock_abi) +
                    "; remove the `unix` rules" + instead);
    }
    TRY(gaps.add("the network is shared with this machine, so " + rule + " is reached only by programs that ask glibc for names or use a proxy "
                 "(HTTP_PROXY, HTTPS_PROXY and ALL_PROXY are set); others find no name. The gateway judges both as ever"));
    if (!policy.publish().empty()) {
        TRY(gaps.add("`publish` (" + std::to_string(policy.publish().front().port) +
                     ") has nothing to do: every program of this machine can connect to each port of `listen` on its loopback, published or not"));
    }
    plan.search_domains = egress::inside_files().search;
    return ok{};
}

result<ok> plan_network(Plan& plan, const Policy& policy, const CompileOptions& options, Gaps& gaps) {
    plan.network = options.network_host ? NetworkMode::Host : NetworkMode::None;
    if (options.network_host) {
        plan.degraded.push_back(
            "--network host: the command has the host's whole network, whatever `connect` says");
    } else if (const std::string rule = network_rule(policy); !rule.empty()) {
        TRY(check_host_services(policy));
        TRY(plan.flat ? plan_bridge(plan, policy, rule, gaps) : ok{});
        plan.network = plan.flat ? NetworkMode::Bridged : NetworkMode::Gateway;
        plan.resolve = options.resolve;
    }
    TRY(plan_inspection(plan, policy, options));
    if ((options.capture || options.replay != nullptr) && plan.network != NetworkMode::Gateway) {
        return fail(std::string(options.capture ? "--capture" : "--replay") + " is the egress gateway's, which only a profile with `connect` rules has" +
                    (options.network_host ? " and --network host leaves out" : ""));
    }
    plan.capture = options.capture;
    plan.replay = options.replay;
    for (const PolicyPort& port : policy.listen()) {
        plan.bind_ports.push_back(port.port);
    }
    std::sort(plan.bind_ports.begin(), plan.bind_ports.end());
    plan.bind_ports.erase(std::unique(plan.bind_ports.begin(), plan.bind_ports.end()), plan.bind_ports.end());
    return ok{};
}

// By a cgroup where there is one, which keeps count of everything; by rlimits and the supervisor where there is none.
result<ok> plan_resources(Plan& plan, const Machine& machine, Gaps& gaps) {
    Resources& resources = plan.resources;
    const auto by_cgroup = [&](auto& limit, auto& kept, std::string_view controller) {
        const auto& known = machine.cgroup_controllers;
        if (limit && !machine.cgroup.empty() && std::find(known.begin(), known.end(), controller) != known.end()) {
            kept = limit;
            plan.cgroup = machine.cgroup;
        }
    };
    by_cgroup(resources.memory_bytes, plan.cgroup_limits.memory_bytes, "memory");
    by_cgroup(resources.processes, plan.cgroup_limits.processes, "pids");
    by_cgroup(resources.cpu_percent, plan.cgroup_limits.cpu_percent, "cpu");
    if (resources.cpu_percent && !plan.cgroup_limits.cpu_percent) {
        TRY(gaps.add("`resources: cpu` cannot be held: no cgroup v2 directory with that controller is delegated to this "
                     "user (a systemd user session has one: run inside 'systemd-run --user --scope -p Delegate=yes')"));
        resources.cpu_percent.reset();
    }
    if (resources.processes && !plan.cgroup_limits.processes && plan.command.uid == 0) {
        TRY(gaps.add("`resources: processes` cannot be held for root, whom the kernel does not count"));
        resources.processes.reset();
    }
    // Without a pid namespace the run's processes are not to be told from the user's others.
    if (plan.flat && resources.processes && !plan.cgroup_limits.processes) {
        TRY(gaps.add("`resources: processes` cannot be held: there is neither a pid namespace nor a delegated cgroup to count in"));
        resources.processes.reset();
    }
    if (plan.flat && resources.memory_bytes && !plan.cgroup_limits.memory_bytes) {
        TRY(gaps.add("`resources: memory` cannot be held: there is neither a pid namespace nor a delegated cgroup to count in"));
        resources.memory_bytes.reset();
    }
    return ok{};
}

void explain_resources(Plan& plan) {
    const Resources& limits = plan.resources;
    const Resources& kept = plan.cgroup_limits;
    const auto add = [&](const std::string& rule, bool cgroup, const char* otherwise, const char* wider) {
        plan.enforcement.push_back({"resources: " + rule, cgroup ? "cgroup" : otherwise, cgroup ? "" : wider});
    };
    if (limits.memory_bytes) {
        add("memory: " + memory_text(*limits.memory_bytes), kept.memory_bytes.has_value(), "the supervisor looks and ends the run",
            "for some milliseconds more can be used; memory files that no process maps are not counted");
    }
    if (limits.processes) {
        add("processes: " + std::to_string(*limits.processes), kept.processes.has_value(), "rlimit", "");
    }
    if (limits.cpu_percent) {
        add("cpu: " + std::to_string(*limits.cpu_percent) + "%", true, "", "");
    }
    if (limits.file_size_bytes) {
        add("file_size: " + memory_text(*limits.file_size_bytes), false, "rlimit", "");
    }
    if (limits.time_seconds) {
        add("time: " + duration_text(*limits.time_seconds), false, "the supervisor ends the run", "");
    }
}

std::string wider_than(const PolicyRule& rule, const HeldRules& held, const MountView& view) {
    if (const auto note = held.notes.find(rule.text); note != held.notes.end()) {
        return note->second;
    }
    for (const std::string& gap : view.gaps) {
        if (gap.find(rule.text) != std::string::npos) {
            return gap;
        }
    }
    const bool makes = rule.modes.has(Mode::Create);
    if (rule.pattern.extent == Extent::Exact && makes) {
        return "other new names can be made in the same directory";
    }
    if (rule.pattern.extent == Extent::Names) {
        return makes ? "new directories can be made in it, and files in those; files in the directories "
                       "below can be "
                       "read where another rule makes them visible"
                     : "the names in the directories below can be listed; files made later are not covered";
    }
    return "";
}

std::string wider_than(const PolicyEndpoint& endpoint) {
    if (why_not_public(endpoint.host).starts_with("a service on this machine's loopback") || endpoint.host == "localhost") {
        return "inside, the loopback is the sandbox's own; this opens the host's to names that lead to it";
    }
    if (endpoint.any_protocol) {
        return "what is said to the server is not looked at";
    }
    if (!endpoint.scope.any()) {
        return "queries, headers and bodies of these requests are not looked at";
    }
    return endpoint.host.starts_with("*.") ? "names below it that the command looks up and uses are looked up outside" : "";
}

// Sorted: what lies in another comes after it.
std::vector<std::string> with_missing_parents(const std::vector<std::string>& directories) {
    std::set<std::string> all;
    for (const std::string& directory : directories) {
        struct stat status {};
        for (std::string at = directory; ::lstat(at.c_str(), &status) != 0 || is_made_directory(status); at = std::string(parent_path(at))) {
            all.insert(at);
        }
    }
    return {all.begin(), all.end()};
}

std::string held_by_gateway(const Plan& plan) {
    return plan.network == NetworkMode::Host      ? "not held"
           : plan.network == NetworkMode::Bridged ? "egress gateway, to which the supervisor connects"
                                                  : "egress gateway";
}

constexpr const char* bridged_holds = "seccomp (no datagram socket), the supervisor (makes each connection, to the egress gateway), landlock (no other)";

void explain_rules(Plan& plan, const Policy& policy, const HeldRules& held, const MountView& view) {
    const std::string beside = plan.flat ? "the supervisor's answers" : "mount";
    for (const PolicyRule& rule : policy.files()) {
        const bool writes = rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create);
        std::string wider = wider_than(rule, held, view);
        constexpr std::string_view not_held = "not held: ";
        if (wider.starts_with(not_held)) {
            plan.enforcement.push_back({rule.text, "not held", wider.substr(not_held.size())});
            continue;
        }
        plan.enforcement.push_back({rule.text,
                                    plan.flat ? "landlock" : writes ? "landlock, writable mount" : "landlock, read-only mount",
                                    std::move(wider)});
    }
    for (const PolicyEntry& entry : policy.private_directories()) {
        const bool temporary = entry.pattern.path == policy.variables().get("tmp");
        plan.enforcement.push_back({"private: " + entry.text, plan.flat ? "landlock" : "empty mount, landlock",
                                    !plan.flat    ? ""
                                    : temporary ? "TMPDIR names a directory of the run's own instead"
                                                : "the directory is closed instead"});
    }
    for (const PolicyEntry& entry : policy.deny()) {
        const bool glob = entry.pattern.extent == Extent::Glob;
        plan.enforcement.push_back(
            {"deny: " + entry.text, plan.flat ? "landlock, the supervisor's answers" : "mount", glob ? "names made during the run are not covered" : ""});
    }
    for (const PolicyEndpoint& endpoint : policy.connect()) {
        plan.enforcement.push_back({"connect: " + endpoint.text, held_by_gateway(plan),
                                    plan.network == NetworkMode::Host ? "" : wider_than(endpoint)});
    }
    for (const PolicyBudget& budget : policy.budgets()) {
        plan.enforcement.push_back({"budget: " + budget.text, plan.network == NetworkMode::Host ? "not held" : "egress gateway", ""});
    }
    explain_inspection(plan, policy);
    for (const PolicyPort& port : policy.publish()) {
        const bool host = plan.network == NetworkMode::Host;
        plan.enforcement.push_back({"publish: " + std::to_string(port.port), plan.flat && !host ? "this machine's loopback, which is the command's" : held_by_gateway(plan),
                                    host ? "" : "every program of this machine can connect to 127.0.0.1:" + std::to_string(port.port)});
    }
    for (const PolicyPort& port : policy.listen()) {
        plan.enforcement.push_back(
            {"listen: " + std::to_string(port.port),
             supervises_sockets(plan) ? "the supervisor, which binds it on the loopback"
             : plan.flat              ? "landlock"
             : plan.landlock_abi >= 4 ? "landlock, network namespace"
                                      : "network namespace",
             plan.landlock_abi >= 4 || plan.flat ? "" : "any port can be bound inside (Landlock before ABI 4)"});
    }
    for (const PolicyEntry& entry : policy.unix_sockets()) {
        const bool by_landlock = plan.landlock_abi >= 9 && !entry.text.starts_with('@'); // Linux 7.1
        plan.enforcement.push_back({"unix: " + entry.text, by_landlock ? "landlock, " + beside : beside,
                                    by_landlock && is_bound_later(entry) ? "it is not there yet, so sockets beside it are held by the supervisor's answers alone"
                                    : plan.flat && !by_landlock          ? "a program can race them"
                                                                         : ""});
    }
    const std::string calls = std::to_string(policy.syscalls().size());
    plan.enforcement.push_back({"syscalls: " + calls + " calls", "seccomp", ""});
    plan.enforcement.push_back({"environment", "the command starts with the named variables only", ""});
    plan.enforcement.push_back(
        {plan.network == NetworkMode::Host ? "network: host" : plan.network == NetworkMode::None ? "network: none" : "network: the rest",
         plan.network == NetworkMode::Host ? "not held"
         : plan.network == NetworkMode::Bridged ? bridged_holds
         : plan.network == NetworkMode::Gateway ? "network namespace with no way out but the egress gateway"
         : plan.flat                       ? "seccomp (no datagram socket), landlock (no TCP connection)"
                                           : "network namespace without any way out",
         ""});
}

// What tells programs inside whom to ask for names: the gateway, and no list of the host's.
void add_gateway_files(Plan& plan) {
    egress::InsideFiles files = egress::inside_files();
    plan.search_domains = std::move(files.search);
    for (auto& [path, content] : files.content) {
        const auto target = sys::realpath(path);
        const bool in_view = target && std::any_of(plan.mounts.begin(), plan.mounts.end(), [&](const MountStep& step) {
            return step.kind == MountStep::Kind::Bind && is_within(*target, step.target);
        });
        if (in_view) {
            plan.mounts.push_back({MountStep::Kind::File, std::move(content), *target, false, false, "names are looked up by the egress gateway"});
        }
    }
}

// Terminals of other sessions and other programs' shared memory lie beside the command's own.
bool is_everybodys(const std::string& path) {
    return is_within(path, "/dev/pts") || is_within(path, "/dev/shm");
}

// In place of the private temporary directory, which only a mount could make: one of the run's own, named to the command.
std::string own_temporary(const std::string& tmp) {
    uint64_t number = 0;
    if (::getrandom(&number, sizeof number, 0) != sizeof number) {
        return "";
    }
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(number));
    return join_path(tmp, "treadline-" + std::string(text.data()));
}

// Without namespaces: Landlock goes around what mounts would lie over, and the filter makes no socket that Landlock does
// not see.
result<ok> plan_flat(Plan& plan, const HeldRules& held, const MountView& view, Gaps& gaps) {
    const Policy& policy = *plan.policy;
    plan.namespaces = false;
    plan.isolate_processes = false;
    plan.new_root = false;
    plan.adopt_leftovers = true;
    std::vector<std::string> masked;
    std::vector<std::string> sealed;
    for (const MountStep& step : view.steps) {
        const bool mask = step.kind == MountStep::Kind::MaskFile || step.kind == MountStep::Kind::MaskDirectory;
        if (mask) {
            masked.push_back(step.target);
        } else if (step.kind == MountStep::Kind::Bind && !step.writable) {
            sealed.push_back(step.target);
        }
    }
    FlatRules flat = flatten(landlock_rules(held, policy, plan.landlock_abi, PrivateDirectories::Withhold), masked, sealed);
    std::erase_if(flat.rules, [](const LandlockRule& rule) { return is_everybodys(rule.path); });
    for (LandlockRule& rule : flat.rules) {
        if (rule.path == "/proc") { // the host's, with everybody's processes in it
            rule.rights &= ~(landlock::write_file | landlock::truncate);
        }
    }
    for (std::string& gap : flat.gaps) {
        TRY(gaps.add(std::move(gap)));
    }
    for (const Placeholder& placeholder : view.placeholders) {
        TRY(gaps.add("'" + printable(placeholder.path) + "' (" + printable(placeholder.why) +
                     ") can be made: only a mount could keep its name"));
        break; // the rest are the same sentence about other names
    }
    const std::string& tmp = policy.variables().get("tmp");
    for (const PolicyEntry& entry : policy.private_directories()) {
        if (entry.pattern.path != tmp) {
            TRY(gaps.add("`private: " + entry.text + "` cannot be made without mounts; the directory is closed instead"));
            continue;
        }
        TRY(gaps.add("`private: " + entry.text + "` cannot be made without mounts; TMPDIR names a directory of the run's own instead"));
        plan.temporary = own_temporary(tmp);
        const uint64_t rights = landlock_rights(Modes(Mode::Read) | Mode::Write | Mode::Create, LandlockObject::Directory, plan.landlock_abi);
        flat.rules.push_back({plan.temporary, rights, "private: " + entry.text});
        for (const char* name : {"TMPDIR", "TMP", "TEMP"}) {
            plan.command.environment[name] = plan.temporary;
        }
    }
    if (plan.network != NetworkMode::Host) {
        const auto raced = std::find_if(policy.unix_sockets().begin(), policy.unix_sockets().end(),
                                        [&](const PolicyEntry& entry) { return plan.landlock_abi < 9 || is_bound_later(entry); });
        if (raced != policy.unix_sockets().end()) {
            TRY(gaps.add("`unix` (" + raced->text +
                         ") is held by the supervisor's answers alone, which a program can race, and so reach this machine's other services by UNIX sockets"));
        }
        if (!plan.bind_ports.empty()) {
            const bool sockets = plan.landlock_abi >= 4 || (supervises_sockets(plan) && policy.unix_sockets().empty());
            TRY(gaps.add(sockets
                             ? "the host's loopback is the command's, too: what listens there on the ports of `listen` can be reached, and what the "
                               "command listens at can be by every user of this machine"
                             : "`listen` cannot be used: Landlock before ABI 4 (Linux 6.7) holds no port, so no internet socket is given"));
        }
    }
    // It makes sockets past the filter, of every kind.
    if (plan.network != NetworkMode::Host && std::erase(*plan.syscalls, "io_uring_setup") != 0) {
        TRY(gaps.add("`syscalls` (io_uring_setup) is left out: without a network namespace nothing holds the sockets that it makes"));
    }
    plan.landlock_rules = std::move(flat.rules);
    return ok{};
}

} // namespace

result<Plan> compile(std::shared_ptr<const Policy> policy, const Machine& machine, const Command& command,
                     const CompileOptions& options) {
    Gaps gaps(options.allow_degraded);
    for (const MachineGap& gap : machine_gaps(machine)) {
        if (gap.fatal) {
            return fail(gap.sentence);
        }
        TRY(gaps.add(gap.sentence));
    }
    Plan plan;
    plan.policy = policy;
    plan.command = command;
    plan.command.environment = allowed_environment(*policy, command, options.secrets.get());
    plan.dropped_variables = dropped_variables(*policy, command);
    plan.landlock_abi = machine.landlock_abi;
    plan.flat = !machine.user_namespaces;
    plan.scope_signals_and_abstract_sockets = machine.landlock_abi >= 6;
    plan.notify = machine.seccomp_notify;
    plan.wait_killable = machine.seccomp_wait_killable;
    plan.memfd_noexec = machine.memfd_noexec;
    plan.syscalls = policy->syscalls();
    plan.resources = policy->resources();
    TRY(plan_network(plan, *policy, options, gaps));
    TRY(plan_resources(plan, machine, gaps));

    HeldRules held = TRY(hold_rules(*policy));
    MountView view = TRY(plan_mounts(held, *policy, plan.command));
    for (const std::string& gap : view.unsearched) {
        TRY(gaps.add(gap));
    }
    explain_rules(plan, *policy, held, view);
    explain_resources(plan);
    if (plan.flat) {
        TRY(plan_flat(plan, held, view, gaps));
    } else {
        plan.mounts = std::move(view.steps);
        if (plan.network == NetworkMode::Gateway) {
            add_gateway_files(plan);
        }
        TRY(add_inspection_files(plan, *policy));
        plan.placeholders = std::move(view.placeholders);
        plan.landlock_rules = landlock_rules(held, *policy, machine.landlock_abi, PrivateDirectories::Grant);
        held.make_directories.insert(held.make_directories.end(), view.make_directories.begin(), view.make_directories.end());
    }
    plan.make_directories = with_missing_parents(held.make_directories);
    plan.aliases = std::move(held.aliases);
    plan.other_names = std::move(view.other_names);
    plan.self_test = self_test_for(plan, view.secrets);
    plan.degraded.insert(plan.degraded.end(), gaps.sentences.begin(), gaps.sentences.end());
    return plan;
}

} // namespace treadline

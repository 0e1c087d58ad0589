// Policy + machine -> plan. Decides nothing itself: it asks the policy, and says what cannot be held.
#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "base/text.h"
#include "enforcer/guard_scan.h"
#include "enforcer/held_rules.h"
#include "enforcer/landlock_rules.h"
#include "enforcer/mount_view.h"
#include "enforcer/plan.h"
#include "profiles/profile_writer.h"

namespace treadline {
namespace {

constexpr int oldest_landlock = 1; // Linux 5.13

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

std::map<std::string, std::string> allowed_environment(const Policy& policy, const Command& command) {
    std::map<std::string, std::string> kept;
    for (const auto& [name, value] : command.environment) {
        if (policy.decide(Operation::Environment, name).allowed) {
            kept[name] = value;
        }
    }
    for (const auto& [name, value] : policy.environment().set) {
        kept[name] = value;
    }
    return kept;
}

result<ok> plan_network(Plan& plan, const Policy& policy, const CompileOptions& options) {
    plan.network = options.network_host ? NetworkMode::Host : NetworkMode::None;
    if (options.network_host) {
        plan.degraded.push_back(
            "--network host: the command has the host's whole network, whatever `connect` says");
    } else if (!policy.connect().empty()) {
        return fail(
            "the profile's `connect` (" + policy.connect().front().text +
            ") cannot be held: the egress gateway does not exist yet; run with --network host to give the "
            "command the host's whole network (a named degradation), or remove `connect`");
    } else if (!policy.publish().empty()) {
        return fail(
            "the profile's `publish` (" + std::to_string(policy.publish().front().port) +
            ") cannot be held: the egress gateway does not exist yet; run with --network host to give the "
            "command the host's whole network (a named degradation), or remove `publish`");
    }
    if (!policy.credentials().empty()) {
        return fail("the profile's `credentials` (" + policy.credentials().front().host +
                    ") cannot be held: the egress gateway, which would put them in, does not exist yet; remove them");
    }
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

// Sorted: what lies in another comes after it.
std::vector<std::string> with_missing_parents(const std::vector<std::string>& directories) {
    std::set<std::string> all;
    for (const std::string& directory : directories) {
        struct stat status {};
        for (std::string at = directory; ::lstat(at.c_str(), &status) != 0; at = std::string(parent_path(at))) {
            all.insert(at);
        }
    }
    return {all.begin(), all.end()};
}

void explain_rules(Plan& plan, const Policy& policy, const HeldRules& held, const MountView& view) {
    for (const PolicyRule& rule : policy.files()) {
        const bool writes = rule.modes.has(Mode::Write) || rule.modes.has(Mode::Create);
        plan.enforcement.push_back({rule.text,
                                    writes ? "landlock, writable mount" : "landlock, read-only mount",
                                    wider_than(rule, held, view)});
    }
    for (const PolicyEntry& entry : policy.private_directories()) {
        plan.enforcement.push_back({"private: " + entry.text, "empty mount, landlock", ""});
    }
    for (const PolicyEntry& entry : policy.deny()) {
        const bool glob = entry.pattern.extent == Extent::Glob;
        plan.enforcement.push_back(
            {"deny: " + entry.text, "mount", glob ? "names made during the run are not covered" : ""});
    }
    for (const PolicyPort& port : policy.listen()) {
        plan.enforcement.push_back(
            {"listen: " + std::to_string(port.port),
             plan.landlock_abi >= 4 ? "landlock, network namespace" : "network namespace",
             plan.landlock_abi >= 4 ? "" : "any port can be bound inside (Landlock before ABI 4)"});
    }
    for (const PolicyEntry& entry : policy.unix_sockets()) {
        plan.enforcement.push_back({"unix: " + entry.text, "mount", ""});
    }
    const std::string calls = std::to_string(policy.syscalls().size());
    plan.enforcement.push_back({"syscalls: " + calls + " calls", "seccomp", ""});
    plan.enforcement.push_back({"environment", "the command starts with the named variables only", ""});
    plan.enforcement.push_back(
        {plan.network == NetworkMode::None ? "network: none" : "network: host",
         plan.network == NetworkMode::None ? "network namespace without any way out" : "not held", ""});
}

} // namespace

result<Plan> compile(std::shared_ptr<const Policy> policy, const Machine& machine, const Command& command,
                     const CompileOptions& options) {
    Gaps gaps(options.allow_degraded);
    if (!machine.user_namespaces) {
        return fail("cannot hold any rule here: " + machine.user_namespaces_why);
    }
    if (machine.landlock_abi < oldest_landlock) {
        TRY(gaps.add("`files` cannot be held exactly: this kernel (" + machine.kernel +
                     ") has no Landlock; boot with `lsm=landlock,…` or use Linux 5.13 or later"));
    }
    if (!machine.seccomp_notify) {
        TRY(gaps.add("denials cannot be reported: this kernel (" + machine.kernel +
                     ") has no seccomp notifications (Linux 5.6)"));
    }
    Plan plan;
    plan.policy = policy;
    plan.command = command;
    plan.command.environment = allowed_environment(*policy, command);
    plan.landlock_abi = machine.landlock_abi;
    plan.scope_signals_and_abstract_sockets = machine.landlock_abi >= 6;
    plan.notify = machine.seccomp_notify;
    plan.wait_killable = machine.seccomp_wait_killable;
    plan.memfd_noexec = machine.memfd_noexec;
    plan.syscalls = policy->syscalls();
    plan.resources = policy->resources();
    TRY(plan_network(plan, *policy, options));
    TRY(plan_resources(plan, machine, gaps));

    HeldRules held = TRY(hold_rules(*policy));
    MountView view = TRY(plan_mounts(held, *policy, plan.command));
    for (const std::string& gap : view.unsearched) {
        TRY(gaps.add(gap));
    }
    explain_rules(plan, *policy, held, view);
    explain_resources(plan);
    plan.mounts = std::move(view.steps);
    plan.placeholders = std::move(view.placeholders);
    plan.landlock_rules = landlock_rules(held, *policy, machine.landlock_abi);
    held.make_directories.insert(held.make_directories.end(), view.make_directories.begin(), view.make_directories.end());
    plan.make_directories = with_missing_parents(held.make_directories);
    plan.aliases = std::move(held.aliases);
    plan.other_names = std::move(view.other_names);
    plan.degraded.insert(plan.degraded.end(), gaps.sentences.begin(), gaps.sentences.end());
    return plan;
}

namespace {

// Whether the user can get to a path. Root in a user namespace of its own has no rights over other users' directories,
// so what lies in them can be neither read nor masked by it.
bool reachable_by(unsigned uid, const std::string& path) {
    for (std::string at(parent_path(path)); at != "/"; at = std::string(parent_path(at))) {
        struct stat status {};
        if (::stat(at.c_str(), &status) != 0 || (status.st_uid != uid && (status.st_mode & (S_IXGRP | S_IXOTH)) == 0)) {
            return false;
        }
    }
    return true;
}

// The files below a directory; false if they are many, or not all can be seen or masked one by one.
bool list_files(const std::string& directory, std::vector<std::string>& files) {
    constexpr size_t most = 64;
    if (!sys::open(directory, O_RDONLY | O_DIRECTORY)) {
        return false;
    }
    for (const DirectoryEntry& entry : list_directory(directory)) {
        const std::string path = join_path(directory, entry.name);
        if (entry.symlink || files.size() == most || (entry.directory && !list_files(path, files))) {
            return false;
        }
        if (!entry.directory) {
            files.push_back(path);
        }
    }
    return true;
}

} // namespace

result<Plan> compile_learning(const Variables& variables, const Machine& machine, const Command& command,
                              bool allow_credentials) {
    Plan plan;
    plan.command = command;
    plan.isolate_processes = false;
    plan.network = NetworkMode::Host;
    plan.new_root = false;
    plan.notify = false;
    plan.watch_paths = false;
    if (allow_credentials) {
        plan.namespaces = false;
        return plan;
    }
    if (!machine.user_namespaces) {
        return fail("cannot mask credentials for the learning run: " + machine.user_namespaces_why +
                    "; or learn with --allow-credentials, which leaves them readable");
    }
    Profile nothing;
    const Policy policy = TRY(Policy::build(nothing, "learning", variables, [](const std::string& name) {
        return result<Profile>(fail("no abstraction '" + name + "'"));
    }));
    GuardScanInput input;
    input.policy = &policy;
    input.visible = [](const std::string& path) {
        return !is_within(path, "/proc") && !is_within(path, "/dev");
    };
    input.writable = [](const std::string&) { return false; };
    if (const std::string& project = variables.get("project"); !project.empty() && project != "/") {
        input.roots.push_back(project);
    }
    const GuardScan scan = scan_guards(input);
    for (const GuardedPath& guarded : scan.guarded) {
        if (guarded.holding != GuardedPath::Holding::Mask || !reachable_by(command.uid, guarded.path)) {
            continue;
        }
        // File by file where they are few, so that a program may look at their names, as it may without Treadline.
        std::vector<std::string> files;
        if (guarded.directory && !list_files(guarded.path, files)) {
            plan.mounts.push_back({MountStep::Kind::MaskDirectory, "", guarded.path, false, false, guarded.why});
            continue;
        }
        if (!guarded.directory) {
            files.push_back(guarded.path);
        }
        for (const std::string& file : files) {
            plan.mounts.push_back({MountStep::Kind::MaskFile, "", file, false, false, guarded.why});
        }
    }
    // What a person wrote in the profile must not be the command's to change before it is extended.
    const std::string folder = join_path(variables.get("project"), ".treadline");
    struct stat status {};
    if (::lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
        plan.mounts.push_back({MountStep::Kind::Bind, folder, folder, false, true, "the profile"});
    }
    return plan;
}

} // namespace treadline

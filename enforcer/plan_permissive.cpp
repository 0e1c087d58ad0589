// Plans that hold nothing but masks: learning and auditing.
#include <set>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "enforcer/egress/inside_files.h"
#include "enforcer/guard_scan.h"
#include "enforcer/held_rules.h"
#include "enforcer/plan.h"

namespace treadline {
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

// The host's view, network and processes. Existing credentials are masked, but for those that `policy` opens.
result<ok> mask_credentials(Plan& plan, const Policy& policy, const Machine& machine, const char* purpose) {
    if (!machine.user_namespaces) {
        return fail("cannot mask credentials for " + std::string(purpose) + ": " + machine.user_namespaces_why +
                    "; or add --allow-credentials, which leaves them readable");
    }
    GuardScanInput input;
    input.policy = &policy;
    input.visible = [](const std::string& path) {
        return !is_within(path, "/proc") && !is_within(path, "/dev");
    };
    input.writable = [](const std::string&) { return false; };
    const std::string& project = policy.variables().get("project");
    if (!project.empty() && project != "/") {
        input.roots.push_back(project);
    }
    const GuardScan scan = scan_guards(input);
    for (const GuardedPath& guarded : scan.guarded) {
        // What only a `deny` refuses is no credential.
        if (guarded.holding != GuardedPath::Holding::Mask || !guarded.why.starts_with("guard: ") ||
            !reachable_by(plan.command.uid, guarded.path)) {
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
            if (!policy.decide(Operation::Read, file).allowed) {
                plan.mounts.push_back({MountStep::Kind::MaskFile, "", file, false, false, guarded.why});
            }
        }
    }
    // What a person wrote in the profile must not be the command's to change before it is extended, or judges again.
    const std::string folder = join_path(project, ".treadline");
    struct stat status {};
    if (::lstat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
        plan.mounts.push_back({MountStep::Kind::Bind, folder, folder, false, true, "the profile"});
    }
    return ok{};
}

// Resolvers inside ask the gateway: by /etc/resolv.conf, and not the services that would answer with real addresses.
void look_up_by_gateway(Plan& plan) {
    constexpr const char* why = "names are looked up by the egress gateway";
    egress::InsideFiles files = egress::inside_files();
    plan.search_domains = std::move(files.search);
    for (const char* service : {"/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/var/run/nscd/socket"}) {
        files.content[service] = "";
    }
    std::set<std::string> covered;
    for (auto& [path, content] : files.content) {
        const auto target = sys::realpath(path);
        if (target && covered.insert(*target).second) {
            plan.mounts.push_back({MountStep::Kind::File, std::move(content), *target, false, false, why});
        }
    }
}

Plan permissive(const Command& command) {
    Plan plan;
    plan.command = command;
    plan.isolate_processes = false;
    plan.network = NetworkMode::Host;
    plan.new_root = false;
    return plan;
}

} // namespace

result<Plan> compile_learning(const Variables& variables, const Machine& machine, const Command& command,
                              const LearningOptions& options) {
    Plan plan = permissive(command);
    plan.notify = false;
    plan.watch_paths = false;
    if (options.through_gateway) {
        if (!machine.user_namespaces) {
            return fail("cannot learn through the egress gateway: " + machine.user_namespaces_why);
        }
        plan.network = NetworkMode::Recorded;
        plan.resolve = options.resolve;
        look_up_by_gateway(plan);
    }
    if (options.allow_credentials) {
        plan.namespaces = options.through_gateway;
        return plan;
    }
    Profile nothing;
    const Policy policy = TRY(Policy::build(nothing, "learning", variables, [](const std::string& name) {
        return result<Profile>(fail("no abstraction '" + name + "'"));
    }));
    TRY(mask_credentials(plan, policy, machine, "the learning run"));
    return plan;
}

result<Plan> compile_audit(std::shared_ptr<const Policy> policy, const Machine& machine, const Command& command,
                           bool allow_credentials) {
    if (!machine.seccomp_notify) {
        return fail("cannot audit: this kernel (" + machine.kernel + ") has no seccomp notifications (Linux 5.6)");
    }
    Plan plan = permissive(command);
    plan.audit = true;
    plan.adopt_leftovers = true;
    plan.policy = policy;
    plan.syscalls = policy->syscalls();
    plan.wait_killable = machine.seccomp_wait_killable;
    plan.memfd_noexec = machine.memfd_noexec;
    plan.resources.time_seconds = policy->resources().time_seconds;
    plan.aliases = TRY(hold_rules(*policy)).aliases;
    if (allow_credentials) {
        plan.namespaces = false;
        return plan;
    }
    TRY(mask_credentials(plan, *policy, machine, "the audit"));
    return plan;
}

} // namespace treadline

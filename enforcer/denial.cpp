#include "enforcer/denial.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "enforcer/held_rules.h"
#include "enforcer/missing_defs.h"
#include "enforcer/outside_denial.h"
#include "enforcer/own_rights.h"
#include "enforcer/seccomp_filter.h"
#include "profiles/yaml_tree.h"

namespace treadline {
namespace {

std::string risk_of(const Decision& decision) {
    if (decision.guard == nullptr) {
        return "";
    }
    return decision.guard->kind == GuardKind::Credential
               ? "gives away " + decision.guard->what
               : "lets code run later, outside the sandbox: " + decision.guard->what;
}

// Of a process inside, by the name that rules have for all of them; "" for any other path.
std::string as_own_process(const Plan& plan, const std::string& path) {
    const auto names = path_components(path);
    const bool numbered = names.size() > 2 && names[0] == "proc" && names[1].find_first_not_of("0123456789") == std::string_view::npos;
    return plan.isolate_processes && numbered ? "/proc/self" + path.substr(6 + names[1].size()) : "";
}

// Rules speak of paths as a person writes them; where one of those leads through a symbolic link, the
// resolved path is allowed by the same rule.
Decision decide(const Plan& plan, Operation operation, const std::string& path) {
    Decision decision = plan.policy->decide(operation, path);
    if (decision.allowed) {
        return decision;
    }
    for (const auto& [resolved, written] : plan.aliases) {
        if (is_within(path, resolved)) {
            const Decision other = plan.policy->decide(operation, written + path.substr(resolved.size()));
            if (other.allowed) {
                return other;
            }
        }
    }
    const std::string own = as_own_process(plan, path);
    return own.empty() ? decision : plan.policy->decide(operation, own);
}

// A number that no process inside can have had: there have not been so many since the command started. Processes that
// have ended are looked for by those who read /proc, and are nothing to report.
bool of_process_outside(const InsideView& view, const std::string& path) {
    const auto names = path_components(path);
    if (names.size() < 2 || names[0] != "proc" || names[1].find_first_not_of("0123456789") != std::string_view::npos) {
        return false;
    }
    struct stat status {};
    const std::string process = "/proc/" + std::string(names[1]);
    return ::lstat(process.c_str(), &status) == 0 && std::atoi(process.c_str() + 6) > view.most_processes();
}

// Beside the sandbox's own, which is empty at the start.
bool is_shared_memory_outside(const Plan& plan, const WatchedPath& asked, const std::string& path) {
    return plan.new_root && !asked.create_if_missing && is_within(path, "/dev/shm") && path != "/dev/shm" && exists_outside(path);
}

// Of a path that can be seen. An audit sees all of the host; there it is the layer that would refuse.
std::string layer_of(const Plan& plan, const Decision& decision, const std::string& path) {
    if (plan.flat) {
        return "landlock";
    }
    const bool masked = decision.guard != nullptr || !decision.rule.empty();
    const std::string& project = plan.policy->variables().get("project");
    const bool hidden = plan.audit && starts_hidden(path, *plan.policy) && (project.empty() || !is_within(path, project));
    return masked || hidden ? "mount" : "landlock";
}

// The user's own rights say no, too, to what nothing but the absence of a rule refuses: what is guarded, or denied by a rule,
// stays a denial.
void expect_own_rights(const Plan& plan, const Decision& decision, const std::string& path, Change change, Violation& violation) {
    if (decision.guard == nullptr && decision.rule.empty() && rights_refuse(path, change, plan.command.uid)) {
        violation.expected = "the user's own rights refuse it, without Treadline, too";
    }
}

std::string rule_for(const Plan& plan, const std::string& path, Modes modes) {
    return yaml_scalar(plan.policy->variables().shorten(path), YamlContext::Block) + ": " + to_string(modes);
}

// Where some name may be made a file without one may, too. The call that gives it a name is judged by itself.
std::vector<Violation> unnamed_denials(const Plan& plan, const WatchedPath& asked, const InsidePath& directory) {
    if (!directory.directory && (directory.exists || !exists_outside(directory.path))) {
        return {}; // fails by itself
    }
    Modes wanted = Mode::Create;
    wanted |= asked.write ? Modes(Mode::Write) : Modes();
    wanted |= asked.read ? Modes(Mode::Read) : Modes();
    const bool named = std::any_of(plan.policy->files().begin(), plan.policy->files().end(), [&](const PolicyRule& rule) {
        return rule.pattern.extent == Extent::Exact && rule.modes.covers(wanted) && parent_path(rule.pattern.path) == directory.path &&
               plan.policy->decide(Operation::Create, rule.pattern.path).allowed;
    });
    const std::string any_name = join_path(directory.path, "#");
    for (const auto& [mode, operation] : {std::pair{Mode::Create, Operation::Create}, {Mode::Write, Operation::Write}, {Mode::Read, Operation::Read}}) {
        if (named || !wanted.has(mode)) {
            continue;
        }
        const Decision decision = decide(plan, operation, any_name);
        if (decision.allowed) {
            continue;
        }
        Violation violation = violation_of(decision, layer_of(plan, decision, directory.path), "create", directory.path);
        if (violation.section == "files" && !violation.rule.empty()) {
            violation.rule = rule_for(plan, directory.path + "/", wanted);
        }
        expect_own_rights(plan, decision, any_name, Change::Names, violation);
        return {violation};
    }
    return {};
}

} // namespace

Violation violation_of(const Decision& decision, std::string layer, std::string operation,
                       std::string object) {
    Violation violation;
    violation.layer = std::move(layer);
    violation.operation = std::move(operation);
    violation.object = std::move(object);
    violation.section = decision.section;
    violation.rule = decision.remedy;
    violation.reason = decision.reason;
    violation.risk = risk_of(decision);
    violation.review = decision.review;
    const bool own = decision.origin && !decision.origin->source.starts_with("include ");
    violation.line = own ? decision.origin->at.line : 0;
    return violation;
}

bool exists_outside(const std::string& path) {
    struct stat status {};
    // /proc is another one inside, and the numbers in it mean other processes.
    return !is_within(path, "/proc") && ::lstat(path.c_str(), &status) == 0;
}

std::vector<Violation> path_denials(const Plan& plan, const InsideView& view, const WatchedPath& asked,
                                    const InsidePath& inside) {
    if (plan.policy == nullptr) {
        return {};
    }
    if (asked.unnamed) {
        return unnamed_denials(plan, asked, inside);
    }
    const bool there = inside.exists || inside.hidden;
    const bool outside_only = !there && exists_outside(inside.path);
    // An unnamed file or one without a name any more is nobody's but the program's own.
    if ((asked.link_source || (asked.write && asked.raw.empty())) && inside.path.ends_with(" (deleted)")) {
        return {};
    }
    // To the command it is missing.
    const bool placeholder = there && (asked.create_if_missing || asked.only_if_missing) &&
                             std::any_of(plan.placeholders.begin(), plan.placeholders.end(),
                                         [&](const Placeholder& one) { return one.path == inside.path; });
    if (asked.only_if_missing && there && !placeholder) {
        return {}; // EEXIST, whatever the profile says
    }
    // What is there outside is not made but written, once a rule brings it in.
    const bool makes = asked.create || (asked.create_if_missing && ((!there && !outside_only) || placeholder));
    std::vector<Violation> denials;
    // Empty, and there only for us: git looks into every directory it does not know.
    const bool own_directory = std::any_of(plan.placeholders.begin(), plan.placeholders.end(), [&](const Placeholder& one) {
        return one.directory && one.path == inside.path;
    });
    const auto check = [&](bool wanted, Operation operation, const char* name) {
        if (!wanted || !denials.empty() || (operation == Operation::Read && own_directory)) {
            return;
        }
        // Judged by the guarded file, where the guard lies over it, too.
        const auto other = plan.other_names.find(inside.path);
        const bool by_other = other != plan.other_names.end() && (operation != Operation::Read || other->second.masked);
        Decision decision = by_other ? decide(plan, operation, other->second.path) : decide(plan, operation, inside.path);
        if (decision.allowed) {
            return;
        }
        if (makes && operation != Operation::Create && decision.guard != nullptr) {
            return; // the rule that names what is guarded lets it be made, and with that filled
        }
        if (inside.path.starts_with("/memfd:")) { // what it is called in /proc; no file system has it
            if (operation != Operation::Execute) {
                return; // the program's own memory
            }
            decision = {};
            decision.reason = "a file in memory has no path that a rule could name";
        }
        // The sandbox's /proc shows only its own processes: what guards other people's protects nobody here.
        if (decision.guard != nullptr && is_within(inside.path, "/proc")) {
            return;
        }
        Violation violation = violation_of(decision, outside_only ? "mount" : layer_of(plan, decision, inside.path), name, inside.path);
        if (makes && operation != Operation::Create && !violation.rule.empty() && violation.section == "files") {
            // What is not there yet is opened by a rule that makes it, too.
            violation.rule = rule_for(plan, inside.path, Modes(Mode::Create) | Mode::Write | (asked.read ? Modes(Mode::Read) : Modes()));
        }
        if (operation == Operation::Create || operation == Operation::Write) {
            expect_own_rights(plan, decision, inside.path, operation == Operation::Create ? Change::Names : Change::Write, violation);
        }
        denials.push_back(std::move(violation));
    };
    if (!there && !makes && (asked.read || asked.write || asked.execute || asked.remove)) {
        const char* operation = asked.execute ? "execute" : asked.remove ? "delete" : asked.write ? "write" : "read";
        if (of_process_outside(view, inside.path)) {
            return {outside_denial("mount", operation, inside.path, "it is of a process outside, and no rule lets one in")};
        }
        if (is_shared_memory_outside(plan, asked, inside.path)) {
            return {outside_denial("mount", operation, inside.path, "it is shared memory of programs outside, and no rule lets it in")};
        }
    }
    if (asked.device && makes) {
        Violation violation = violation_of({}, "landlock", "create", inside.path);
        violation.reason = "device nodes are never made";
        return {violation};
    }
    bool present = there || outside_only;
    if (makes) {
        // Where not even the directory is there, on either side, the call fails by itself.
        const std::string parent(parent_path(inside.path));
        present = there || view.exists(parent) || exists_outside(parent);
        check(present, Operation::Create, "create");
    }
    check(asked.remove && present, Operation::Create, "delete");
    check(asked.execute && present, Operation::Execute, "execute");
    check(asked.write && present, Operation::Write, "write"); // also what the call makes: a rule `c` alone opens nothing
    check(asked.read && present, Operation::Read, inside.directory ? "list" : "read");
    // A second name would be written by the rule of its own place, so what is guarded against writing gets
    // none.
    const bool sealed = asked.link_source && plan.policy->guards().find(inside.path, true) != nullptr;
    check(sealed && present, Operation::Write, "link");
    return denials;
}

std::optional<Violation> denial_at(const Plan& plan, Operation operation, const char* name, const std::string& path) {
    const Decision decision = decide(plan, operation, path);
    if (decision.allowed) {
        return std::nullopt;
    }
    Violation violation = violation_of(decision, "landlock", name, path);
    if (operation == Operation::Write) {
        expect_own_rights(plan, decision, path, Change::Write, violation);
    }
    return violation;
}

std::optional<Violation> denial_in(const Plan& plan, const char* name, const std::string& directory) {
    const std::string any_name = join_path(directory, "#");
    const Decision decision = decide(plan, Operation::Create, any_name);
    if (decision.allowed) {
        return std::nullopt;
    }
    Violation violation = violation_of(decision, "landlock", name, directory);
    if (violation.section == "files" && !violation.rule.empty()) {
        violation.rule = rule_for(plan, directory + "/", Mode::Create);
    }
    expect_own_rights(plan, decision, any_name, Change::Names, violation);
    return violation;
}

Violation renamed_mount_point(const std::string& path) {
    Violation violation = violation_of({}, "mount", "rename", path);
    violation.reason = "a rule of its own, or a guard, holds it in its place";
    return violation;
}

std::vector<Violation> moved_tree_denials(const Plan& plan, const InsideView& view, const std::string& from, const std::string& to) {
    if (plan.policy == nullptr) {
        return {};
    }
    const auto refused = [&](const std::string& name) -> std::optional<Violation> {
        const std::string target = join_path(to, name);
        const std::string source = join_path(from, name);
        const Guard* guard = plan.policy->guards().find(target, true);
        const bool denied = plan.policy->denying(target) != nullptr && plan.policy->denying(source) == nullptr;
        if (!denied && (guard == nullptr || guard == plan.policy->guards().find(source, true))) {
            return std::nullopt;
        }
        const Decision decision = decide(plan, Operation::Create, target);
        return decision.allowed ? std::nullopt : std::optional(violation_of(decision, "mount", "create", target));
    };
    const InsideTree tree = view.tree(from);
    for (const std::string& name : tree.names) {
        if (auto violation = refused(name)) {
            return {*violation};
        }
    }
    for (const std::string& name : tree.unread) {
        // Under a mask, which comes along; what the command has made unreadable itself could be anything.
        if (plan.policy->guards().find(join_path(from, name), false) == nullptr && plan.policy->denying(join_path(from, name)) == nullptr) {
            Violation violation = violation_of({}, "mount", "rename", join_path(from, name));
            violation.reason = "what lies in it cannot be seen, and may not go where it would be guarded";
            return {violation};
        }
    }
    return {};
}

namespace {

// The call a rule would have to list.
std::string listed_as(const Plan& plan, const std::string& name, const seccomp_data& data) {
    if (name == "socket" && !allows_internet_sockets(plan.policy->syscalls())) {
        return "listen";
    }
    return name == "prctl" && static_cast<uint32_t>(data.args[0]) == PR_SET_SECCOMP ? "seccomp" : name;
}

std::string with_arguments(const std::string& name, const seccomp_data& data) {
    const auto number = [&](size_t at) { return std::to_string(static_cast<uint32_t>(data.args[at])); };
    if (name == "socket") {
        return name + "(" + number(0) + ", " + number(1) + ", " + number(2) + ")";
    }
    if (name == "ioctl" || name == "prctl") {
        return name + "(" + number(name == "ioctl" ? 1 : 0) + ")";
    }
    return name;
}

// Of those that no rule opens where there is no network namespace.
void explain_flat_socket(const seccomp_data& data, Violation& violation) {
    const auto family = static_cast<uint32_t>(data.args[0]);
    const auto type = static_cast<uint32_t>(data.args[1]) & 0xf;
    const bool internet = family == AF_INET || family == AF_INET6;
    if (family == AF_UNIX) {
        violation.reason = "without a network namespace UNIX sockets, which reach this machine's services, are given with a `unix` rule only";
        violation.expected = "the C library asks for its daemons (nscd), and goes on without";
    } else if (internet && type == SOCK_DGRAM && data.args[2] == 0) {
        violation.reason = "without a network namespace no datagrams are given, which nothing would hold; names are looked up by TCP";
        violation.expected = "programs look with it what kind of addresses there are, and go on without";
    }
}

} // namespace

Violation refused_call(const Plan& plan, const std::string& name, const seccomp_data& data) {
    Decision decision;
    if (plan.policy != nullptr) {
        decision = plan.policy->decide(Operation::Syscall, listed_as(plan, name, data));
    }
    if (decision.allowed || refused_for_arguments(name, data)) { // which no rule changes
        decision = {};
        decision.reason = "these arguments of '" + name + "' are refused whatever the profile lists";
    }
    Violation violation = violation_of(decision, "seccomp", "syscall", with_arguments(name, data));
    if (plan.flat && name == "socket" && allows_internet_sockets(plan.policy->syscalls())) {
        explain_flat_socket(data, violation);
    }
    const bool events = name == "socket" && static_cast<uint32_t>(data.args[0]) == AF_NETLINK &&
                        static_cast<uint32_t>(data.args[2]) == NETLINK_KOBJECT_UEVENT;
    if (events && violation.rule.empty()) {
        violation.expected = "programs that look for devices ask for news of them, and go on without";
    }
    return violation;
}

Violation dropped_variable(const Plan& plan, const std::string& name) {
    Violation violation = violation_of(plan.policy->decide(Operation::Environment, name), "environment", "pass", name);
    violation.expected = "the caller had it, and the command need not have asked for it";
    return violation;
}

void add_process(Violation& violation, InsideProcess process) {
    violation.pid = process.pid;
    violation.exe = std::move(process.exe);
    violation.argv = std::move(process.argv);
}

} // namespace treadline

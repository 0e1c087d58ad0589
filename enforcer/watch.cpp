#include "enforcer/watch.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/path.h"
#include "base/syscalls.h"
#include "enforcer/address_denial.h"
#include "enforcer/denial.h"
#include "enforcer/missing_defs.h"
#include "enforcer/seccomp_filter.h"
#include "enforcer/watched_call.h"

namespace treadline {
namespace {

constexpr int max_syscall_number = 1024; // numbers are below 500 in Linux 6.18
constexpr size_t max_known = 65'536;
constexpr size_t max_known_length = 512; // a hostile program can make that many names of 4 KiB each

std::string asked_of(const WatchedPath& path) {
    const int bits = (path.read ? 1 : 0) | (path.write ? 2 : 0) | (path.create ? 4 : 0) |
                     (path.remove ? 8 : 0) | (path.execute ? 16 : 0) | (path.create_if_missing ? 32 : 0) |
                     (path.only_if_missing ? 64 : 0) | (path.link_source ? 128 : 0) | (path.unnamed ? 256 : 0);
    return std::to_string(bits);
}

// The kernel's own check.
bool has_unknown_memfd_flags(const seccomp_data& data) {
    constexpr unsigned sizes = static_cast<unsigned>(MAP_HUGE_MASK) << MAP_HUGE_SHIFT; // one encoding for mmap and this
    constexpr unsigned known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | memfd_noexec_seal | memfd_exec;
    const auto flags = static_cast<unsigned>(data.args[1]);
    return (flags & ~(known | ((flags & MFD_HUGETLB) != 0 ? sizes : 0))) != 0;
}

} // namespace

bool watches_reaching(const Plan& plan) {
    return plan.namespaces && plan.isolate_processes && plan.watch_paths && !plan.audit;
}

result<std::unique_ptr<Watch>> Watch::start(const Plan& plan, unique_fd listener, pid_t command, egress::Bridge* bridge) {
    std::unique_ptr<Watch> watch(new Watch(plan, TRY(InsideView::open(command))));
    watch->listener_ = std::move(listener);
    watch->command_ = command;
    watch->self_testing_ = plan.self_test.unlisted_call;
    watch->watched_.resize(max_syscall_number);
    // The command waits for this, and libseccomp takes its time with each name: only those that are looked at are asked for.
    std::unordered_set<std::string_view> listed;
    if (plan.syscalls) {
        listed.insert(plan.syscalls->begin(), plan.syscalls->end());
    }
    const Looks looks = plan.audit ? Looks::InAudits : watches_reaching(plan) ? Looks::AtPathsAndReaching : Looks::AtPaths;
    std::vector<std::string> names = looked_at_syscalls(looks);
    if (supervises_sockets(plan)) {
        watch->sockets_.emplace(plan, bridge);
        names.emplace_back("listen");
    }
    for (const std::string& name : names) {
        const int number = plan.watch_paths && listed.contains(name) ? syscall_number(name) : -1;
        if (number >= 0 && number < max_syscall_number) {
            watch->watched_[static_cast<size_t>(number)] = name;
        }
    }
    watch->memfd_listed_ = listed.contains("memfd_create");
    watch->ioctl_listed_ = plan.watch_paths && listed.contains("ioctl");
    if (!plan.new_root) {
        watch->writable_.emplace_back("/"); // no mount says what is not
    }
    for (const MountStep& step : plan.mounts) {
        if (step.writable) {
            watch->writable_.push_back(step.target);
        }
        if (step.kind == MountStep::Kind::Bind && step.source == step.target) {
            watch->mount_points_.insert(step.target);
        }
    }
    // Made so that rules have something to lie on; to the command they are not there yet.
    watch->removed_.insert(plan.make_directories.begin(), plan.make_directories.end());
    // Linux 6.6; without it every notification costs a wake-up on another processor, nothing worse.
    ::ioctl(watch->listener_.get(), seccomp_notif_set_flags, seccomp_notif_sync_wake_up);
    return watch;
}

void Watch::answer(uint64_t id, int code, uint32_t flags) const {
    seccomp_notif_resp response{};
    response.id = id;
    response.error = -code;
    response.flags = flags;
    // ENOENT: the task was killed meanwhile.
    ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response);
}

result<ok> Watch::serve(ViolationLog& log) {
    seccomp_notif call{};
    if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
        // ENOENT: the task died before its call was received.
        return errno == ENOENT || errno == EINTR ? result<ok>(ok{})
                                                 : fail_errno("cannot receive a system call notification");
    }
    // The self-test's call and the launch are the first ones of the filter's first task: whatever comes after is the
    // command's. A filter above ours may have answered the self-test's already.
    if (launching_ && std::exchange(self_testing_, false) && call.data.nr == SYS_unshare) {
        answer(call.id, EPERM, 0);
        return ok{};
    }
    const bool launch = std::exchange(launching_, false) && static_cast<pid_t>(call.pid) == command_;
    if (launch && call.data.nr == SYS_execve) {
        answer(call.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
        return ok{};
    }
    if (plan_.audit) {
        audit(call, log);
        answer(call.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
        return ok{};
    }
    const std::string looked_at = looked_at_as(call);
    if (!looked_at.empty()) {
        const std::optional<int> verdict = look(call, looked_at, log);
        answer(call.id, verdict.value_or(0), verdict ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE);
        return ok{};
    }
    const std::string name = syscall_name(call.data.nr);
    if (name.empty()) {
        answer(call.id, ENOSYS, 0); // newer than libseccomp: libc has a way without it
        return ok{};
    }
    if (name == "memfd_create" && memfd_listed_ && has_unknown_memfd_flags(call.data)) {
        answer(call.id, EINVAL, 0); // a question, which fails by itself
        return ok{};
    }
    if (name == "memfd_create" && give_sealed_memfd(call)) {
        return ok{};
    }
    report_refused(call, name, log);
    answer(call.id, EPERM, 0);
    return ok{};
}

// The name of a listed call that names a path or an address; "" for the others.
std::string Watch::looked_at_as(const seccomp_notif& call) const {
    const auto number = static_cast<size_t>(call.data.nr);
    if (call.data.nr == SYS_ioctl && ioctl_listed_ && is_watched_ioctl(call.data.args[1])) {
        return "ioctl";
    }
    return number < watched_.size() ? watched_[number] : "";
}

// What an enforced run would look at or refuse, reported and let through.
void Watch::audit(const seccomp_notif& call, ViolationLog& log) {
    const bool native = is_native(call.data.arch);
    if (const std::string looked_at = native ? looked_at_as(call) : ""; !looked_at.empty()) {
        look(call, looked_at, log);
        return;
    }
    const std::string name = native ? syscall_name(call.data.nr) : "";
    if (name == "memfd_create" && (gets_sealed_memfd(call) || (memfd_listed_ && has_unknown_memfd_flags(call.data)))) {
        return;
    }
    report_refused(call, name.empty() ? "call " + std::to_string(call.data.nr) : name, log);
}

bool Watch::gets_sealed_memfd(const seccomp_notif& call) const {
    const auto flags = static_cast<unsigned>(call.data.args[1]);
    return plan_.memfd_noexec && (flags & ~static_cast<unsigned>(MFD_CLOEXEC | MFD_ALLOW_SEALING)) == 0 && memfd_listed_;
}

// A program that says nothing about execution gets a memory file that cannot be executed, made here and
// handed over.
bool Watch::give_sealed_memfd(const seccomp_notif& call) const {
    const auto flags = static_cast<unsigned>(call.data.args[1]);
    if (!gets_sealed_memfd(call)) {
        return false;
    }
    const auto label = read_string(static_cast<pid_t>(call.pid), call.data.args[0]);
    const unique_fd file(::memfd_create(label.value_or("memfd").substr(0, 200).c_str(),
                                        MFD_CLOEXEC | MFD_ALLOW_SEALING | memfd_noexec_seal));
    if (!file || ((flags & MFD_ALLOW_SEALING) == 0 && ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL) != 0)) {
        return false;
    }
    seccomp_notif_addfd give{};
    give.id = call.id;
    give.flags = SECCOMP_ADDFD_FLAG_SEND; // Linux 5.14
    give.srcfd = static_cast<uint32_t>(file.get());
    give.newfd_flags = (flags & MFD_CLOEXEC) != 0 ? O_CLOEXEC : 0;
    return ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &give) >= 0;
}

void Watch::report_refused(const seccomp_notif& call, const std::string& name, ViolationLog& log) const {
    Violation violation = refused_call(plan_, name, call.data);
    InsideProcess process = describe_process(static_cast<pid_t>(call.pid));
    // A caller that was killed meanwhile is not described: its number may be another's by now.
    add_process(violation, still_waiting(call.id) ? std::move(process) : InsideProcess{});
    violation.denied = !plan_.audit;
    log.record(std::move(violation));
}

std::optional<int> Watch::look(const seccomp_notif& call, const std::string& name, ViolationLog& log) {
    const auto task = static_cast<pid_t>(call.pid);
    WatchedCall seen = read_call(task, name, call.data);
    // The common case: a file asked for by a plain path that was found readable before, in a part of the view
    // where nothing inside can change a link.
    const bool cacheable = seen.paths.size() == 1 && seen.paths[0].read_only() && seen.paths[0].last == LastLink::Follow &&
                           !seen.paths[0].raw.empty() && seen.paths[0].raw[0] == '/';
    if (cacheable && (known_readable_.contains(seen.paths[0].raw) || is_readable_beside(seen.paths[0].raw))) {
        return std::nullopt;
    }
    std::optional<int> verdict;
    const Refuse refuse = [&](Violation violation, bool kernel_refuses) {
        InsideProcess process = describe_process(task);
        if (!still_waiting(call.id)) {
            return; // what was read of a task that has gone since may be another's
        }
        add_process(violation, std::move(process));
        violation.denied = !plan_.audit || held_in_audit(violation);
        log.record(std::move(violation));
        if (!kernel_refuses && plan_.answer_refusals) {
            verdict = EACCES;
        }
    };
    if (is_reaching_syscall(name)) {
        if (auto violation = reached_.of_call(view_, task, name, call.data)) {
            refuse(std::move(*violation), true);
        }
        return std::nullopt;
    }
    if (sockets_ && (name == "connect" || name == "bind" || name == "listen")) {
        const auto error = act_on_socket(call, name, seen, refuse);
        return verdict ? verdict : error;
    }
    std::vector<InsidePath> resolved;
    for (size_t next = 0; next < seen.paths.size(); ++next) { // a loader adds its program
        const WatchedPath path = seen.paths[next];
        const auto inside = view_.resolve(task, path.directory, path.raw, path.last);
        if (!inside) {
            continue;
        }
        resolved.push_back(*inside);
        if (path.execute && !path.by_loader && is_dynamic_loader(file_name(inside->path))) {
            if (auto program = program_of_loader(task, name, call.data)) {
                seen.paths.push_back(std::move(*program));
            }
        }
        // Fails by itself, whatever the profile says; git tries it on every directory it empties.
        if (path.remove_directory && inside->exists && inside->directory && !verdict) {
            const auto entries = view_.entries(inside->path);
            if (entries && std::any_of(entries->begin(), entries->end(), [&](const std::string& entry) {
                    return !removed_.contains(join_path(inside->path, entry));
                })) {
                verdict = ENOTEMPTY;
                continue;
            }
        }
        // As execve(2) says it to everybody, root included.
        if (path.execute && !path.by_loader && inside->exists && !inside->directory && !inside->executable && !verdict) {
            verdict = EACCES;
            continue;
        }
        std::vector<Violation> denials;
        // What is missing in /proc and /dev may be a process or shared memory outside.
        const bool readable = path.read_only() && !is_within(inside->path, "/proc") && !is_within(inside->path, "/dev") &&
                              is_readable(inside->path);
        const std::string key = readable ? "" : asked_of(path) + inside->path;
        if (!readable && !known_allowed_.contains(key)) {
            denials = path_denials(plan_, view_, path, *inside);
            if (denials.empty() && inside->exists && !path.create_if_missing && known_allowed_.size() < max_known &&
                key.size() <= max_known_length) {
                known_allowed_.insert(key);
            }
        }
        // What is not there inside gets the kernel's own ENOENT.
        const bool absent =
            !inside->exists && !inside->hidden && !path.create && !path.create_if_missing;
        for (const Violation& violation : denials) {
            refuse(violation, absent);
        }
        if (denials.empty() && !verdict) {
            verdict = change_mount_point(path, *inside);
        }
        if (cacheable && denials.empty() && (inside->exists || readable) && known_readable_.size() < max_known &&
            path.raw.size() <= max_known_length && leads_there_for_good(task, path, *inside)) {
            known_readable_.insert(path.raw);
            if (readable && inside->exists && !inside->linked && inside->path == path.raw && plain_directories_.size() < max_known) {
                plain_directories_.emplace(parent_path(path.raw));
            }
        }
    }
    if (name.starts_with("rename") && resolved.size() == 2 && !verdict) {
        judge_rename(call, name, resolved, refuse);
    }
    for (const WatchedAddress& address : seen.addresses) {
        if (const std::string endpoint = plan_.network == NetworkMode::Gateway ? endpoint_of(address) : "";
            !endpoint.empty() && !contacts_.knows(endpoint, task)) {
            InsideProcess process = describe_process(task);
            if (still_waiting(call.id)) {
                contacts_.note(endpoint, task, std::move(process));
            }
        }
        for (const Violation& violation : address_denials(plan_, view_, task, address)) {
            // Mounts and Landlock have no say in connecting to a socket in view.
            refuse(violation, !plan_.flat && violation.layer != "seccomp");
        }
    }
    return verdict;
}

// Of a command without a network namespace. What a TCP socket is asked for never goes on to the kernel as it is; with others,
// a socket may have been put in their place by the time the kernel looks, which Landlock then holds.
std::optional<int> Watch::act_on_socket(const seccomp_notif& call, const std::string& name, const WatchedCall& seen, const Refuse& refuse) {
    const auto task = static_cast<pid_t>(call.pid);
    const unique_fd socket = take_descriptor(task, static_cast<int>(call.data.args[0]));
    if (!socket || !still_waiting(call.id)) {
        return EBADF;
    }
    if (name != "listen" && seen.addresses.empty()) {
        return EFAULT;
    }
    const std::string& address = name == "listen" ? std::string() : seen.addresses[0].bytes;
    const auto answer = name == "listen"    ? std::optional(sockets_->listen(socket.get(), static_cast<int>(call.data.args[1])))
                        : name == "connect" ? sockets_->connect(socket.get(), address)
                                            : sockets_->bind(socket.get(), address);
    if (!answer) {
        for (const Violation& violation : address_denials(plan_, view_, task, seen.addresses[0])) {
            refuse(violation, false);
        }
        // Where Landlock holds no port, either there is no TCP socket, or it is no other than this call could be turned to.
        const bool held = plan_.landlock_abi >= 4 || !plan_.policy->unix_sockets().empty() || name == "bind"; // listen() looks again
        return held ? std::nullopt : std::optional(EACCES);
    }
    if (answer->violation) {
        refuse(*answer->violation, false);
        return plan_.answer_refusals ? std::optional(answer->error) : std::nullopt; // else it is Landlock's
    }
    if (!answer->contact.empty()) {
        contacts_.note(answer->contact, task, describe_process(task));
    }
    return answer->error;
}

bool Watch::is_readable(const std::string& path) {
    return !plan_.other_names.contains(path) && readable_.hold(path); // what another name guards is judged by that one
}

// Beside something that was looked at and led through no link: then only the last name can be one.
bool Watch::is_readable_beside(const std::string& raw) {
    const std::string_view name = file_name(raw);
    if (name.empty() || name == "." || name == ".." || !plain_directories_.contains(parent_path(raw)) || !is_lasting(raw) ||
        !is_readable(raw) || !view_.is_no_link(raw)) {
        return false;
    }
    if (known_readable_.size() < max_known && raw.size() <= max_known_length) {
        known_readable_.insert(raw);
    }
    return true;
}

// Nothing inside can put something else there.
bool Watch::is_lasting(std::string_view path) const {
    return !is_within(path, "/proc") && std::none_of(writable_.begin(), writable_.end(), [&](const std::string& directory) {
        return is_within(path, directory);
    });
}

// Whether nothing inside can make the asked path lead elsewhere.
bool Watch::leads_there_for_good(pid_t task, const WatchedPath& asked, const InsidePath& inside) const {
    if (!inside.linked && inside.path == asked.raw) {
        return is_lasting(inside.path);
    }
    const auto places = view_.places_of(task, asked.raw, asked.last);
    return places && std::all_of(places->begin(), places->end(), [&](const std::string& place) { return is_lasting(place); });
}

void Watch::judge_rename(const seccomp_notif& call, const std::string& name, const std::vector<InsidePath>& paths, const Refuse& refuse) const {
    for (const InsidePath& path : paths) {
        if (path.exists && mount_points_.contains(path.path)) {
            refuse(renamed_mount_point(path.path), true);
            return;
        }
    }
    const bool exchange = name == "renameat2" && (call.data.args[4] & RENAME_EXCHANGE) != 0;
    for (size_t from = 0; from < (exchange ? 2 : 1); ++from) {
        if (paths[from].exists && paths[from].directory) {
            for (const Violation& violation : moved_tree_denials(plan_, view_, paths[from].path, paths[1 - from].path)) {
                refuse(violation, false);
            }
        }
    }
}

// What an audit refuses all the same: masked credentials, and changes to the profile.
bool Watch::held_in_audit(const Violation& violation) const {
    const bool reads = violation.operation == "read" || violation.operation == "list" || violation.operation == "execute";
    return std::any_of(plan_.mounts.begin(), plan_.mounts.end(), [&](const MountStep& step) {
        const bool read_only = step.kind == MountStep::Kind::Bind && !step.writable;
        return !(read_only && reads) && is_within(violation.object, step.target);
    });
}

// `${project}/build/**: rwc` lets the command remove `build` itself, as `rm -rf build` and `make clean` do, but a mount
// point cannot be removed (EBUSY), and one made anew would carry no rule. So an empty one counts as removed, is there
// again when the command makes it, and is removed for real at the end if it was not. In between it can still be seen.
std::optional<int> Watch::change_mount_point(const WatchedPath& asked, const InsidePath& inside) {
    if (!inside.exists || !inside.directory) {
        return std::nullopt;
    }
    if (asked.remove_directory) {
        // look() has seen that nothing is in it but, perhaps, what counts as removed.
        const auto entries = view_.entries(inside.path);
        const bool ours = mount_points_.contains(inside.path) || removed_.contains(inside.path);
        if (!entries || (!ours && entries->empty())) {
            return std::nullopt;
        }
        return removed_.insert(inside.path).second ? 0 : ENOENT;
    }
    if (asked.make_directory && removed_.erase(inside.path) != 0) {
        return 0;
    }
    return std::nullopt;
}

bool Watch::still_waiting(uint64_t id) const {
    return ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

} // namespace treadline

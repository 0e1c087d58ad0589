// Notifications of the system call filter -> answers and violations.
//
// Refused calls (not listed, or refused for their arguments) are answered with EPERM and reported. Watched
// calls are only looked at: the answer is always "let the kernel go on", and the mount view and Landlock do
// the refusing. So a program that changes an argument while it is being read can at worst lose a report,
// never gain an access.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include <linux/seccomp.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/contact_log.h"
#include "enforcer/inside_view.h"
#include "enforcer/outside_denial.h"
#include "enforcer/plan.h"
#include "enforcer/readable_names.h"
#include "enforcer/supervised_sockets.h"
#include "enforcer/violation_log.h"
#include "enforcer/watched_call.h"

namespace treadline {

// Whether calls that reach for processes and shared objects are looked at: where namespaces keep those outside apart.
bool watches_reaching(const Plan& plan);

class Watch {
public:
    // `listener` from the command; `command` is its pid as this process sees it.
    // `bridge`: for the sockets of a command without a network namespace, if they lead anywhere.
    static result<std::unique_ptr<Watch>> start(const Plan& plan, unique_fd listener, pid_t command, egress::Bridge* bridge = nullptr);

    [[nodiscard]] int listener() const { return listener_.get(); }

    // Answers one waiting notification. An error means that the listener itself is unusable.
    result<ok> serve(ViolationLog& log);

    // Directories of the host that the command removed as far as it can tell; see change_mount_point().
    [[nodiscard]] const std::set<std::string>& removed() const { return removed_; }

    // Where the egress gateway is to be told who asked.
    [[nodiscard]] const ContactLog& contacts() const { return contacts_; }

private:
    Watch(const Plan& plan, InsideView view) : plan_(plan), view_(std::move(view)), readable_(plan.policy.get()) {}

    void answer(uint64_t id, int code, uint32_t flags) const;
    // What to answer: nothing, to let the kernel go on; an errno; 0 for a success without the kernel.
    std::optional<int> look(const seccomp_notif& call, const std::string& name, ViolationLog& log);
    using Refuse = std::function<void(Violation, bool kernel_refuses)>;
    std::optional<int> act_on_socket(const seccomp_notif& call, const std::string& name, const WatchedCall& seen, const Refuse& refuse);
    void judge_rename(const seccomp_notif& call, const std::string& name, const std::vector<InsidePath>& paths, const Refuse& refuse) const;
    [[nodiscard]] std::string looked_at_as(const seccomp_notif& call) const;
    void audit(const seccomp_notif& call, ViolationLog& log);
    [[nodiscard]] bool is_readable(const std::string& path);
    [[nodiscard]] bool is_readable_beside(const std::string& raw);
    [[nodiscard]] bool is_lasting(std::string_view path) const;
    [[nodiscard]] bool leads_there_for_good(pid_t task, const WatchedPath& asked, const InsidePath& inside) const;
    [[nodiscard]] bool held_in_audit(const Violation& violation) const;
    [[nodiscard]] bool gets_sealed_memfd(const seccomp_notif& call) const;
    std::optional<int> change_mount_point(const WatchedPath& asked, const InsidePath& inside);
    void report_refused(const seccomp_notif& call, const std::string& name, ViolationLog& log) const;
    [[nodiscard]] bool still_waiting(uint64_t id) const;
    [[nodiscard]] bool give_sealed_memfd(const seccomp_notif& call) const;

    const Plan& plan_;
    unique_fd listener_;
    InsideView view_;
    pid_t command_ = 0;
    bool self_testing_ = false; // its one call is still to come (self_test.h)
    bool launching_ = true; // the first execve is the launch itself, whether or not a rule allows programs more
    std::vector<std::string> watched_;               // by number, the names of those listed and looked at
    bool ioctl_listed_ = false;
    bool memfd_listed_ = false;
    std::vector<std::string> writable_;              // subtrees whose links may change under our eyes
    std::set<std::string> mount_points_;             // directories bound onto themselves, which no rmdir can remove
    std::set<std::string> removed_;
    OutsideDenials reached_;
    std::optional<SupervisedSockets> sockets_; // where supervises_sockets()
    ReadableNames readable_;
    std::set<std::string, std::less<>> plain_directories_; // where a path was looked at that led through no link; lasting
    ContactLog contacts_;
    std::unordered_set<std::string> known_readable_; // absolute paths as asked for, see look()
    // Resolved paths, each behind a letter for what was asked of it: a policy does not change its mind.
    std::unordered_set<std::string> known_allowed_;
};

} // namespace treadline

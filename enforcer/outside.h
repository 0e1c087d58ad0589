// What a run changes outside the sandbox, and takes back: missing directories that a `c` rule names (where they are
// still empty), placeholders for guards (where they are still as they were made), a cgroup and, without mounts, a temporary
// directory of the run's own.
//
// Overlapping runs of one project share what they make (project_lock.h). What a run finds already made by another, or left by
// one that was killed, is its own, too.
//
// A process of its own, the janitor, makes all that and outlives the supervisor: at whatever moment that one is killed,
// somebody knows what there is to take back. Where other runs last, the janitor of one that made something new waits for
// their end. Where supervisor and janitor are killed together, what was made stays, and the next run of the project that needs
// it takes it back: placeholders and directories are known by a time of theirs.
#pragma once

#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "enforcer/plan.h"
#include "enforcer/project_lock.h"
#include "enforcer/run_cgroup.h"

namespace treadline {

// Whether what is at `placeholder.path` is one that Treadline made and nobody has changed since.
bool is_untouched_placeholder(const Placeholder& placeholder);

// Whether it is a directory that a run made outside and nobody has put anything into since: it may be taken back at any time.
bool is_made_directory(const struct stat& status);

class Outside {
public:
    // Starts the process that makes it.
    static result<Outside> begin(const Plan& plan, ProjectLock lock);
    result<ok> await(const Plan& plan); // until it is made
    Outside(Outside&& other) noexcept;
    Outside& operator=(Outside&&) = delete;
    ~Outside();

    [[nodiscard]] const RunCgroup& cgroup() const { return cgroup_; }

    // The command made this one of the plan's directories itself: it stays, even if it is empty.
    void keep_directory(const std::string& path);
    // Removes, deepest first, those that are empty, unless another run of the project lasts.
    void remove_directories(const std::set<std::string>& paths);

private:
    explicit Outside(ProjectLock lock) : lock_(std::move(lock)) {}
    [[nodiscard]] result<ok> make_all(const Plan& plan); // by the janitor
    result<ok> make_temporary(const Plan& plan);
    struct Item {
        Placeholder what;
        bool placeholder = false; // else a directory that a rule names
    };
    // In memory that the janitor shares with us; of the item at the same place.
    struct Made {
        dev_t device = 0;
        ino_t inode = 0;
        bool ours = false;
        bool is_new = false; // not found already made
        bool making = false; // the janitor is at it
    };
    result<ok> make_missing_directory(const std::string& path, Made& made, uid_t uid, gid_t gid);
    result<ok> make_placeholder(const Placeholder& placeholder, Made& made, uid_t uid, gid_t gid);
    result<ok> start_janitor(const Plan& plan);
    [[noreturn]] void be_janitor(const Plan& plan, int socket);
    [[nodiscard]] bool made_remains() const;
    [[nodiscard]] bool is_placeholder(const std::string& path) const;
    [[nodiscard]] bool others_keep_made() const;
    bool remove_made() const; // false: not alone
    void remove_made_with_others() const;
    void finish_without_janitor() const;

    std::vector<Item> items_; // what lies in another comes after it
    std::span<Made> made_;
    // Shared with the janitor: one of our own would keep other runs from tidying up, and end with us before anybody did that for
    // them.
    ProjectLock lock_;
    // The janitor says when it has made everything, or why it could not, and then waits for the other end to close.
    unique_fd janitor_socket_;
    pid_t janitor_ = -1;
    bool answered_ = false;
    RunCgroup cgroup_;
    std::string temporary_; // removed with what is in it
};

} // namespace treadline

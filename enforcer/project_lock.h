// The lock by which overlapping runs of one project share what they make outside (outside.h). Each holds it, shared, from
// before it looks at the disk for its plan until it has ended, so that nothing of another's that the plan was made with is taken
// back before the run has made it its own, too. Only a run that is alone takes anything back.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace treadline {

class ProjectLock {
public:
    ProjectLock() = default; // not of any project: nobody is in the way
    // Waits for a run that is just ending, but not for ever: somebody else may keep the directory locked.
    static ProjectLock share(const std::string& project, std::chrono::milliseconds longest = std::chrono::seconds(5));

    // Fails where it could not be had.
    [[nodiscard]] result<ok> held() const;
    // Whether no other run lasts, and none can begin from now on. Gives the shared lock up where one does: asked at the end only.
    [[nodiscard]] bool alone() const;
    // For what others have yet to take back.
    void give_up() const;
    // Waits until no other run lasts. False where a signal came first.
    [[nodiscard]] bool wait_alone() const;

    [[nodiscard]] int fd() const { return directory_.get(); }
    void is_now(int fd) { // the same open file by another number, all others being closed
        (void)directory_.release();
        directory_.reset(fd);
    }

private:
    unique_fd directory_; // the project's; none where there is no project
    std::string kept_locked_; // its name, where somebody else does that
};

} // namespace treadline

// A home with a project in it, a profile for it, and runs of commands held to that profile.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "enforcer/landlock_log.h"
#include "enforcer/plan.h"
#include "enforcer/sandbox.h"
#include "tests/support/support.h"

namespace treadline::test {

struct Held {
    std::string error; // of compile, start or release; then nothing ran
    int status = -1;
    std::string out; // standard output and error
    std::vector<Violation> violations;

    // Of those whose object is exactly this.
    [[nodiscard]] std::vector<Violation> about(const std::string& object) const;
};

class Arena {
public:
    Arena();

    [[nodiscard]] std::string home(const std::string& name = "") const;
    [[nodiscard]] std::string project(const std::string& name = "") const;
    // Writes a file below the home.
    std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;

    [[nodiscard]] const Variables& variables() const { return variables_; }
    // `rules` is the profile without its first two lines; `include: [base, shell, git]` and the hostile program
    // are always allowed.
    [[nodiscard]] std::shared_ptr<const Policy> policy(const std::string& rules) const;
    [[nodiscard]] Command command(const std::vector<std::string>& argv) const;

    // `meanwhile` is called with the held command's sandbox, before it is released.
    Held run(const std::string& rules, const std::vector<std::string>& argv, CompileOptions options = {},
             const std::function<void(Sandbox&)>& meanwhile = {}) const;
    Held run_plan(const Plan& plan, const std::function<void(Sandbox&)>& meanwhile = {}) const;

    std::map<std::string, std::string> environment; // the caller's
    std::shared_ptr<LandlockLog> records; // of Landlock's, if they are to be reported
    bool answer_refusals = false; // off, so that what is refused is refused by mounts, Landlock and the filter

private:
    TemporaryDirectory directory_;
    Variables variables_;
};

inline const std::string hostile = HOSTILE;

// A machine that can hold everything, whatever this one can.
Machine full_machine();

// A server on the host's loopback, at a port of the kernel's choice.
struct Listener {
    Listener();
    unique_fd socket;
    std::string port;
};

// Whether this machine lets an ordinary user make the namespaces.
bool namespaces_allowed();

} // namespace treadline::test

#define REQUIRE_NAMESPACES()                                                                                 \
    REQUIRE_CAPABILITY(::treadline::test::namespaces_allowed(), "user namespaces and Landlock")

// Who did something: the processes of a trace by the part they play, as their chain of programs tells.
//
// A part is evidence for a person and a reason for caution, never a right: no rule is bound to one. What a
// traced program says of itself (its argument list) counts only where an interpreter that is not its own has
// to be told which script it runs.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "collector/trace.h"

namespace treadline {

enum class Role : uint8_t {
    Other,
    Agent, // a coding agent
    Shell,
    PackageManager,
    InstallScript, // what a package manager runs of the packages it installs, or builds
    Compiler,
    BuildTool,
    VersionControl,
    NetworkClient, // fetches what it is told to
};
std::string_view to_string(Role role); // "package manager"; "" for Other

struct Subject {
    std::string program; // the executable's file name
    Role role = Role::Other;
    // Runs what somebody else wrote and nobody read: an install script, a program started after a process
    // above it had talked to another machine, and what executes or loads a file that one of these wrote.
    bool after_untrusted = false;
    auto operator<=>(const Subject&) const = default;
};

class Subjects {
public:
    explicit Subjects(const Trace& trace);

    // By ProcessImage::id; nobody (empty) for one the trace does not know.
    [[nodiscard]] const Subject& of(int64_t process) const;

private:
    void mark_those_who_run_what_the_marked_wrote(const Trace& trace);
    std::unordered_map<int64_t, Subject> by_image_;
};

// The file name of a process image's program; what evidence calls it.
std::string program_name(const ProcessImage& image);

} // namespace treadline

// The attack corpus: a table of attacks (shared threats list), each run three times, always as an ordinary user and by the real
// binary, in a fresh world of files:
//
//   without Treadline        it has to succeed, or the test proves nothing
//   treadline enforce        it has to fail; no secret is printed, nothing outside is made, changed or removed; and the
//                            report has exactly the denials that the table names
//   with the reported rule   it has to succeed again: the rule is the one that would allow it
//
// In all places and rules of a case `~/x` lies in the home and `./x` in the project, which is ~/project and where the
// commands run. `./out` is for whatever an attack needs of its own: rules let everybody fill it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/support/support.h"

namespace treadline::test {

// A profile's sections. `include: [base, shell, git]` and the hostile program are always in it.
struct Rules {
    std::vector<std::string> files;       // "${project}/**: r"
    std::vector<std::string> private_directories;
    std::vector<std::string> deny;
    std::vector<std::string> syscalls;
    std::vector<std::string> unix_sockets;
    std::vector<std::string> listen;
    std::vector<std::string> pass;        // environment
    std::vector<std::string> resources;   // "processes: 50"

    [[nodiscard]] Rules with(const std::string& section, const std::string& rule) const; // as a report names them
    [[nodiscard]] std::string yaml() const;
};
Rules tests_rules(); // a test suite's: reads the project, fills out/ and a private ${tmp}
Rules agent_rules(); // a coding agent's: fills and runs all of the project
Rules whole_home_rules(); // careless: fills all of the home

struct Denial {
    std::string layer;
    std::string object; // as in a report; in a table also a place; "$1" at its end is the first word that `prepare` added
    std::optional<std::string> rule; // none: no rule allows it
    std::string section = "files";
    bool operator==(const Denial&) const = default;
};

struct Enforced {
    Finished run;
    std::vector<Denial> denials;
};

class World {
public:
    World();
    ~World(); // ends the bystander

    [[nodiscard]] std::string place(const std::string& name) const; // of "~/x", "./x" or an absolute path
    std::string write(const std::string& name, const std::string& text, unsigned mode = 0644) const;

    [[nodiscard]] Finished run(std::vector<std::string> argv) const;
    [[nodiscard]] Enforced enforce(const Rules& rules, std::vector<std::string> argv) const;
    Finished shell(const std::string& script) const { return run({"sh", "-c", script}); } // to prepare something

    // A process of the same user outside, with these descriptors open and this working directory. One a world.
    pid_t bystander(const std::vector<std::string>& open_files, const std::string& directory);
    std::map<std::string, std::string> environment; // of the next runs, besides the usual one
    void inherit(const std::string& name); // the next runs have this file open as descriptor 9
    void listen(const std::string& name);  // a UNIX socket of a server of the same user
    [[nodiscard]] std::string handle(const std::string& name) const; // name_to_handle_at(2), as `hostile` takes it

    // What is outside, but ./out and Treadline's own state: of each path its type, mode, owner, size, times, inode,
    // links, attributes and content. Of a directory neither times nor inode count: guards come and go in it.
    void remember();
    [[nodiscard]] std::vector<std::string> changes() const; // since then: "made ~/x", "changed ./x", "removed ./x"
    [[nodiscard]] bool changed(const std::string& name) const; // the path itself, or one below it

private:
    using Picture = std::map<std::string, std::string>;
    [[nodiscard]] Picture picture() const;
    [[nodiscard]] RunOptions options() const;
    void expand(std::vector<std::string>& argv) const;

    TemporaryDirectory root_;
    std::string home_;
    std::string project_;
    Picture before_;
    pid_t bystander_ = -1;
    int inherited_ = -1;
    int listener_ = -1;
};

// Whether an attack got what it wanted, seen from outside.
using Success = std::function<bool(const World&, const Finished&)>;
Success prints_a_secret();
Success changes(const std::string& name);
Success ends_well(); // with status 0

struct Attack {
    std::string name;
    std::vector<std::string> argv; // "hostile" is the hostile program
    Success success;
    std::vector<Denial> denials; // exactly these
    Rules rules = tests_rules();
    // Before each of the three runs: something outside that the attack makes use of; more words for `argv`.
    std::function<std::vector<std::string>(World&)> prepare = {};
    // What a success takes besides the reported rules; or why no rule can bring it about.
    std::vector<std::pair<std::string, std::string>> also = {}; // section, rule
    std::string never = "";
    std::vector<std::string> free_prefix = {}; // words before `argv` in the run without Treadline
    bool races = false; // the denials may come in any number, but of no other kind
};

// The three runs. All of them are over in well under a second.
void hold(const Attack& attack);

} // namespace treadline::test

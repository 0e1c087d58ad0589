// Traces as compact text, for scripted tests and golden cases.
//
//   run NAME=VALUE…                 starts a run: project, home, user, tmp, complete, lost, because, network
//   command WORD…
//   process ID PARENT EXE [WORD…] the words are its arguments, itself included; what stands further down came
//   later file PROCESS ACCESS PATH…       ACCESS as in `show --json`; then the words made, exclusively, gone,
//   directory, linked, xCOUNT, or an errno
//                                   (EACCES, ENOENT…), before the paths
//   socket PROCESS OPERATION PROTOCOL ADDRESS PORT [HOST] [ERRNO]
//   exchange HOST|- ADDRESS|- PORT PROTOCOL [ERRNO or what would not pass]
//   syscall PROCESS NAME…
//   environment PROCESS NAME…
//   lookup PROCESS NAME ADDRESS…
//   ran PROCESS PATH…               a file that the run had written
//   disk DIRECTORY NAME…            what is on the disk: NAME/ is a directory, NAME=key holds a private key
//   certificate TEXT
//
// In words, \s is a space, \n a newline, \\ a backslash, \xNN a byte. Paths may start with {project}, {home}
// or {tmp} of the run. '#' starts a comment line.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "profiler/reduce.h"

namespace treadline::test {

class ScriptedDisk : public DiskView {
public:
    [[nodiscard]] std::vector<Entry> list(const std::string& directory, bool& truncated) const override;
    [[nodiscard]] bool begins_private_key(const std::string& path) const override;
    void add(const std::string& directory, const std::string& name);

private:
    std::map<std::string, std::vector<Entry>> directories_;
    std::set<std::string> keys_;
};

struct Fixture {
    std::vector<Trace> traces;
    ScriptedDisk disk;

    // With the abstractions of tests/golden/abstractions, which change only with the tests.
    [[nodiscard]] ReduceInput input() const;
    [[nodiscard]] Variables variables() const; // of the last run
};

Fixture read_fixture(std::string_view text);
Variables fixture_variables(const RunInfo& run);
Policy::Loader fixture_abstractions();

// The same run with its accesses as rows of a store (Trace::rows), in the order they have in `trace`.
Trace as_rows(const Trace& trace);

// The lines of one section, without their reasons: "# " before what is withheld, "? " before what waits under
// `review:`.
std::vector<std::string> lines_of(const Proposal& proposal, Section section);
Proposal reduced(std::string_view fixture); // fails the test on an error

} // namespace treadline::test

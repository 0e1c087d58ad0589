// Traces in, profile out. A pure function: no clock, no environment, and the disk only through DiskView; the
// same traces and view give the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "collector/trace.h"
#include "profiler/costs.h"
#include "profiler/subjects.h"
#include "profiles/policy.h"
#include "profiles/profile.h"
#include "profiles/variables.h"

namespace treadline {

// What the reduction may ask about the disk as it is now; tests pass a scripted one.
class DiskView {
public:
    virtual ~DiskView() = default;
    struct Entry {
        std::string name;
        bool directory = false;
        bool symlink = false;
    };
    // The names in a directory; empty if it cannot be read. Bounded by the implementation, `truncated` says
    // so.
    [[nodiscard]] virtual std::vector<Entry> list(const std::string& directory, bool& truncated) const = 0;
    // Whether a regular file begins as a private key does in text (RFC 7468, and OpenSSH's own); false if it
    // cannot be read.
    [[nodiscard]] virtual bool begins_private_key(const std::string& path) const = 0;
};

// Why a rule stands in the profile: for `review`, `explain` and the comment behind a rule.
struct Evidence {
    uint64_t accesses = 0;
    int runs = 0; // that needed it
    int of_runs = 0;
    std::vector<std::string> programs; // file names of the programs, most accesses first, at most 4
    std::vector<std::string> examples; // paths, portable, at most 3
    int first_run = 0;                 // of the traces, by position
    int last_run = 0;
    std::vector<Role> roles{};            // of all its programs, each once
    bool only_after_untrusted = false;    // see Subject
    int processes = 0;                    // process images, of all runs together
    bool only_through_made_links = false; // files: asked for by way of symbolic links that the runs had made
};

enum class Section : uint8_t { Files, Private, Connect, Listen, Unix, Syscalls, Environment, Include, Deny };

// Ends the reason of a withheld rule whose every access failed while learning: the command got on without it, and
// that an enforced run refuses it, too, is nothing new.
inline constexpr std::string_view refused_while_learning = ", refused while learning";

// The reason of a withheld host that runs sent nothing but datagrams to.
inline constexpr std::string_view only_datagrams =
    "only sent datagrams there, which no rule carries: the sandbox lets TCP out, and lookups";

struct ProposedRule {
    Section section = Section::Files;
    std::string text; // the line for its section: "${project}/**: r", "socket", "3000"; not quoted for YAML
    Evidence evidence;
    // Not empty: written as a comment for a person to accept, with this sentence as the reason.
    std::string withheld;
    // Not empty: written under `review:`, where it allows nothing until a person moves it, for this reason.
    std::string review = "";
    std::string remark = ""; // said behind a rule that stands, instead of its evidence
    // Whether the profile allows it as it is written.
    [[nodiscard]] bool stands() const { return withheld.empty() && review.empty(); }
};

struct Proposal {
    std::vector<ProposedRule> rules; // in the order they are written
    Learned learned;
    std::vector<std::string> warnings; // "2 accesses were lost (ring full): run again"
};

struct ReduceInput {
    std::vector<Trace> traces;
    // Variables of the machine each trace was made on; traces of other users or checkouts have their own.
    std::function<Variables(const RunInfo&)> variables;
    const DiskView* disk = nullptr;
    Policy::Loader abstractions;
    std::vector<std::string> shipped_abstractions; // names to choose `include` from; the first is always taken
    // Learning again: what the profile there is allows already needs no rule, so that a person's narrower
    // rules are not widened again. Includes, sockets, system calls and the environment are left to
    // missing_from().
    const Policy* existing = nullptr;
    Costs costs;
};

// Everything the traces need, beyond `existing`.
result<Proposal> reduce(const ReduceInput& input);

// What of `proposal` the policy does not allow yet: what learning again has to add. A rule that `deny`
// refuses, or that stands commented out or under `review:` in `existing_text`, is not proposed again. Where
// the profile has a rule for the same path, the proposed one carries its modes, too: it replaces that line.
Proposal missing_from(const Proposal& proposal, const Policy& policy, std::string_view existing_text);

} // namespace treadline

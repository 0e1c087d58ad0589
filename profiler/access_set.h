// What the traces say about files, as a set: every path once, portable and as a rule writes it (escaped, see
// profiles/pattern.h), with what was done to it and by whom.
//
// Only what succeeded counts. What failed is kept apart: a name that was not there needs no rule, a refusal
// becomes a warning, and a refused or opened guarded path (credentials, the protected set) a withheld
// proposal.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "profiler/path_trie.h"
#include "profiler/reduce.h"
#include "profiler/subjects.h"

namespace treadline {

// By node of the trie.
struct NodeFacts {
    uint64_t runs = 0; // bit i: run i came here or below; runs from 63 on share the last bit
    Modes seen;        // of the path itself
    bool directory = false;
    bool created = false;   // by the run, in every run that came here
    bool gone = false;      // at the end, in every run that came here
    bool touched = false;   // the path itself, not only something below
    bool made = false;      // under this name
    bool exclusive = false; // made, and always by a call that takes no name which is there
};

// One (path, subject, run): what evidence is made of.
struct AccessRecord {
    PathTrie::Node node = 0;
    uint32_t process = 0; // ProcessImage::id
    uint16_t subject = 0; // index into AccessSet::subjects
    uint16_t run = 0;     // index into the traces
    Modes modes;
    bool through_made_link = false;
    uint32_t count = 0; // stays at the largest
};

struct GuardedAccess {
    std::string path; // portable
    Modes modes;
    GuardKind kind = GuardKind::Credential;
    std::string what;
    bool created = true; // in every access: the run itself had made it
    bool refused = true; // every access failed: a mask or the system kept it from the run
    Evidence evidence;
};

struct SocketPath {
    std::string path; // portable, or "@name"
    Evidence evidence;
};

struct AccessSet {
    PathTrie trie;
    std::vector<NodeFacts> facts;      // by node
    std::vector<AccessRecord> records; // by node
    std::vector<Subject> subjects;
    std::vector<GuardedAccess> guarded; // by path
    std::vector<SocketPath> sockets;    // connected to, by path
    std::vector<std::string> warnings;
    int runs = 0;
};

AccessSet collect_accesses(const std::vector<Trace>& traces,
                           const std::function<Variables(const RunInfo&)>& variables);

// A directory the run made or removed, other than one that came and went with nothing in it. What it is when
// the run starts is not what it is later, so `dir/` of its parent is not enough to hold it.
bool remade_directory(const AccessSet& set, PathTrie::Node node);

// Adds up evidence; programs and examples are cut to what `Evidence` promises by finish().
class EvidenceCounter {
public:
    void add(const Subject& subject, size_t run, uint64_t count);
    void add(const EvidenceCounter& other);
    void by(size_t run, int64_t process);                                     // a ProcessImage::id
    void by_made_link(bool yes) { (yes ? by_made_link_ : directly_) = true; } // of a file
    void example(const std::string& portable);
    [[nodiscard]] bool wants_examples() const;
    [[nodiscard]] size_t runs() const { return runs_.size(); }
    [[nodiscard]] Evidence finish(int of_runs) const;

private:
    uint64_t accesses_ = 0;
    std::set<size_t> runs_;
    std::vector<uint64_t> processes_; // and their runs; each once, but for the end that is not sorted yet
    size_t sort_at_ = 1024;
    std::map<std::string, uint64_t> programs_;
    std::set<Role> roles_;
    bool by_made_link_ = false;
    bool directly_ = false;
    bool before_untrusted_ = false; // somebody who had met nothing untrusted
    std::vector<std::string> examples_;
};

// Of two rules that become one. Runs and processes cannot be told apart any more: those of the rule that had
// more.
Evidence sum_of(const Evidence& a, const Evidence& b);

} // namespace treadline
